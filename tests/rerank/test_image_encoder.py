import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rerank.bundle import MANIFEST, load_bundle
from rerank.errors import BundleError, ModelInputError
from rerank.image_encoder import MAX_BATCH, ImageEncoder, load_image_encoder, prepare
from rerank.manifest import ImageInput
from tests.rerank.tiny_images import IMAGE_DIMENSION, SEEN, tiny_image_encoder


def picture(colour: tuple[int, ...], size: tuple[int, int] = (20, 12), kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, kind)
    return file.getvalue()


@pytest.fixture
def encoder(tmp_path: Path) -> ImageEncoder:
    return ImageEncoder(tiny_image_encoder(tmp_path / "pictures"))


def test_a_picture_becomes_the_vector_of_its_colour(encoder: ImageEncoder) -> None:
    red, white = encoder.decode(picture((255, 0, 0))), encoder.decode(picture((255, 255, 255)))
    assert red.shape == (3, SEEN.size, SEEN.size)
    vectors = encoder.encode([red, white])
    high, low = (1 - 0.5) / 0.25, (0 - 0.5) / 0.25
    expected = np.array([high, low, low, high + 2 * low])
    assert vectors[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert encoder.encode([]).shape == (0, IMAGE_DIMENSION)


def test_a_batch_is_as_many_batches_of_one(encoder: ImageEncoder) -> None:
    images = [encoder.decode(picture((10 * i, 90, 200 - 9 * i))) for i in range(MAX_BATCH + 3)]
    together = encoder.encode(images)
    assert together == pytest.approx(np.vstack([encoder.encode([one]) for one in images]), abs=1e-6)


def test_the_middle_is_cut_out(encoder: ImageEncoder) -> None:
    image = Image.new("RGB", (300, 100), (0, 0, 0))
    image.paste((255, 255, 255), (100, 0, 200, 100))
    cut = prepare(image, ImageInput(10, (0, 0, 0), (1, 1, 1)))
    assert cut.shape == (3, 10, 10)
    assert cut[:, :, 2:8].min() > 0.99


def test_transparent_places_are_white_and_other_modes_are_read(encoder: ImageEncoder) -> None:
    white = encoder.decode(picture((255, 255, 255)))
    assert encoder.decode(picture((9, 9, 9, 0), mode="RGBA")) == pytest.approx(white)
    assert encoder.decode(picture((255,), kind="JPEG", mode="L")) == pytest.approx(white)
    assert encoder.decode(picture((255, 255, 255), kind="WEBP")) == pytest.approx(white)


def test_what_is_no_picture_is_said_to_be_none(encoder: ImageEncoder) -> None:
    whole = picture((1, 2, 3), (64, 64))
    for data in (b"", b"<html>", whole[: len(whole) // 2], picture((0, 0, 0))[:40]):
        with pytest.raises(ModelInputError, match="no image that Pillow reads"):
            encoder.decode(data)
    with pytest.raises(ModelInputError, match="more than 64 million pixels"):
        encoder.decode(picture((0,), (9000, 8000), mode="L"))


def test_the_manifest_comes_back_and_shapes_the_fingerprint(tmp_path: Path) -> None:
    bundle = tiny_image_encoder(tmp_path / "one", space="sha256:text")
    assert load_bundle(tmp_path / "one").manifest == bundle.manifest
    assert load_image_encoder(tmp_path / "one").space == "sha256:text"
    other = tiny_image_encoder(tmp_path / "two", image=ImageInput(16, SEEN.mean, SEEN.std))
    assert other.fingerprint != bundle.fingerprint
    assert load_image_encoder(tmp_path / "two").space == other.fingerprint


@pytest.mark.parametrize("wrong", [{"size": 0}, {"mean": [0.5]}, {"std": [0.1, 0, 0.1]}, {"mean": "no"}])
def test_a_manifest_that_does_not_say_how_to_look_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    tiny_image_encoder(tmp_path / "bundle")
    file = tmp_path / "bundle" / MANIFEST
    told = json.loads(file.read_text())
    told["image"] |= wrong
    file.write_text(json.dumps(told))
    with pytest.raises(BundleError, match=f"`{next(iter(wrong))}` must be"):
        load_image_encoder(tmp_path / "bundle")


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    wide = ImageEncoder(tiny_image_encoder(tmp_path / "wide", np.ones((3, 5))))
    with pytest.raises(BundleError, match="not 4 numbers an image"):
        wide.encode([wide.decode(picture((1, 2, 3)))])


def test_without_pillow_the_pip_line_is_said(tmp_path: Path) -> None:
    tiny_image_encoder(tmp_path / "bundle")
    program = (
        "import sys; sys.modules['PIL'] = sys.modules['PIL.Image'] = None\n"
        "from pathlib import Path\nfrom rerank.errors import MissingExtraError\n"
        "from rerank.image_encoder import load_image_encoder\n"
        f"try:\n    load_image_encoder(Path({str(tmp_path / 'bundle')!r}))\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "images need Pillow; pip install 'polyrank[images]'"
