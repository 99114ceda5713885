"""Images as unit vectors: decoded by Pillow, cut and scaled as the bundle says, encoded by an ONNX model."""

import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.bundle import MODEL, Bundle, load_bundle
from rerank.errors import BundleError, MissingExtraError, ModelInputError
from rerank.manifest import ImageInput, Manifest
from rerank.protocols import Vectors
from rerank.session import Session, SessionOptions

MAX_BATCH = 16
MAX_PIXELS = 64_000_000
"""A larger image is refused before it is decoded: a file of a few KB can say that it is huge."""

Pixels = NDArray[np.float32]
"""One prepared image, float32, shape (3, size, size)."""


class ImageEncoder:
    """Turns images into unit vectors; only those of one fingerprint may be compared with each other."""

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        """Start the model of a verified bundle.

        Raises:
            BundleError: the bundle is no image encoder, or its model does not take one input.
            MissingExtraError: Pillow is not installed.
        """
        manifest = bundle.manifest
        if manifest.image is None or manifest.dimension is None:
            raise BundleError(f"{bundle.path} is no image encoder: its manifest has no `image` and `dimension`")
        self._pillow = _pillow()
        self.manifest: Manifest = manifest
        self.fingerprint: str = bundle.fingerprint
        self.space: str = manifest.space or bundle.fingerprint
        self.dimension: int = manifest.dimension
        self._input: ImageInput = manifest.image
        self._session = Session(bundle.path / MODEL, options, weight_bits=manifest.weight_bits)

    def decode(self, data: bytes) -> Pixels:
        """Decode an image file and prepare it as the model wants it; of an animation the first picture.

        Transparent places become white, as in a shop's page.

        Raises:
            ModelInputError: it is no image that Pillow reads, or one of more than `MAX_PIXELS`.
        """
        try:
            with self._pillow.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ModelInputError(f"the image has more than {MAX_PIXELS // 1_000_000} million pixels")
                return prepare(_on_white(image, self._pillow), self._input)
        except ModelInputError:
            raise
        except Exception as error:  # its decoders raise whatever a broken file makes them
            raise ModelInputError("no image that Pillow reads") from error

    def encode(self, images: Sequence[Pixels]) -> Vectors:
        """Encode prepared images: float32 (n, dimension), unit L2 norm, in order.

        Raises:
            BundleError: the model gives something else than one vector an image.
        """
        vectors = np.empty((len(images), self.dimension), np.float32)
        for start in range(0, len(images), MAX_BATCH):
            batch = np.stack(images[start : start + MAX_BATCH])
            made = self._session.run({"pixel_values": batch})
            if made.shape != (len(batch), self.dimension):
                raise BundleError(f"{self.manifest.name} gives {made.shape}, not {self.dimension} numbers an image")
            vectors[start : start + len(batch)] = made
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)


def prepare(image: Any, wanted: ImageInput) -> Pixels:
    """Scale the shorter side of a Pillow RGB image to `size`, cut out the middle, normalize each channel.

    Source: Radford et al., 2021, arXiv:2103.00020 (CLIP's bicubic resize and centre crop).
    """
    scale = wanted.size / min(image.size)
    width, height = (max(wanted.size, round(side * scale)) for side in image.size)
    left, top = (width - wanted.size) // 2, (height - wanted.size) // 2
    bicubic = _pillow().Resampling.BICUBIC
    square = image.resize((width, height), bicubic).crop((left, top, left + wanted.size, top + wanted.size))
    values = np.asarray(square, np.float32) / 255
    normal = (values - np.array(wanted.mean, np.float32)) / np.array(wanted.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def load_image_encoder(path: Path, options: SessionOptions | None = None) -> ImageEncoder:
    """Load an image encoder's bundle.

    Raises:
        BundleError: there is none, it was changed, or it is for another task.
        MissingExtraError: Pillow is not installed.
    """
    return ImageEncoder(load_bundle(path, "embed-image"), options)


def _on_white(image: Any, pillow: Any) -> Any:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _pillow() -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise MissingExtraError("images need Pillow; pip install 'polyrank[images]'") from error
