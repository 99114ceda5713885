import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter
from ingest.errors import FeedError
from ingest.feeds import Feed, ListFeed, open_dead_letters, open_feed
from tests.ingest.feed_contract import PRODUCTS, FeedContract, letters, records

JSON_LINES = "".join(json.dumps(product, ensure_ascii=False) + "\n" for product in PRODUCTS)


def csv_text(separator: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "title"], delimiter=separator)
    writer.writeheader()
    writer.writerows(PRODUCTS)
    return out.getvalue()


def written(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


class TestListFeed(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path) -> Feed:
        return ListFeed(PRODUCTS)

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Feed:
        return ListFeed([])


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "b.NDJSON"], scope="class")
class TestJsonLines(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path, name: str) -> Feed:
        return open_feed(written(tmp_path / name, "\ufeff" + JSON_LINES.replace("\n", "\r\n\n", 1)))

    @pytest.fixture
    def empty(self, tmp_path: Path, name: str) -> Feed:
        return open_feed(written(tmp_path / name, ""))


@pytest.mark.parametrize("separator", [",", ";", "\t"], scope="class")
@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz"], scope="class")
class TestCsv(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path, name: str, separator: str) -> Feed:
        return open_feed(written(tmp_path / name, "\ufeff" + csv_text(separator)))

    @pytest.fixture
    def empty(self, tmp_path: Path, name: str, separator: str) -> Feed:
        return open_feed(written(tmp_path / name, separator.join(["id", "title"])))


class TestDeadLetterFeed(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path) -> Feed:
        with DeadLetterFile(tmp_path / "dead.jsonl") as file:
            for line, product in enumerate(PRODUCTS, start=4):
                file.write(DeadLetter("shop.csv", line, "the index was full", record=product))
        return open_dead_letters(tmp_path / "dead.jsonl")

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Feed:
        return open_dead_letters(written(tmp_path / "dead.jsonl", ""))


def test_bad_lines_are_dead_letters_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [b'{"id": 1}', b"{broken", b'["list"]', b'{"id": NaN}', b'{"id": "\xff"}', b"[" * 100_000, b'{"id": 2}']
    feed = open_feed(written(tmp_path / "a.jsonl", b"\n".join(lines)))
    assert [record.fields for record in records(feed)] == [{"id": 1}, {"id": 2}]
    found = letters(feed)
    assert [letter.line for letter in found] == [2, 3, 4, 5, 6]
    assert [letter.reason.split(":")[0] for letter in found] == [
        "not JSON",
        "a JSON object is needed, found list",
        "not JSON",
        "the line is not UTF-8",
        "not JSON",
    ]
    assert found[0].raw == "{broken"
    assert found[3].raw == '{"id": "\\xff"}'


def test_ragged_rows_are_dead_letters_with_their_own_line(tmp_path: Path) -> None:
    text = 'id,title,text\n1,"two\nlines",x\n2,short\n\n3,too,long,"by, one"\n4,fine,\n'
    feed = open_feed(written(tmp_path / "a.csv", text))
    assert [dict(record.fields) for record in records(feed)] == [
        {"id": "1", "title": "two\nlines", "text": "x"},
        {"id": "4", "title": "fine"},
    ]
    assert [(letter.line, letter.reason, letter.raw) for letter in letters(feed)] == [
        (4, "the row has 2 fields, the header 3", "2,short"),
        (6, "the row has 4 fields, the header 3", '3,too,long,"by, one"'),
    ]
    assert [record.line for record in records(feed)] == [2, 7]


def test_a_quote_that_never_closes_costs_its_row_alone(tmp_path: Path) -> None:
    feed = open_feed(written(tmp_path / "a.csv", 'id,title\n1,good\n2,"open\n3,kept\n4,"x ""y"" z"\n5,a\n'))
    assert [(record.line, record.fields["id"]) for record in records(feed)] == [(2, "1"), (4, "3"), (5, "4"), (6, "5")]
    assert [(letter.line, letter.raw) for letter in letters(feed)] == [(3, '2,"open')]


def test_rows_that_are_not_utf8_are_dead_letters(tmp_path: Path) -> None:
    feed = open_feed(written(tmp_path / "a.csv", b"id,title\n1,caf\xe9\n2,tea\n"))
    assert [record.fields["id"] for record in records(feed)] == ["2"]
    assert letters(feed)[0].raw == "1,caf\\xe9"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "no header row"), (b"id,id\n1,2\n", "'id' twice"), (b"id,\xff\n1,2\n", "not UTF-8")],
)
def test_a_csv_without_a_usable_header_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    feed = open_feed(written(tmp_path / "a.csv", content))
    with pytest.raises(FeedError, match=complaint):
        list(feed.entries())


def test_a_feed_that_breaks_off_gives_what_came_before_it(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f'{{"id": {number}}}\n' for number in range(20_000)).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    read: list[object] = []
    with pytest.raises(FeedError, match="what came before it"):
        read.extend(open_feed(tmp_path / "a.jsonl.gz").entries())
    assert len(read) > 1000


def test_unknown_and_missing_feeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no known kind"):
        open_feed(written(tmp_path / "a.xlsx", ""))
    with pytest.raises(FeedError, match="no known kind"):
        open_feed(written(tmp_path / "a.gz", ""))
    with pytest.raises(FeedError, match="there is no feed"):
        open_feed(tmp_path / "b.csv")
    with pytest.raises(FeedError, match="no dead-letter file"):
        open_dead_letters(tmp_path / "b.jsonl")


def test_a_mended_raw_text_is_a_record_and_an_unmended_one_stays_dead(tmp_path: Path) -> None:
    with DeadLetterFile(tmp_path / "dead.jsonl") as file:
        file.write(DeadLetter("shop.jsonl", 2, "not JSON: x", raw='{"id": 1}'))
        file.write(DeadLetter("shop.jsonl", 3, "not JSON: y", raw="{broken"))
    feed = open_dead_letters(tmp_path / "dead.jsonl")
    assert [(record.feed, record.line, record.fields) for record in records(feed)] == [("shop.jsonl", 2, {"id": 1})]
    assert letters(feed) == [DeadLetter("shop.jsonl", 3, "not JSON: y", raw="{broken")]
