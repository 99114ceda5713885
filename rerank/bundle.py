"""A model bundle is a folder: manifest.json, model.onnx (of a translator encoder.onnx and decoder.onnx), tokenizer.json
(of models that read text), README.md. Loading verifies every hash."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rerank.errors import BundleError
from rerank.manifest import Manifest, Task

MANIFEST = "manifest.json"
MODEL = "model.onnx"
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
TOKENIZER = "tokenizer.json"
TARGET_TOKENIZER = "target_tokenizer.json"
"""Of a translator that writes other pieces than it reads."""
MODEL_CARD = "README.md"
MODELS = Path(__file__).parent / "models"
"""The bundles that ship with polyrank."""

NEEDED: Mapping[Task, tuple[str, ...]] = {
    "embed": (MODEL, TOKENIZER),
    "embed-image": (MODEL,),
    "rerank": (MODEL, TOKENIZER),
    "translate": (ENCODER, DECODER, TOKENIZER),
}
"""The files that a bundle for a task must list."""

SEARCH_TASKS: tuple[Task, ...] = ("embed", "rerank")
"""What is trained, quantized by its ranking, evaluated and packaged."""

PICKLES = frozenset({".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})
"""Kinds that may be pickles, which run code when opened: refused even when listed."""

UNLISTED = PICKLES | {".data", ".dll", ".dylib", ".h5", ".jar", ".npy", ".npz", ".onnx", ".py", ".pyc", ".so", ".zip"}
"""Kinds refused unless the manifest has their hash: code, archives and weights."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its folder and its manifest."""

    path: Path
    manifest: Manifest

    @property
    def fingerprint(self) -> str:
        """The manifest's fingerprint."""
        return self.manifest.fingerprint


def load_bundle(path: Path, task: Task | Collection[Task] | None = None) -> Bundle:
    """Read and verify a bundle; does not start the model.

    Args:
        path: the bundle's folder.
        task: what the model must be for, one of several; any when None.

    Raises:
        BundleError: the folder or a file is missing, a hash differs, a file of a dangerous kind lies there,
            or the bundle is for another task.
    """
    manifest_path = path / MANIFEST
    try:
        data = json.loads(manifest_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(f"{path} holds no {MANIFEST}; a bundle is a folder made by `rerank export-onnx`") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"cannot read {manifest_path}: {error}") from error
    manifest = Manifest.from_json(data, str(manifest_path))
    wanted = (task,) if isinstance(task, str) else task
    if wanted is not None and manifest.task not in wanted:
        raise BundleError(f"{path} is a bundle to {manifest.task}, one to {' or '.join(wanted)} is needed")
    _verify(path, manifest)
    return Bundle(path, manifest)


def _verify(path: Path, manifest: Manifest) -> None:
    for name in NEEDED[manifest.task]:
        if name not in manifest.files:
            raise BundleError(f"{path / MANIFEST} lists no hash for {name}; export the model again")
    for entry in sorted(path.iterdir()):
        if entry.suffix.lower() in UNLISTED and entry.name not in manifest.files:
            raise BundleError(f"{entry} does not belong in a bundle (a {entry.suffix} file is not loaded); remove it")
    for name, expected in manifest.files.items():
        file = path / name
        if file.suffix.lower() in PICKLES:
            raise BundleError(f"{file} is a pickle, which can run code; export the model to ONNX instead")
        if not file.is_file():
            raise BundleError(f"{file} is missing; the manifest lists it")
        if (found := file_hash(file)) != expected.lower():
            raise BundleError(
                f"{file} was changed: its sha256 starts {found[:12]}, the manifest says {expected[:12]}; "
                "fetch the bundle again"
            )


def file_hash(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, Path], model_card: str) -> Bundle:
    """Write a bundle whole or not at all, then verify it.

    An existing bundle at `path` is replaced; any other folder with content is left alone.

    Args:
        path: where the folder goes.
        manifest: its `files` are computed here.
        files: file name in the bundle to the file to copy.
        model_card: text of README.md.

    Raises:
        BundleError: `path` is taken by something else, or cannot be written.
    """
    refuse_foreign_folder(path)
    manifest = replace(manifest, files={name: file_hash(source) for name, source in files.items()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            staged = Path(scratch) / path.name
            staged.mkdir()
            for name, source in files.items():
                shutil.copyfile(source, staged / name)
            content = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False)
            (staged / MANIFEST).write_text(content + "\n", encoding="utf-8")
            (staged / MODEL_CARD).write_text(model_card, encoding="utf-8")
            load_bundle(staged)
            if path.exists():
                os.replace(path, Path(scratch) / "old")
            os.replace(staged, path)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {path}: {error}") from error
    return load_bundle(path)


def refuse_foreign_folder(path: Path) -> None:
    """Check that a bundle may be written to `path`.

    Raises:
        BundleError: it exists and is neither an empty folder nor a bundle.
    """
    if path.exists() and not (path / MANIFEST).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise BundleError(f"{path} exists and is no bundle; name a new folder or remove it")


def default_bundle(task: Task, models: Path = MODELS) -> Path:
    """Return the folder of the shipped bundle for `task`.

    Raises:
        BundleError: none is there, or several are.
    """
    found = _shipped(task, models)
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found) or "none"
        raise BundleError(f"{models} should hold one bundle to {task}, found {names}; name the bundle to use")
    return found[0]


def has_default(task: Task, models: Path = MODELS) -> bool:
    """Tell whether a bundle for `task` ships with polyrank."""
    return bool(_shipped(task, models))


def _shipped(task: Task, models: Path) -> list[Path]:
    manifests = sorted(models.glob(f"*/{MANIFEST}"))
    return [file.parent for file in manifests if json.loads(file.read_text(encoding="utf-8")).get("task") == task]
