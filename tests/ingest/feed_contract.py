"""What every Feed keeps to; each one's test inherits this."""

from pathlib import Path

import pytest

from ingest.document import DeadLetter, Record
from ingest.feeds import Feed

PRODUCTS: list[dict[str, object]] = [
    {"id": "1", "title": "Lampe, groß"},
    {"id": "2", "title": '椅子 \u2028 "four" legs'},
    {"id": "3", "title": "Ünïcode"},
]


class FeedContract:
    """The same three products, whatever they are read from."""

    @pytest.fixture
    def feed(self, tmp_path: Path) -> Feed:
        raise NotImplementedError

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Feed:
        raise NotImplementedError

    def test_is_a_feed(self, feed: Feed) -> None:
        assert isinstance(feed, Feed)

    def test_gives_the_records_in_order_with_their_fields(self, feed: Feed) -> None:
        entries = list(feed.entries())
        assert all(isinstance(entry, Record) and entry.feed for entry in entries)
        assert [dict(entry.fields) for entry in entries if isinstance(entry, Record)] == PRODUCTS

    def test_lines_rise(self, feed: Feed) -> None:
        lines = [entry.line for entry in feed.entries()]
        assert lines == sorted(set(lines))
        assert lines[0] >= 1

    def test_can_be_read_twice(self, feed: Feed) -> None:
        assert list(feed.entries()) == list(feed.entries())

    def test_progress_ends_at_one(self, feed: Feed) -> None:
        for _ in feed.entries():
            assert 0.0 <= feed.progress() <= 1.0
        assert feed.progress() == 1.0

    def test_an_empty_feed_gives_nothing(self, empty: Feed) -> None:
        assert list(empty.entries()) == []


def letters(feed: Feed) -> list[DeadLetter]:
    return [entry for entry in feed.entries() if isinstance(entry, DeadLetter)]


def records(feed: Feed) -> list[Record]:
    return [entry for entry in feed.entries() if isinstance(entry, Record)]
