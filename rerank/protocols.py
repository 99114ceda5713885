"""The seams between stages: what a detector, translator, embedder and scorer take and give.

Every method takes a batch and returns as many items in the same order, accepts the empty batch and keeps no
state from one call to the next. Trivial implementations live beside the real ones and serve as baseline,
fallback and test double.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Float32, shape (n, dimension), rows of unit L2 norm."""

Scores = NDArray[np.float32]
"""Float32, shape (n,), probabilities of relevance 0..1."""

UNDETERMINED = "und"
"""BCP 47's code for a language that is not known."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The language of a text, BCP 47, `und` below the detector's threshold; `confidence` 0..1."""

    language: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in the target language and who made it; an untranslatable text comes back unchanged with
    engine `keep` and confidence 0.0. Not `answered`: it was kept for want of a budget or of an answer, and asked
    another time it may be translated."""

    text: str
    engine: str
    confidence: float
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and one rendered document, to be scored together."""

    query: str
    document: str


@runtime_checkable
class Detector(Protocol):
    """Tells the language of each text."""

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """Detect the language of each text; a text that says nothing (empty, digits) is `und`."""
        ...


@runtime_checkable
class Translator(Protocol):
    """Translates between the language pairs it names; every other pair is kept unchanged."""

    @property
    def name(self) -> str:
        """Who translates, as provenance records it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text may be translated differently."""
        ...

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the (source, target) BCP 47 pairs that can be translated."""
        ...

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text from `source` to `target`."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors; only vectors of one fingerprint may be compared."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` plus a hash over everything that shapes a vector."""
        ...

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The BCP 47 languages it reads well."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries: float32 (n, dimension), unit L2 norm."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed documents rendered by the bundle's template: float32 (n, dimension), unit L2 norm."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Says how probable it is that each document answers its query."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` plus a hash over everything that shapes a score."""
        ...

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Score each pair: float32 (n,), 0..1, after the bundle's activation and calibration."""
        ...
