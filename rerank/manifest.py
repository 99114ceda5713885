"""What a model bundle says of itself: the content of manifest.json as a frozen type."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from rerank.errors import BundleError, ModelInputError
from rerank.template import DEFAULT_TEMPLATE, DocumentTemplate

FORMAT = 1

Task = Literal["embed", "embed-image", "rerank", "translate"]
Pooling = Literal["mean", "cls"]
Activation = Literal["sigmoid", "identity"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a logit into a probability: sigmoid(scale * logit + shift)."""

    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How an image encoder wants images: RGB, the shorter side scaled to `size` pixels, the middle square cut out, each
    channel as (value / 255 - mean) / std."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's form."""
        return {"size": self.size, "mean": list(self.mean), "std": list(self.std)}


@dataclass(frozen=True, slots=True)
class Generation:
    """How a translator reads and writes: token ids of the start, the end and the padding of a text, of an unknown
    piece, and how many tokens it has (ids of its tokenizer from `tokens` on are unknown to it).

    `pair` is the source and target (BCP 47) of a model of one pair, None where its files do not say. `languages` of a
    model of many: BCP 47 to the id of the token that stands before a text to read, and begins one that is written.
    """

    start: int
    end: int
    padding: int
    unknown: int
    tokens: int
    pair: tuple[str, str] | None = None
    languages: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's form."""
        ids = {"start": self.start, "end": self.end, "padding": self.padding, "unknown": self.unknown}
        return ids | {
            "tokens": self.tokens,
            "pair": list(self.pair) if self.pair else None,
            "languages": dict(self.languages),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says of itself. `files` maps file name to sha256 hex; `training` and `metrics` are free
    JSON for the reader and do not count for the fingerprint, and neither does `architecture`: the `config` and
    `tokenizer` settings of the torch model, by which training goes on from an fp32 bundle; empty where nobody said.
    `weight_bits` is how many bits of each int8 weight are used: 8, or 7.

    A translator has `generation` and no template. An image encoder has `image` and neither template nor `max_length`;
    `space` is the fingerprint of the text embedder whose vectors its own may be compared with, None when there is none.
    """

    name: str
    task: Task
    base_model: str
    licence: str
    languages: tuple[str, ...]
    max_length: int = 0
    template: DocumentTemplate = DEFAULT_TEMPLATE
    files: Mapping[str, str]
    pooling: Pooling | None = None
    dimension: int | None = None
    activation: Activation | None = None
    calibration: Calibration | None = None
    image: ImageInput | None = None
    generation: Generation | None = None
    space: str | None = None
    query_prefix: str = ""
    document_prefix: str = ""
    precision: str = "fp32"
    weight_bits: int = 8
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """`sha256:` over what shapes the output: task, template, prefixes, length, pooling, calibration, files."""
        data = self.to_json()
        shaping = ("task", "template", "query_prefix", "document_prefix", "max_length", "pooling", "dimension")
        kept = {key: data.get(key) for key in (*shaping, "activation", "calibration", "files")}
        kept |= {key: data[key] for key in ("image", "generation") if key in data}
        return "sha256:" + hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the content of manifest.json, keys in reading order."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "task": self.task,
            "base_model": self.base_model,
            "licence": self.licence,
            "languages": list(self.languages),
        }
        made = {
            "precision": self.precision,
            **({"weight_bits": self.weight_bits} if self.weight_bits != 8 else {}),
            "files": dict(sorted(self.files.items())),
            "training": dict(self.training),
            "metrics": dict(self.metrics),
        } | ({"architecture": dict(self.architecture)} if self.architecture else {})
        if self.image is not None:
            return data | {"dimension": self.dimension, "image": self.image.to_json(), "space": self.space} | made
        data["max_length"] = self.max_length
        if self.generation is not None:
            return data | {"generation": self.generation.to_json()} | made
        if self.task == "embed":
            data |= {"pooling": self.pooling, "dimension": self.dimension}
        else:
            calibration = self.calibration or Calibration()
            data |= {
                "activation": self.activation or "sigmoid",
                "calibration": {"scale": calibration.scale, "shift": calibration.shift},
            }
        return data | {
            "template": self.template.to_json(),
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            **made,
        }

    @classmethod
    def from_json(cls, data: object, where: str) -> "Manifest":
        """Read manifest.json's content.

        Raises:
            BundleError: a key is missing or has a wrong value; the message names `where` and the key.
        """
        if not isinstance(data, Mapping):
            raise BundleError(f"{where} is not a JSON object; is it a polyrank bundle?")
        if data.get("format") != FORMAT:
            raise BundleError(
                f"{where} has format {data.get('format')!r}, this polyrank reads {FORMAT}; export the model again"
            )
        read = _Reader(data, where)
        task = read.one_of("task", get_args(Task))
        embed = task == "embed"
        if task == "embed-image":
            return cls(
                **_common(read), dimension=read.count("dimension"), image=read.image("image"), space=read.space()
            )
        if task == "translate":
            length = read.count("max_length")
            return cls(**_common(read), max_length=length, generation=read.generation("generation"))
        try:
            template = DocumentTemplate.from_json(data.get("template"))
        except ModelInputError as error:
            raise BundleError(f"{where}: {error}") from error
        return cls(
            **_common(read),
            max_length=read.count("max_length"),
            template=template,
            pooling=read.one_of("pooling", get_args(Pooling)) if embed else None,
            dimension=read.count("dimension") if embed else None,
            activation=None if embed else read.one_of("activation", get_args(Activation)),
            calibration=None if embed else read.calibration("calibration"),
            query_prefix=read.text("query_prefix", ""),
            document_prefix=read.text("document_prefix", ""),
        )


def _common(read: "_Reader") -> dict[str, Any]:
    """Return what bundles of every task have."""
    return {
        "name": read.text("name"),
        "task": read.one_of("task", get_args(Task)),
        "base_model": read.text("base_model"),
        "licence": read.text("licence"),
        "languages": tuple(read.texts("languages")),
        "files": read.hashes("files"),
        "precision": read.text("precision", "fp32"),
        "weight_bits": read.count("weight_bits", 8),
        "training": read.mapping("training"),
        "metrics": read.mapping("metrics"),
        "architecture": read.mapping("architecture"),
    }


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes typed values out of a JSON object, or says which key of which file is wrong."""

    data: Mapping[str, Any]
    where: str

    def wrong(self, key: str, expected: str) -> BundleError:
        found = repr(self.data[key]) if key in self.data else "nothing"
        return BundleError(f"{self.where}: `{key}` must be {expected}, found {found[:80]}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.data.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def one_of(self, key: str, options: tuple[str, ...]) -> Any:
        value = self.data.get(key)
        if value not in options:
            raise self.wrong(key, " or ".join(options))
        return value

    def count(self, key: str, default: int | None = None) -> int:
        value = self.data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(key, "a positive whole number")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.data.get(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(key, "an object")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.data.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of strings")
        return value

    def hashes(self, key: str) -> Mapping[str, str]:
        value = self.mapping(key)
        for name, digest in value.items():
            plain = name not in ("", ".", "..") and not set("/\\:") & set(name)
            if not plain or not isinstance(digest, str) or len(digest) != 64:
                raise self.wrong(key, "plain file names, each with its sha256 in hex")
        return value

    def calibration(self, key: str) -> Calibration:
        value = self.mapping(key)
        numbers = [value.get("scale", 1.0), value.get("shift", 0.0)]
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise self.wrong(key, "{scale, shift} with two numbers")
        return Calibration(float(numbers[0]), float(numbers[1]))

    def space(self) -> str | None:
        return None if self.data.get("space") is None else self.text("space")

    def image(self, key: str) -> ImageInput:
        inner = _Reader(self.mapping(key), self.where)
        return ImageInput(inner.count("size"), inner.channels("mean"), inner.channels("std"))

    def generation(self, key: str) -> Generation:
        inner = _Reader(self.mapping(key), self.where)
        pair = inner.data.get("pair")
        if pair is not None and not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair))):
            raise inner.wrong("pair", "two languages")
        languages = inner.mapping("languages")
        tokens = inner.count("tokens")
        codes = _Reader(languages, self.where)
        return Generation(
            **{name: inner.token(name, tokens) for name in ("start", "end", "padding", "unknown")},
            tokens=tokens,
            pair=(pair[0], pair[1]) if pair else None,
            languages={code: codes.token(code, tokens) for code in languages},
        )

    def token(self, key: str, tokens: int) -> int:
        value = self.data.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < tokens:
            raise self.wrong(key, f"a token's id below {tokens}")
        return value

    def channels(self, key: str) -> tuple[float, float, float]:
        value = self.data.get(key)
        numbers = [one for one in value if isinstance(one, int | float)] if isinstance(value, list) else []
        if len(numbers) != 3 or not all(map(math.isfinite, numbers)) or (key == "std" and min(numbers) <= 0):
            raise self.wrong(key, "three numbers, one a channel")
        return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _is_text(value: object) -> bool:
    return isinstance(value, str)
