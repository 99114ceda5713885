"""The models of one task that a service holds: loaded, replaced and unloaded while it serves."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from rerank.manifest import Manifest
from rerank.service.faults import NotReady, RefusedValue, UnknownModel
from rerank.service.served import ServedEmbedder, ServedReranker

log = logging.getLogger("rerank.service")

T = TypeVar("T", ServedReranker, ServedEmbedder)


class Shelf(Generic[T]):
    """Models by name, the default first. Thread-safe; a request that has a model keeps it until it is done."""

    def __init__(self, task: str, load: Callable[[Path | None], T]) -> None:
        """Start empty; `load` loads and verifies a bundle, None for the shipped one."""
        self.task = task
        self._load: Callable[[Path | None], T] = load
        self._lock = threading.Lock()
        self._models: dict[str, T] = {}
        self._watch: Callable[[T], None] = lambda model: None

    def watch(self, seen: Callable[[T], None]) -> None:
        """Have each model shown to `seen`: those that are there, and later ones before they get requests."""
        self._watch = seen
        for model in self.all():
            seen(model)

    def all(self) -> list[T]:
        """Return the models, the default first."""
        with self._lock:
            return list(self._models.values())

    def default(self) -> T | None:
        """Return the model for requests that name none; None when there is none."""
        models = self.all()
        return models[0] if models else None

    def choose(self, name: str | None = None, language: str | None = None) -> T:
        """Return the model for a request.

        One that has the name or fingerprint `name`; else the first that reads `language` (BCP 47), else the default. An
        unknown name is no error: clients send their vendor's model names.

        Raises:
            NotReady: there is no model for the task.
        """
        models = self.all()
        if not models:
            raise NotReady(f"this instance has no model to {self.task}; start it with one or load one")
        for model in models:
            if name is not None and name in (model.manifest.name, model.fingerprint):
                return model
        primary = language.split("-")[0].lower() if language else None
        return next((model for model in models if primary in model.manifest.languages), models[0])

    def add(self, path: Path | None, *, default: bool = False) -> T:
        """Load a bundle, warm it up and put it among the models, in place of one of the same name.

        Raises:
            BundleError: it is missing, changed or for another task; the models are as they were.
        """
        model = self._load(path)
        model.warm_up()
        self._watch(model)
        name = model.manifest.name
        with self._lock:
            replaced = self._models.get(name)
            rest = {key: value for key, value in self._models.items() if key != name}
            if default:
                self._models = {name: model, **rest}
            else:
                self._models = {**self._models, name: model}
        if replaced is not None:
            replaced.batcher.close()
        log.info("%s model %s is loaded", self.task, name)
        return model

    def reload(self, name: str) -> T:
        """Load a model's bundle again from where it came; requests go on with the old one until then.

        Raises:
            UnknownModel: there is none of this name.
            BundleError: the bundle cannot be used; the old model stays.
        """
        return self.add(self._named(name).path)

    def remove(self, name: str) -> None:
        """Unload a model after the requests that it has.

        Raises:
            UnknownModel: there is none of this name.
            RefusedValue: it is the only one.
        """
        model = self._named(name)
        with self._lock:
            if len(self._models) == 1:
                raise RefusedValue(f"{name} is the only model to {self.task}; load another one first")
            self._models = {key: value for key, value in self._models.items() if key != name}
        model.batcher.close()
        log.info("%s model %s is unloaded", self.task, name)

    def close(self) -> None:
        """Finish what waits and end the threads."""
        for model in self.all():
            model.batcher.close()

    def describe(self) -> list[dict[str, Any]]:
        """Return what /models says of each."""
        return [
            describe(model.manifest) | {"default": place == 0, "pending": model.batcher.pending}
            for place, model in enumerate(self.all())
        ]

    def _named(self, name: str) -> T:
        with self._lock:
            if name not in self._models:
                known = ", ".join(self._models) or "none"
                raise UnknownModel(f"no model to {self.task} is named {name[:80]!r}; loaded: {known}")
            return self._models[name]


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return what a manifest says to the users of a model."""
    data = manifest.to_json()
    hidden = ("format", "files", "training", "metrics")
    return {key: value for key, value in data.items() if key not in hidden} | {"fingerprint": manifest.fingerprint}
