import gzip
from pathlib import Path

import pytest

from ingest.errors import FeedError
from ingest.feeds import Feed, Resumable, open_feed
from ingest.sources.web_feed import WebFeed
from tests.ingest.feed_contract import PRODUCTS, FeedContract, records
from tests.ingest.sources.feed_server import Served, serving
from tests.ingest.test_feeds import JSON_LINES

BODY = JSON_LINES.encode()


def feed_of(served: Served, downloads: Path, *, always: bool = False, **headers: str) -> WebFeed:
    def reader(path: Path, name: str) -> Feed:
        return open_feed(path, name=name)

    return WebFeed(served.url, downloads, reader, headers=headers, always=always, backoff_s=0.0)


class TestWebFeed(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path):  # type: ignore[no-untyped-def]
        with serving(Served(BODY)) as served:
            yield feed_of(served, tmp_path)

    @pytest.fixture
    def empty(self, tmp_path: Path):  # type: ignore[no-untyped-def]
        with serving(Served(b"")) as served:
            yield feed_of(served, tmp_path)


def test_an_unchanged_feed_costs_a_request_and_gives_nothing(tmp_path: Path) -> None:
    with serving(Served(BODY)) as served:
        first = feed_of(served, tmp_path)
        assert isinstance(first, Resumable)
        assert first.bookmark() == {}
        assert len(records(first)) == 3
        second = feed_of(served, tmp_path)
        second.resume(first.bookmark())
        assert list(second.entries()) == []
        assert not second.whole
        assert second.bookmark() == first.bookmark()
        assert served.asked[1]["If-None-Match"] == '"v1"'


def test_what_was_downloaded_and_never_acknowledged_is_read_again_without_a_download(tmp_path: Path) -> None:
    with serving(Served(BODY)) as served:
        records(feed_of(served, tmp_path))
        again = feed_of(served, tmp_path)
        again.resume({})
        assert [record.fields for record in records(again)] == PRODUCTS
        assert again.whole
        served.body, served.etag = b'{"id": "9", "title": "new"}\n', '"v2"'
        changed = feed_of(served, tmp_path)
        changed.resume(again.bookmark())
        assert [record.fields["id"] for record in records(changed)] == ["9"]
        assert changed.bookmark() == {"version": '"v2"'}


def test_a_run_that_needs_all_records_gets_an_unchanged_feed_too(tmp_path: Path) -> None:
    with serving(Served(BODY)) as served:
        first = feed_of(served, tmp_path)
        records(first)
        second = feed_of(served, tmp_path, always=True)
        second.resume(first.bookmark())
        assert len(records(second)) == 3
        assert second.whole


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    with serving(Served(BODY, faults=[-20, 503, -30])) as served:
        assert [record.fields for record in records(feed_of(served, tmp_path))] == PRODUCTS
        assert [asked.get("Range") for asked in served.asked] == [None, "bytes=20-", "bytes=20-", "bytes=50-"]


def test_without_validators_a_broken_download_starts_again_and_the_content_tells_the_version(tmp_path: Path) -> None:
    with serving(Served(BODY, etag=None, faults=[-20])) as served:
        first = feed_of(served, tmp_path)
        assert len(records(first)) == 3
        assert "Range" not in served.asked[1]
        second = feed_of(served, tmp_path)
        second.resume(first.bookmark())
        assert list(second.entries()) == []


def test_a_packed_file_under_a_plain_name_is_read_and_the_name_holds_no_password(tmp_path: Path) -> None:
    with serving(Served(gzip.compress(BODY))) as served:
        served.url = served.url.replace("http://", "http://shop:secret@")
        feed = feed_of(served, tmp_path)
        assert "secret" not in feed.name
        assert {record.feed for record in records(feed)} == {feed.name}
        assert served.asked[0]["authorization"].startswith("Basic ")


def test_a_refusal_and_a_wrong_address_are_said(tmp_path: Path) -> None:
    with serving(Served(BODY, faults=[404])) as served, pytest.raises(FeedError, match="HTTP 404"):
        records(feed_of(served, tmp_path))
    with pytest.raises(FeedError, match="http://"):
        feed_of(Served(b"", url="file:///etc/passwd"), tmp_path)


def test_headers_of_a_source_are_for_its_own_host(tmp_path: Path) -> None:
    with serving(Served(BODY)) as other, serving(Served(b"")) as served:
        served.moved_to = other.url
        found = records(feed_of(served, tmp_path, authorization="a", token="b"))
    assert [record.fields for record in found] == PRODUCTS
    (first,), (second,) = served.asked, other.asked
    assert (first["authorization"], first["token"]) == ("a", "b")
    assert not {"authorization", "token"} & {name.lower() for name in second}
