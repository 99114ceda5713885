"""What flows through a run: Record -> Document -> bulk action, or a DeadLetter. A stage returns a new one.

Records and documents are msgspec's structs and not dataclasses: there is one of each for every product, and making a
frozen dataclass of 24 fields takes 7 us, the struct 1. `msgspec.structs.replace` gives a changed one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plugin.index import IMAGE_FIELD, VECTOR_FIELD
from rerank.protocols import UNDETERMINED, Detection

QUOTED = re.compile(r"'[^']*'")

DIGITS = 7
"""After the point of each number of a vector. They move an inner product of unit vectors by 3e-8, which is what float32
rounds by; 6 would take 3 % of the node's time off, 5 take 5 %."""

TRANSLATED_FIELDS = ("title", "text", "attributes")
"""The fields of a document that exist in several languages."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One entry of a feed as it stood there: the feed's name, the line it starts on (from 1), its fields.

    `source` names the configured source it belongs to, and `prior` its likely language (BCP 47), where known;
    `version` is that of the run that read it first, when it comes from a dead letter.
    """

    feed: str
    line: int
    fields: Mapping[str, Any]
    source: str = ""
    prior: str | None = None
    version: int | None = None

    @property
    def origin(self) -> str:
        """The configured source's name, else the feed's."""
        return self.source or self.feed

    def letter(self, reason: str) -> "DeadLetter":
        """Return the dead letter of this record."""
        return DeadLetter(self.feed, self.line, reason, self.fields, None, self.source, self.prior, self.version)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was not indexed, where it stood and why; `raw` is its text when it could not be parsed.

    `source`, `prior` and `version` are the record's, so that a replay treats it as its run would have.
    """

    feed: str
    line: int
    reason: str
    record: Mapping[str, Any] | None = None
    raw: str | None = None
    source: str = ""
    prior: str | None = None
    version: int | None = None

    @property
    def kind(self) -> str:
        """The reason without what it quotes of this record, by which reports count."""
        return QUOTED.sub("'...'", self.reason.split(":")[0])


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who made one translated field, and of what: `source_hash` changes with the text it was made from; it is empty
    for a text that was not made but found."""

    engine: str
    version: str
    confidence: float
    source_hash: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as the index stores it."""
        made = {"engine": self.engine, "version": self.version, "confidence": round(self.confidence, 3)}
        return made | ({"source_hash": self.source_hash} if self.source_hash else {})


@dataclass(frozen=True, slots=True)
class Origin:
    """A record that a fused document was made of, and the fields that are from it ("title", "title.de" ...)."""

    source: str
    platform: str | None
    id: str
    updated: str | None
    fields: tuple[str, ...]


class Document(msgspec.Struct, frozen=True, gc=False):
    """A product ready for the index, as far as the stages have come.

    `title`, `text` and `attributes` are in `language` (BCP 47, `und` when not known); `translated` holds the same
    fields in other languages, `provenance` who translated them. `attrs` are the raw attributes, for filters; `measures`
    those of the texts in one spelling ("1.5 l"); `updated` is when the source last changed it, ISO 8601 in UTC;
    `sources` says what a fused document was made of, `detected` the languages that no record declared. `image` is where
    its first picture is, `image_vector` (unit L2 norm) and `image_hash` that picture's vector and what it was made of.
    """

    id: str
    record: Record
    title: str
    text: str = ""
    attributes: str = ""
    language: str = UNDETERMINED
    brand: str | None = None
    category: str | None = None
    price: float | None = None
    currency: str | None = None
    gtin: tuple[str, ...] = ()
    mpn: str | None = None
    measures: tuple[str, ...] = ()
    updated: str | None = None
    attrs: Mapping[str, Any] = msgspec.field(default_factory=dict)
    translated: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, Provenance]] = msgspec.field(default_factory=dict)
    sources: tuple[Origin, ...] = ()
    detected: Mapping[str, Detection] = msgspec.field(default_factory=dict)
    embedding: NDArray[np.float32] | None = None
    image: str | None = None
    image_vector: NDArray[np.float32] | None = None
    image_hash: str = ""
    problems: tuple[str, ...] = ()

    def own_texts(self) -> dict[str, str]:
        """Return title, text and attributes as the source has them, without the empty ones."""
        texts = {"title": self.title, "text": self.text, "attributes": self.attributes}
        return {name: value for name, value in texts.items() if value}

    def fields_for(self, languages: Sequence[str]) -> dict[str, str]:
        """Return the fields of a document template, each in the first of `languages` that it exists in,
        else as the source has it."""
        fields = self.own_texts()
        if self.language not in languages:
            for language in reversed(languages):
                fields |= self.translated.get(language, {})
        single = {"brand": self.brand, "category": self.category}
        return fields | {name: value for name, value in single.items() if value}

    def source(
        self, languages: Sequence[str], vector_field: str = VECTOR_FIELD, image_field: str = IMAGE_FIELD
    ) -> dict[str, Any]:
        """Return the document as the index stores it.

        Args:
            languages: the index's languages; a text in another one goes to the sub-field `und`.
            vector_field: where the embedder's vectors go.
            image_field: where the vector of its image goes.
        """
        own = self.language if self.language in languages else UNDETERMINED
        body: dict[str, Any] = {}
        for name, said in zip(TRANSLATED_FIELDS, (self.title, self.text, self.attributes), strict=True):
            texts = {}
            if self.translated:
                texts = {language: texts[name] for language, texts in self.translated.items() if name in texts}
            if said:
                texts[own] = said
            if texts:
                body[name] = texts
        body["language"] = self.language
        if self.brand is not None:
            body["brand"] = self.brand
        if self.category is not None:
            body["category"] = self.category
        if self.price is not None:
            body["price"] = self.price
        if self.currency is not None:
            body["currency"] = self.currency
        if self.gtin:
            body["gtin"] = list(self.gtin)
        if self.mpn is not None:
            body["mpn"] = self.mpn
        if self.measures:
            body["measures"] = list(self.measures)
        if self.image is not None:
            body["image"] = self.image
        if self.image_hash:
            body["image_hash"] = self.image_hash
        if self.attrs:
            body["attrs"] = dict(self.attrs)
        self._add_made(body, vector_field, image_field)
        return body

    def _add_made(self, body: dict[str, Any], vector_field: str, image_field: str) -> None:
        """Add what stages have added to what the record said, as the index stores it."""
        if self.detected:
            body["detected"] = {name: asdict(one) for name, one in self.detected.items()}
        if self.sources:
            body["sources"] = [
                {name: value for name, value in asdict(one).items() if value is not None} for one in self.sources
            ]
        if self.provenance:
            body["translations"] = _provenance_json(self.provenance)
        for place, vector in ((vector_field, self.embedding), (image_field, self.image_vector)):
            if vector is not None:
                body[place] = vector.astype(np.float64).round(DIGITS).tolist()  # 5 times as fast as one by one


def _provenance_json(provenance: Mapping[str, Mapping[str, Provenance]]) -> dict[str, Any]:
    return {
        language: {name: made.as_json() for name, made in fields.items()} for language, fields in provenance.items()
    }
