"""Image vectors: what feeds give is checked, pictures are read within bounds and encoded only when they changed."""

import io
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import trustme
from msgspec.structs import replace
from PIL import Image

from ingest.clean import clean
from ingest.document import DeadLetter, Document, Record
from ingest.errors import IngestError
from ingest.image_vector import parse_vector
from ingest.images import ImageConfig, Images, check_images, encode_images, images_of_index, open_images
from ingest.picture_book import PictureBook
from ingest.pictures import PictureError, PictureReader, is_public
from plugin.index import IndexConflictError, IndexSpec, VectorField
from rerank.image_encoder import ImageEncoder
from tests.rerank.tiny_images import tiny_image_encoder


def paint(path: Path, colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    path.write_bytes(file.getvalue())
    return file.getvalue()


def cleaned(**fields: Any) -> Document:
    found = clean(Record("shop", 1, {"id": "1", "title": "Lamp", **fields}))
    assert isinstance(found, Document), found
    return found


@contextmanager
def web(
    answers: dict[str, tuple[int, bytes]],
    dripping: threading.Event | None = None,
    *,
    asked: list[str] | None = None,
    context: ssl.SSLContext | None = None,
    etags: dict[str, str] | None = None,
) -> Iterator[str]:
    """Serve bodies by path; /slow sends a byte now and then until the event. `asked` gets each request's host, with
    `etags` the status of each answer; with a `context` the server talks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, b""))
            etag = (etags or {}).get(self.path)
            if etag and self.headers["If-None-Match"] == etag:
                status, body = 304, b""
            if asked is not None:
                asked.append(str(status) if etags else self.headers["Host"].lower())
            self.send_response(status)
            if etag:
                self.send_header("ETag", etag)
            if status == 302:
                self.send_header("Location", "/red.png")
            self.end_headers()
            while self.path == "/slow" and dripping is not None and not dripping.wait(0.05):
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
            self.wfile.write(body)

        def log_message(self, *parts: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def images(tmp_path: Path) -> Images:
    tiny_image_encoder(tmp_path / "encoder")
    found = open_images(ImageConfig(encoder=str(tmp_path / "encoder"), folder=str(tmp_path)))
    assert found is not None
    return found


def prepared(images: Images, *documents: Document) -> list[Document]:
    kept, letters = check_images(documents, images)
    assert letters == []
    return kept


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, float("nan")], "a number that is not finite"),
        ("[1, Infinity]", "a number that is not finite"),
        ([10**400, 1], "a number that is not finite"),
        ([0, 0.0], "points nowhere"),
        ("1,2", "no list of numbers"),
        ([1, "2"], "no list of numbers"),
        ([True, 1], "no list of numbers"),
        ({"a": 1}, "no list of numbers"),
    ],
)
def test_a_vector_that_is_none_is_a_dead_letter(value: Any, reason: str) -> None:
    letter = clean(Record("shop", 7, {"id": "1", "title": "Lamp", "image_vector": value}))
    assert isinstance(letter, DeadLetter)
    assert reason in letter.reason
    assert letter.line == 7


def test_vectors_of_a_feed_are_made_unit_and_no_attribute() -> None:
    for value in ([3, 4.0], "[3, 4]"):
        document = cleaned(image_vector=value, colour="red")
        assert document.image_vector == pytest.approx([0.6, 0.8])
        assert document.attrs == {"colour": "red"}
        assert document.source(["en"])["image_embedding"] == [0.6, 0.8]
    assert parse_vector([]) is None
    assert cleaned(image_vector="").image_vector is None


def test_a_vector_of_another_length_is_a_dead_letter() -> None:
    images = open_images(ImageConfig(fingerprint="clip", dimension=2))
    kept, letters = check_images([cleaned(), cleaned(image_vector=[1, 0]), cleaned(image_vector=[1, 0, 0])], images)
    assert [one.image_vector is not None for one in kept] == [False, True]
    assert [letter.reason for letter in letters] == ["image_vector has 3 numbers, the index takes 2"]
    assert letters[0].record is not None
    without, _ = check_images([cleaned(image_vector=[1, 0])], None)
    assert without[0].image_vector is None


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ("a.png", "a.png"),
        (["b.png", "c.png"], "b.png"),
        ("https://x/a,b.png, https://x/c.png", "https://x/a,b.png"),
        ([], None),
        (3, None),
    ],
)
def test_the_first_picture_of_a_product(value: Any, first: str | None) -> None:
    assert cleaned(image_link=value).image == first


@pytest.mark.parametrize("config", [ImageConfig(), ImageConfig(encoder="x", fingerprint="y", dimension=2)])
def test_a_configuration_of_neither_or_both_ways_is_refused(config: ImageConfig) -> None:
    with pytest.raises(IngestError, match="either encoder, or fingerprint and dimension"):
        open_images(config)


def test_only_changed_pictures_are_encoded(images: Images, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", (255, 0, 0))
    (first,) = prepared(images, cleaned(image="a.png"))
    made = encode_images([first], images)
    (document,) = made.documents
    assert document.image_vector is not None
    assert (made.made, made.failed) == (1, frozenset())
    stored = {"1": (document.image_hash, np.asarray(document.image_vector))}
    (same,) = prepared(images, cleaned(image="a.png", price="3"))
    again = encode_images([same], images, stored)
    assert again.made == 0
    assert again.documents[0].image_vector == pytest.approx(document.image_vector)
    assert encode_images([same], images).made == 1
    paint(tmp_path / "a.png", (0, 0, 255))
    os.utime(tmp_path / "a.png", ns=(1, 1))
    (changed,) = prepared(images, cleaned(image="a.png"))
    assert changed.source(["en"])["image_hash"] != first.source(["en"])["image_hash"]
    assert encode_images([changed], images, stored).made == 1


def test_a_picture_that_cannot_be_had_leaves_its_product_without_a_vector(images: Images, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(paint(tmp_path / "whole.png", (1, 2, 3))[:50])
    documents = [
        replace(cleaned(image=address), id=str(number))
        for number, address in enumerate(["gone.png", "torn.png", "../x.png", "http://other/x.png", "whole.png", "\0"])
    ]
    found = encode_images(prepared(images, *documents, cleaned(id="none")), images)
    assert [one.problems for one in found.documents] == [
        ("image (no such file)",),
        ("image (no image that Pillow reads)",),
        ("image (outside the folder of images)",),
        ("image (a host that [images] does not name)",),
        (),
        ("image (no such file)",),
        (),
    ]
    assert [one.image_vector is not None for one in found.documents] == [False] * 4 + [True, False, False]
    assert "image_hash" not in found.documents[0].source(["en"])
    assert found.failed == {"0", "1", "2", "3", "5"}


def test_pictures_from_the_web_are_bounded_in_size_and_time(tmp_path: Path) -> None:
    end = threading.Event()
    body = paint(tmp_path / "red.png", (255, 0, 0))
    served = {"/red.png": (200, body), "/huge": (200, b"x" * 3000), "/moved": (302, b""), "/slow": (200, b"")}
    with web(served, end) as url:
        reader = PictureReader(tmp_path, private_hosts=("127.0.0.1",), max_bytes=2000, timeout_s=0.5)
        asked = ["/red.png", "/huge", "/moved", "/none", "/slow"]
        found = reader.read([url + path for path in asked])
        end.set()
    assert found == [
        body,
        PictureError("larger than 0.002 MB"),
        PictureError("HTTP 302"),
        PictureError("HTTP 404"),
        PictureError("timed out"),
    ]
    assert reader.read([url + "/red.png"]) == [PictureError("cannot be reached")]
    nobody = PictureReader(tmp_path, private_hosts=("127.0.0.1",))
    assert nobody.read(["http://127.0.0.1:1/x"]) == [PictureError("cannot be reached")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_a_host_of_the_own_network_is_not_asked_unless_it_is_named_as_such(host: str, tmp_path: Path) -> None:
    body = paint(tmp_path / "red.png", (255, 0, 0))
    asked: list[str] = []
    with web({"/red.png": (200, body)}, asked=asked) as url:
        address = f"http://{host}:{url.rpartition(':')[2]}/red.png"
        for hosts in (("*",), (host.strip("[]").lower(), "127.0.0.1", "localhost")):
            assert PictureReader(tmp_path, hosts).read([address]) == [PictureError("a host of a private network")]
        assert asked == []
        assert PictureReader(tmp_path, ("*",), (host.strip("[]").lower(),)).read([address]) == [body]
        assert asked == [address.removeprefix("http://").removesuffix("/red.png").lower()]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_addresses_of_the_own_network(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert all(map(is_public, ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]))


@pytest.mark.parametrize(("name", "fits"), [("localhost", True), ("pictures.example", False)])
def test_a_certificate_must_be_of_the_host_that_was_named(
    name: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    with web({"/a.png": (200, b"picture")}, context=context) as url:
        reader = PictureReader(tmp_path, private_hosts=("localhost",))
        (found,) = reader.read([f"https://localhost:{url.rpartition(':')[2]}/a.png"])
    assert found == (b"picture" if fits else PictureError("cannot be reached"))


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert PictureReader(tmp_path).read(["a.png"]) == [PictureError("no such file")]


def test_a_changed_picture_behind_an_unchanged_address_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    tiny_image_encoder(tmp_path / "encoder")
    served = {"/a.png": (200, paint(tmp_path / "red.png", (255, 0, 0)))}
    etags = {"/a.png": '"red"'}
    asked: list[str] = []
    with web(served, asked=asked, etags=etags) as url:
        config = ImageConfig(encoder=str(tmp_path / "encoder"), private_hosts=("127.0.0.1",), refresh_days=0.0)
        images = open_images(config)
        assert images is not None
        here, gone = cleaned(image=f"{url}/a.png"), replace(cleaned(image=f"{url}/gone.png"), id="2")
        first, never = prepared(images, here, gone)
        assert len(asked) == 2
        again, _ = prepared(images, here, gone)
        assert again.image_hash == first.image_hash
        (seen,) = encode_images([first], images).documents
        assert seen.image_vector is not None
        stored = {"1": (first.image_hash, seen.image_vector)}
        assert encode_images([again], images, stored).made == 0
        etags["/a.png"] = '"blue"'
        served["/a.png"] = (200, paint(tmp_path / "blue.png", (0, 0, 255)))
        monthly = open_images(msgspec.structs.replace(config, refresh_days=30.0))
        assert monthly is not None
        assert prepared(monthly, here)[0].image_hash == first.image_hash
        quiet, _ = check_images([here, gone], images, ask=False)
        assert [one.image_hash for one in quiet] == [first.image_hash, never.image_hash]
        before = len(asked)
        (changed,) = prepared(images, here)
        assert len(asked) == before + 1
        assert changed.image_hash != first.image_hash
        assert encode_images([changed], images, stored).made == 1
    (kept,) = prepared(images, here)  # a server that is away does not cost the vectors
    assert kept.image_hash == changed.image_hash
    assert asked.count("304") == 1


def test_a_book_that_is_none_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "book").write_bytes(b"x" * 5000)
    with pytest.raises(IngestError, match="cannot keep versions of images"):
        PictureBook(tmp_path / "book").find(["a"])


def test_a_run_that_says_nothing_of_images_goes_by_the_index(images: Images) -> None:
    given = VectorField("clip", 2, "clip", "image")
    adopted = images_of_index(IndexSpec(("en",), image=given).meta(), "shop-000001")
    assert adopted is not None
    assert (adopted.vector, adopted.encoder) == (given, None)
    assert images_of_index(IndexSpec(("en",)).meta(), "shop-000001") is None
    with pytest.raises(IndexConflictError, match="would lose theirs"):
        images_of_index(IndexSpec(("en",), image=images.vector).meta(), "shop-000001")


def test_the_space_of_a_text_embedder_is_that_of_its_pictures(tmp_path: Path) -> None:
    bundle = tiny_image_encoder(tmp_path / "clip", space="sha256:text")
    made = open_images(ImageConfig(encoder=str(tmp_path / "clip")))
    assert made is not None
    assert isinstance(made.encoder, ImageEncoder)
    assert made.vector.meta() == {
        "fingerprint": "sha256:text",
        "dimension": 4,
        "bundle": "clip",
        "of": "image",
        "encoder": bundle.fingerprint,
    }
