"""Feed formats beside JSON lines and CSV: Google Merchant, Shopify, WooCommerce, Parquet, folders, packed files."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from backports import zstd

from ingest import shopify_feed, text_file
from ingest.document import Record
from ingest.errors import FeedError
from ingest.feeds import Feed, open_feed
from tests.ingest.feed_contract import PRODUCTS, FeedContract, letters, records
from tests.ingest.test_feeds import JSON_LINES, csv_text, written


def zipped(data: bytes, *names: str, folder: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if folder:
            archive.writestr(f"{folder}/", "")
            archive.writestr("__MACOSX/._a.jsonl", "what systems add")
        for name in names or ("a.jsonl",):
            archive.writestr(f"{folder}/{name}" if folder else name, data)
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": bytes,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "zip": zipped,
}


def rss(*items: str, end: str = "</channel></rss>") -> str:
    head = (
        '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title>'
    )
    return "\n".join([head, *items, end])


def item(product: Mapping[str, object]) -> str:
    return f"<item><g:id>{product['id']}</g:id><title>{escape(str(product['title']))}</title></item>"


@pytest.mark.parametrize("form", ["rss", "atom"], scope="class")
class TestGoogle(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path, form: str) -> Feed:
        text = rss(*map(item, PRODUCTS))
        if form == "atom":
            text = text.replace("<item>", "<entry>").replace("</item>", "</entry>")
        return open_feed(written(tmp_path / "a.xml", "\ufeff" + text))

    @pytest.fixture
    def empty(self, tmp_path: Path, form: str) -> Feed:
        return open_feed(written(tmp_path / "a.xml", rss()))


class TestParquet(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path) -> Feed:
        parquet.write_table(arrow.Table.from_pylist(PRODUCTS), tmp_path / "a.parquet", row_group_size=2)
        return open_feed(tmp_path / "a.parquet")

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Feed:
        parquet.write_table(arrow.Table.from_pylist(PRODUCTS).slice(0, 0), tmp_path / "a.parquet")
        return open_feed(tmp_path / "a.parquet")


class TestFolder(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path) -> Feed:
        first, second, third = (json.dumps(product) for product in PRODUCTS)
        written(tmp_path / "a.jsonl", f"{first}\n{second}\n")
        written(tmp_path / "b.jsonl.gz", f"\n\n{third}\n")
        written(tmp_path / "readme.md", "no feed")
        written(tmp_path / ".hidden.jsonl", first)
        return open_feed(tmp_path)

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Feed:
        written(tmp_path / "a.jsonl", "")
        return open_feed(tmp_path)


@pytest.mark.parametrize("kind", list(PACKERS))
def test_packed_files_are_read_and_a_cut_one_says_so(tmp_path: Path, kind: str) -> None:
    lines = JSON_LINES + "".join(f'{{"id": "{number}", "x": "{number * 7919 % 10007}"}}\n' for number in range(20_000))
    whole = written(tmp_path / f"a.jsonl.{kind}", PACKERS[kind](lines.encode()))
    assert len(records(open_feed(whole))) == 20_003
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(FeedError, match="to its end"):
        list(open_feed(whole).entries())


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_what_was_unpacked_before_the_damage_is_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = pack("".join(f'{{"id": "{number}"}}\n' for number in range(200)).encode())
    path = tmp_path / "a.jsonl"
    path.write_bytes(packed + packed[:-3])
    given: list[object] = []
    with pytest.raises(FeedError, match="to its end"):
        given.extend(open_feed(path).entries())
    assert len(given) >= 200


def test_a_zip_of_one_feed_is_read_whatever_its_name(tmp_path: Path) -> None:
    export = tmp_path / "export 2024.zip"
    export.write_bytes(zipped(JSON_LINES.encode(), "shop.jsonl", folder="out"))
    assert [one.fields for one in records(open_feed(export))] == PRODUCTS
    (tmp_path / "pictures.zip").write_bytes(zipped(b"", "a.jpg", "b.jpg"))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    assert [one.fields for one in records(open_feed(tmp_path))] == PRODUCTS  # the other two are no feeds


def test_a_zip_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    several = tmp_path / "a.zip"
    several.write_bytes(zipped(JSON_LINES.encode(), "a.jsonl", "b.csv"))
    with pytest.raises(FeedError, match="holds 2 files; unpack it"):
        list(open_feed(several).entries())
    locked = tmp_path / "b.jsonl.zip"
    data = bytearray(zipped(JSON_LINES.encode()))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + flags] |= 1  # says that it is encrypted
    locked.write_bytes(data)
    with pytest.raises(FeedError, match="unpack it yourself"):
        list(open_feed(locked).entries())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_encodings_that_show_are_read(tmp_path: Path, encoding: str, name: str) -> None:
    text = JSON_LINES if name == "a.jsonl" else csv_text(",")
    assert [one.fields for one in records(open_feed(written(tmp_path / name, text.encode(encoding))))] == PRODUCTS


def test_a_named_encoding_is_used_and_an_unknown_one_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'id;title\n1;Café "Müller"\n'.encode("cp1252"))
    assert records(open_feed(path, encoding="cp1252"))[0].fields["title"] == 'Café "Müller"'
    assert len(letters(open_feed(path))) == 1
    with pytest.raises(FeedError, match="encoding 'cp9999'"):
        open_feed(path, encoding="cp9999")


def test_lines_without_end_are_dead_letters_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "MAX_LINE_CHARS", 5000)
    long = "x" * 12_000
    feed = open_feed(written(tmp_path / "a.jsonl", f'{{"id": 1}}\n{{"id": 2, "t": "{long}"}}\n{{"id": 3}}\n'))
    assert [record.fields["id"] for record in records(feed)] == [1, 3]
    (letter,) = letters(feed)
    assert (letter.line, len(letter.raw or "")) == (2, text_file.HEAD_CHARS)
    assert letter.reason.startswith("the line is too long: 12019 characters")
    feed = open_feed(written(tmp_path / "a.csv", f'id,title\n1,a\n2,{long}\n3,"b\n4,{long}\n5,c\n'))
    assert [(record.line, record.fields["id"]) for record in records(feed)] == [(2, "1"), (6, "5")]
    assert [letter.line for letter in letters(feed)] == [3, 4, 5]


def test_a_broken_product_costs_itself_alone(tmp_path: Path) -> None:
    text = rss(
        item({"id": 1, "title": "fine & 5 < 6"}),
        "<item><g:id>2</g:id><title>broken</item>",
        "<item><g:id>3</g:id><title>&undefined;</title></item>",
        "<item><g:id>4</g:id>",
        "<item><g:id>5</g:id><title>Caf&eacute;&nbsp;noir</title></item>",
        "<!-- <item><g:id>6</g:id></item> -->",
        "<item><g:id>7</g:id><title><![CDATA[a </item> & <b>]]></title><g:x>1</g:x><g:x>2</g:x></item>",
        "<item><g:id>8</g:id><g:tax><g:rate>19</g:rate></g:tax><title>a <b>b</b></title><z:y>q</z:y></item>",
    )
    feed = open_feed(written(tmp_path / "a.xml", text))
    assert [dict(record.fields) for record in records(feed)] == [
        {"id": "1", "title": "fine & 5 < 6"},
        {"id": "5", "title": "Café\u00a0noir"},
        {"id": "7", "title": "a </item> & <b>", "x": ["1", "2"]},
        {"id": "8", "tax": {"rate": "19"}, "title": "a b", "y": "q"},
    ]
    found = letters(feed)
    assert [(letter.line, letter.reason.split(":")[0]) for letter in found] == [
        (3, "not XML"),
        (4, "not XML"),
        (5, "not XML"),
    ]
    assert "before the next <item>" in found[2].reason


def test_entities_cannot_be_declared(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    text = rss("<item><g:id>1</g:id><title>&b;</title></item>", "<item><g:id>2</g:id><title>&f;</title></item>")
    feed = open_feed(written(tmp_path / "a.xml", text.replace("<rss", bomb + "<rss", 1)))
    assert records(feed) == []
    assert ["undefined entity" in letter.reason for letter in letters(feed)] == [True, True]


def test_products_are_found_wherever_chunks_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    products = [{"id": str(number), "title": "lamp <" * (number % 5)} for number in range(1, 40)]
    path = written(tmp_path / "a.xml", rss(*map(item, products)))
    whole = [(one.line, one.fields) for one in records(open_feed(path))]
    assert len(whole) == 39
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr("ingest.google_feed.CHUNK_CHARS", size)
        monkeypatch.setattr("ingest.google_feed.PARTIAL", 40)
        assert [(one.line, one.fields) for one in records(open_feed(path))] == whole


def test_a_cut_product_feed_says_so_after_what_came_before(tmp_path: Path) -> None:
    feed = open_feed(written(tmp_path / "a.xml", rss(item({"id": 1, "title": "a"}), "<item><g:id>2</g:", end="")))
    entries = feed.entries()
    assert [type(next(entries)).__name__, type(next(entries)).__name__] == ["Record", "DeadLetter"]
    with pytest.raises(FeedError, match="before its closing tag"):
        next(entries)
    with pytest.raises(FeedError, match="not XML"):
        list(open_feed(written(tmp_path / "b.xml", "id,title\n1,a\n")).entries())


def test_declared_encodings_of_xml(tmp_path: Path) -> None:
    text = rss(item({"id": 1, "title": "Café"})).replace('version="1.0"', 'version="1.0" encoding="ISO-8859-1"', 1)
    assert records(open_feed(written(tmp_path / "a.xml", text.encode("latin-1"))))[0].fields["title"] == "Café"


SHOPIFY = """Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,"Variant SKU",Variant Price,\
Variant Barcode,Image Src
mug,Mug,<p>For tea</p>,Lux,Kitchen,tea,Colour,Red,M-1,9.90,'4006381333931,a.jpg
mug,,,,,,,Blue,M-2,10.90,,
mug,,,,,,,,,,,b.jpg
pen,Pen,Writes,Lux,Office,,Title,Default Title,,1.50,,c.jpg
cup,Cup,Holds,Lux,Kitchen,,Size,S,,2.00,,
cup,,,,,,,L,,3.00,,
"""


def test_shopify_variants_carry_their_product(tmp_path: Path) -> None:
    found = {
        str(one.fields["id"]): (one.line, one.fields)
        for one in records(open_feed(written(tmp_path / "a.csv", SHOPIFY)))
    }
    assert list(found) == ["M-1", "M-2", "pen", "cup/S", "cup/L"]
    line, blue = found["M-2"]
    assert line == 3
    assert (blue["Title"], blue["brand"], blue["category"], blue["description"]) == (
        "Mug, Blue",
        "Lux",
        "Kitchen",
        "<p>For tea</p>",
    )
    assert (blue["Colour"], blue["price"]) == ("Blue", "10.90")
    assert "gtin" not in blue
    assert found["M-1"][1]["gtin"] == "4006381333931"
    assert found["pen"][1]["Title"] == "Pen"


WOO = """ID,Type,SKU,Name,"Short description",Description,"Regular price","Sale price",Categories,Parent,Brands,\
"Attribute 1 name","Attribute 1 value(s)"
10,variable,shirt,Shirt,Soft,,,,Clothes,,Lux,Size,"S, M"
11,variation,shirt-s,"Shirt - S",,,20,15,,shirt,,Size,S
12,variation,,"Shirt - M",,,21,,,id:10,,Size,M
13,simple,hat,Hat,,Warm,9,,Clothes,,,,
"""


def test_a_shopify_file_of_one_handle_is_not_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopify_feed, "MAX_VARIANTS", 2)
    rows = [f"h,{'Shirt' if not number else ''},,Lux,sku{number},Size,{number}" for number in range(5)]
    head = "Handle,Title,Body (HTML),Vendor,Variant SKU,Option1 Name,Option1 Value"
    entries = open_feed(written(tmp_path / "a.csv", "\n".join([head, *rows]))).entries()
    first = next(entries)
    assert isinstance(first, Record)
    assert first.line == 2
    found = [first, *entries]
    assert [one.fields["id"] for one in found if isinstance(one, Record)] == [f"sku{number}" for number in range(5)]
    assert {str(one.fields["Title"]) for one in found if isinstance(one, Record)} == {
        f"Shirt, {number}" for number in range(5)
    }


def test_woocommerce_variations_carry_their_parent(tmp_path: Path) -> None:
    found = {one.fields["id"]: one.fields for one in records(open_feed(written(tmp_path / "a.csv", WOO)))}
    assert list(found) == ["shirt", "shirt-s", "12", "hat"]
    assert [found[key].get("price") for key in found] == [None, "15", "21", "9"]
    assert found["12"]["description"] == "Soft"
    assert (found["shirt-s"]["category"], found["shirt-s"]["brand"], found["shirt-s"]["Size"]) == (
        "Clothes",
        "Lux",
        "S",
    )


def test_parquet_values_are_plain_and_damage_is_said(tmp_path: Path) -> None:

    rows = [
        {
            "id": 1,
            "price": Decimal("1.50"),
            "at": datetime(2026, 5, 1),
            "tags": ["a"],
            "more": {"x": None},
            "none": None,
        }
    ]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    (record,) = records(open_feed(tmp_path / "a.parquet"))
    assert record.fields == {"id": 1, "price": 1.5, "at": "2026-05-01T00:00:00", "tags": ["a"], "more": {"x": None}}
    with pytest.raises(FeedError, match="as Parquet"):
        list(open_feed(written(tmp_path / "b.parquet", "PAR1 nonsense")).entries())


def test_a_folder_without_feeds_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="holds no feed"):
        open_feed(tmp_path)
    with pytest.raises(FeedError, match="format 'xlsx'"):
        open_feed(written(tmp_path / "a.csv", ""), kind="xlsx")
