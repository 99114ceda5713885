"""Image vectors of documents: given by the feed, or made by an encoder of the pictures that the feed names."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ingest.document import DeadLetter, Document
from ingest.errors import IngestError
from ingest.picture_book import PictureBook, Version
from ingest.pictures import PictureError, PictureReader, is_web
from plugin.index import REPLACED_BY, IndexConflictError, VectorField, vectors_of
from rerank.errors import ModelInputError
from rerank.home import polyrank_home
from rerank.image_encoder import MAX_BATCH, ImageEncoder, load_image_encoder

MADE_OF = "image_hash"
"""The field of a stored document that says what its image vector was made of."""

Pictures = Mapping[str, tuple[str, NDArray[np.float32]]]
"""Id -> what the vector that the index holds of its image was made of, and that vector."""

NO_PICTURES: Pictures = {}
KeptImages = Callable[[Sequence[str]], Pictures]
"""Brings what the index holds of ids."""

PROBLEM = "image ("
DAY_S = 86_400.0


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[images]` of a shop's TOML: either `encoder`, a bundle that reads the pictures of the feeds' `image`, or
    `fingerprint` and `dimension` of the vectors in the feeds' `image_vector`. After `refresh_days` a web address is
    asked whether its image is another one; None: never. See `PictureReader` for the rest."""

    encoder: str | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    folder: str = "."
    hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    refresh_days: float | None = None
    max_megabytes: float = 20.0
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Images:
    """Where a run's image vectors come from and which they are; `encoder` None: from the feeds. `book` None: web
    addresses are taken to keep their images."""

    vector: VectorField
    encoder: ImageEncoder | None = None
    reader: PictureReader = field(default_factory=lambda: PictureReader(Path()))
    book: PictureBook | None = None
    refresh_s: float = 0.0

    def fingerprint(self) -> dict[str, Any]:
        """Return what an image vector depends on, beside the image."""
        return {"fingerprint": self.vector.fingerprint, "encoder": self.vector.encoder}

    def hashes(self, addresses: Sequence[str], *, ask: bool = True) -> dict[str, str]:
        """Return, for each address, what changes when its image's vector does.

        Args:
            addresses: of images.
            ask: servers whose answers are old; else what they said last is what counts.
        """
        stamps = {one: self.reader.stamp(one) for one in addresses if not is_web(one)}
        web = [one for one in dict.fromkeys(addresses) if is_web(one)]
        stamps |= {one: found.stamp for one, found in self._versions(web, ask=ask).items()}
        made = {one: "\n".join((self.vector.encoder, one, stamps.get(one, ""))) for one in addresses}
        return {
            one: hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
            for one, text in made.items()
        }

    def _versions(self, addresses: Sequence[str], *, ask: bool) -> dict[str, Version]:
        if self.book is None:
            return {}
        known = self.book.find(addresses)
        since = time.time() - self.refresh_s
        due = {one: known.get(one, Version()) for one in addresses if one not in known or known[one].asked_s < since}
        if due and ask:
            told = self.reader.versions(due)
            self.book.keep(told)
            known |= told
        return known


def open_images(config: ImageConfig | None) -> Images | None:
    """Start what the configuration names; None without one.

    Raises:
        IngestError: it names neither or both of the ways.
        BundleError: the encoder cannot be used.
        MissingExtraError: Pillow is not installed.
    """
    if config is None:
        return None
    given = config.fingerprint is not None and config.dimension is not None
    if given == (config.encoder is not None):
        raise IngestError("[images] needs either encoder, or fingerprint and dimension of the feeds' image_vector")
    if config.encoder is None:
        name = config.fingerprint or ""
        return Images(VectorField(name, config.dimension or 0, name, "image"))
    encoder = load_image_encoder(Path(config.encoder))
    made = VectorField(encoder.space, encoder.dimension, encoder.manifest.name, "image", encoder.fingerprint)
    limit = int(config.max_megabytes * 1e6)
    hosts, private = (tuple(map(str.lower, names)) for names in (config.hosts, config.private_hosts))
    reader = PictureReader(Path(config.folder), hosts, private, limit, config.timeout_s)
    if config.refresh_days is None:
        return Images(made, encoder, reader)
    book = PictureBook(polyrank_home() / "pictures.sqlite")
    return Images(made, encoder, reader, book, config.refresh_days * DAY_S)


def images_of_index(meta: Mapping[str, Any], index: str) -> Images | None:
    """Return what an index says of its image vectors, for a run that says nothing of them; None when it has none.

    Raises:
        IndexConflictError: an encoder made them, and this run has none: its documents would lose theirs.
    """
    current = [one for one in vectors_of(meta, "image").values() if REPLACED_BY not in one]
    if not current:
        return None
    found = current[-1]
    if found["encoder"]:
        raise IndexConflictError(
            f"{index} holds image vectors of {found['bundle']}, and documents written without that encoder would lose"
            f" theirs; give the TOML that names it under [images] (`ingest replay`: with --shop)"
        )
    return Images(VectorField(found["fingerprint"], found["dimension"], found["bundle"], "image"))


def check_images(
    documents: Sequence[Document], images: Images | None, *, ask: bool = True
) -> tuple[list[Document], list[DeadLetter]]:
    """Prepare cleaned documents for a run's image vectors.

    Without any, vectors of the feed are left out. One of another length than the index's is a dead letter. Where an
    encoder makes them, each document gets the hash of what its vector is to be made of; `ask` as for `Images.hashes`.
    """
    encodes = images is not None and images.encoder is not None
    hashes = images.hashes([one.image for one in documents if one.image], ask=ask) if images and encodes else {}
    kept: list[Document] = []
    letters: list[DeadLetter] = []
    for one in documents:
        if images is None or images.encoder is not None:
            made_of = hashes.get(one.image or "", "")
            same = one.image_vector is None and one.image_hash == made_of
            kept.append(one if same else replace(one, image_vector=None, image_hash=made_of))
        elif one.image_vector is not None and len(one.image_vector) != images.vector.dimension:
            reason = f"image_vector has {len(one.image_vector)} numbers, the index takes {images.vector.dimension}"
            letters.append(one.record.letter(reason))
        else:
            kept.append(one)
    return kept, letters


@dataclass(frozen=True, slots=True)
class Encoded:
    """Documents with image vectors, how many the model made, and the ids of those whose image could not be had."""

    documents: Sequence[Document]
    made: int
    failed: frozenset[str]


def encode_images(documents: Sequence[Document], images: Images, kept: Pictures = NO_PICTURES) -> Encoded:
    """Return the documents with the vectors of their images; as many, in the same order.

    A document whose image cannot be had is left without a vector and says so among its problems.

    Args:
        documents: with hashes, as `check_images` leaves them.
        images: with an encoder; without one nothing is done.
        kept: what the index holds of them.
    """
    pictured = {one.id: one for one in documents if one.image and one.image_hash}
    if images.encoder is None or not pictured:
        return Encoded(documents, 0, frozenset())
    same = [key for key, (made_of, _) in kept.items() if key in pictured and pictured[key].image_hash == made_of]
    vectors = {key: kept[key][1] for key in same}
    wanted = [one for key, one in pictured.items() if key not in vectors]
    failed: dict[str, str] = {}
    for start in range(0, len(wanted), MAX_BATCH):  # a batch of the run at once may be gigabytes
        read = _read(wanted[start : start + MAX_BATCH], images, images.encoder, failed)
        if read:
            vectors |= zip(read, images.encoder.encode(list(read.values())), strict=True)
    done = [_with(one, vectors.get(one.id), failed.get(one.id)) for one in documents]
    return Encoded(done, len(wanted) - len(failed), frozenset(failed))


def image_problems(document: Document) -> list[str]:
    """Return why the document has no vector of its image, as `encode_images` put it among its problems."""
    return [problem for problem in document.problems if problem.startswith(PROBLEM)]


def _read(
    documents: Sequence[Document], images: Images, encoder: ImageEncoder, failed: dict[str, str]
) -> dict[str, NDArray[np.float32]]:
    """Return prepared images by id; put into `failed` why there is none of others."""
    read: dict[str, NDArray[np.float32]] = {}
    answers = images.reader.read([one.image or "" for one in documents])
    for one, answer in zip(documents, answers, strict=True):
        try:
            if isinstance(answer, PictureError):
                raise ModelInputError(answer.reason)
            read[one.id] = encoder.decode(answer)
        except ModelInputError as error:
            failed[one.id] = str(error)
    return read


def _with(document: Document, vector: NDArray[np.float32] | None, failure: str | None) -> Document:
    if failure is None:
        return replace(document, image_vector=vector)
    return replace(document, image_hash="", problems=(*document.problems, f"{PROBLEM}{failure})"))
