"""200 feeds of the demo catalogue, damaged by seed: each entry is a document or a dead letter, or the feed ends with
an error that says where. Nothing else may happen, and what stands before the damage is read."""

import csv
import gzip
import io
import json
import lzma
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from backports import zstd

from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter
from ingest.errors import FeedError
from ingest.feeds import open_dead_letters, open_feed
from ingest.report import Tally
from ingest.run import read_chunks, run_stages
from ingest.sinks import ListSink
from ingest.stages import Stages
from rerank.understanding.language import ScriptDetector
from tests.ingest.test_stages import FixedDetector

DEMO = Path(__file__).parents[2] / "demo" / "catalogue.jsonl"
PRODUCTS = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()[:40]]
SEEDS = range(200)
FORMATS = (
    "a.jsonl",
    "a.csv",
    "a.tsv",
    "shopify.csv",
    "woo.csv",
    "a.xml",
    "a.jsonl.gz",
    "a.parquet",
    "a.jsonl.zst",
    "a.csv.xz",
    "utf16.csv",
)


def table(columns: dict[str, str], separator: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(columns.values())
    writer.writerows([one.get(name, "") for name in columns] for one in PRODUCTS)
    return out.getvalue().encode()


NAMES = ("id", "title", "text", "brand", "price")


def xml() -> bytes:
    items = [
        "<item>"
        + "".join(
            f"<g:{name}>{escape(str(one[name]))}</g:{name}>" for name in ("id", "title", "text", "brand", "price")
        )
        + "</item>\n"
        for one in PRODUCTS
    ]
    head = '<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0"><channel>\n'
    return (head + "".join(items) + "</channel></rss>\n").encode()


def parquet_bytes() -> bytes:
    out = io.BytesIO()
    plain = [{name: one[name] for name in ("id", "title", "text", "price")} for one in PRODUCTS]
    parquet.write_table(arrow.Table.from_pylist(plain), out)
    return out.getvalue()


PLAIN = {name: name for name in ("id", "title", "text", "brand", "price", "gtin")}
SHOPIFY = {"id": "Handle", "title": "Title", "text": "Body (HTML)", "brand": "Vendor", "price": "Variant Price"}
WOO = {"id": "ID", "type": "Type", "sku": "SKU", "title": "Name", "price": "Regular price", "text": "Description"}
JSONL = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in PRODUCTS).encode()
WHOLE: dict[str, Callable[[], bytes]] = {
    "a.jsonl": lambda: JSONL,
    "a.csv": lambda: table(PLAIN),
    "a.tsv": lambda: table(PLAIN, "\t"),
    "shopify.csv": lambda: table(SHOPIFY),
    "woo.csv": lambda: table(WOO),
    "a.xml": xml,
    "a.jsonl.gz": lambda: gzip.compress(JSONL, mtime=0),
    "a.parquet": parquet_bytes,
    "a.jsonl.zst": lambda: zstd.compress(JSONL),
    "a.csv.xz": lambda: lzma.compress(table(PLAIN)),
    "utf16.csv": lambda: table(PLAIN).decode().encode("utf-16"),
}

FRAGMENTS: tuple[bytes, ...] = (
    b'"',
    b"\n",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"\xc3",
    b"<",
    b"</item>",
    b"<![CDATA[",
    b"<!--",
    b"&",
    b",",
    b"\t",
)
FRAGMENTS += (
    b"&",
    b",",
    b"\t",
    b"{",
    b"}",
    b"]",
    b"\\",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b"\xef\xbb\xbf",
    b"[" * 500,
    b'"' * 3,
    b"null",
)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return the data with one to twelve damages: bytes changed, cut, doubled, moved, or odd ones put in."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 12)):
        place, length = dice.randrange(len(found) + 1), dice.randint(1, 200)
        damage = dice.randrange(6)
        if damage == 0 and found:
            found[min(place, len(found) - 1)] = dice.randrange(256)
        elif damage == 1:
            found[place:place] = dice.choice(FRAGMENTS)
        elif damage == 2:
            del found[place : place + length]
        elif damage == 3:
            found[place:place] = found[place : place + length]
        elif damage == 4:
            part = bytes(found[place : place + length])
            del found[place : place + length]
            other = dice.randrange(len(found) + 1)
            found[other:other] = part
        elif dice.random() < 0.2:
            del found[place:]
    return bytes(found)


def stages() -> Stages:
    return Stages(FixedDetector("en"), ScriptDetector(), ("en", "de"))


@pytest.mark.parametrize("name", FORMATS)
def test_an_undamaged_feed_gives_every_product(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(WHOLE[name]())
    sink = ListSink()
    with DeadLetterFile(tmp_path / "dead") as dead:
        tally = run_stages(read_chunks([open_feed(tmp_path / name)], 16), stages(), sink, dead)
    assert (tally.read, tally.dead, len(sink.documents)) == (40, 0, 40)


def run_damaged(folder: Path, seed: int) -> tuple[str, ListSink, Tally | None, str]:
    """Run over the feed of a seed; return its name, what was written, the counts and the error that ended it."""
    dice = random.Random(seed)
    name = FORMATS[seed % len(FORMATS)]
    (folder / name).write_bytes(mutated(WHOLE[name](), dice))
    sink = ListSink()
    with DeadLetterFile(folder / "dead") as dead:
        try:
            return name, sink, run_stages(read_chunks([open_feed(folder / name)], 16), stages(), sink, dead), ""
        except FeedError as error:
            return name, sink, None, str(error)


def test_damages_reach_every_end(tmp_path: Path) -> None:
    ends: Counter[str] = Counter()
    for seed in SEEDS:
        _, sink, tally, broken = run_damaged(tmp_path, seed)
        ends["broken off"] += bool(broken)
        ends["broken off after documents"] += bool(broken and sink.documents)
        ends["dead letters"] += bool(tally and tally.dead)
        ends["whole"] += bool(tally and not tally.dead)
        if len(+ends) == 4:
            return
    raise AssertionError(f"only {dict(ends)}")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_feed_ends_cleanly(tmp_path: Path, seed: int) -> None:
    name, sink, tally, broken = run_damaged(tmp_path, seed)
    letters = tmp_path / "dead"
    if broken:
        assert str(tmp_path) in broken
        assert "\n" not in broken
        return
    assert tally is not None
    assert tally.read == tally.created + tally.dead + tally.duplicates
    assert tally.created == len(sink.documents)
    if name == "a.jsonl":
        lines = (tmp_path / name).read_bytes().decode("utf-8-sig", "surrogateescape").split("\n")
        assert tally.read == sum(bool(line.strip()) for line in lines)
    for document in sink.documents.values():
        json.dumps(document.source(["en", "de"]), allow_nan=False).encode("utf-8")
    replayed = list(open_dead_letters(letters).entries()) if letters.exists() else []
    assert len(replayed) == tally.dead
    assert all(one.feed and one.line >= 1 for one in replayed)
    assert all(one.reason for one in replayed if isinstance(one, DeadLetter))
