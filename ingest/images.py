"""Image vectors of documents: given by the feed, or made by an encoder of the pictures that the feed names."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.document import DeadLetter, Document
from ingest.errors import IngestError
from ingest.pictures import PictureError, PictureReader
from plugin.index import REPLACED_BY, IndexConflictError, VectorField, vectors_of
from rerank.errors import ModelInputError
from rerank.image_encoder import MAX_BATCH, ImageEncoder, load_image_encoder

MADE_OF = "image_hash"
"""The field of a stored document that says what its image vector was made of."""

Pictures = Mapping[str, tuple[str, NDArray[np.float32]]]
"""Id -> what the vector that the index holds of its image was made of, and that vector."""

NO_PICTURES: Pictures = {}
KeptImages = Callable[[Sequence[str]], Pictures]
"""Brings what the index holds of ids."""

PROBLEM = "image ("


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[images]` of a shop's TOML: either `encoder`, a bundle that reads the pictures of the feeds' `image`, or
    `fingerprint` and `dimension` of the vectors in the feeds' `image_vector`; see `PictureReader` for the rest."""

    encoder: str | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    folder: str = "."
    hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    max_megabytes: float = 20.0
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Images:
    """Where a run's image vectors come from and which they are; `encoder` None: from the feeds."""

    vector: VectorField
    encoder: ImageEncoder | None = None
    reader: PictureReader = field(default_factory=lambda: PictureReader(Path()))

    def fingerprint(self) -> dict[str, Any]:
        """Return what an image vector depends on, beside the image."""
        return {"fingerprint": self.vector.fingerprint, "encoder": self.vector.encoder}

    def hash_of(self, address: str) -> str:
        """Return what changes when an image's vector does."""
        made = "\n".join((self.vector.encoder, address, self.reader.stamp(address)))
        return hashlib.blake2b(made.encode(errors="surrogatepass"), digest_size=12).hexdigest()


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
    return Images(made, encoder, PictureReader(Path(config.folder), hosts, private, limit, config.timeout_s))


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


def check_images(documents: Sequence[Document], images: Images | None) -> tuple[list[Document], list[DeadLetter]]:
    """Prepare cleaned documents for a run's image vectors.

    Without any, vectors of the feed are left out. One of another length than the index's is a dead letter. Where an
    encoder makes them, each document gets the hash of what its vector is to be made of.
    """
    kept: list[Document] = []
    letters: list[DeadLetter] = []
    for one in documents:
        if images is None or images.encoder is not None:
            made_of = images.hash_of(one.image) if images is not None and one.image else ""
            kept.append(replace(one, image_vector=None, image_hash=made_of))
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
