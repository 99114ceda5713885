"""How a run through a model begins and ends: in parts, of which nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.dead_letters import DeadLetterFile
from ingest.ends import SMALLEST, growing, shrinking_at_end
from ingest.errors import FeedError
from ingest.feeds import ListFeed
from ingest.ledger import Ledger
from ingest.run import read_chunks, run_stages
from ingest.sinks import ListSink
from ingest.stages import Batch
from ingest.state import IndexState
from tests.ingest.sink_contract import product
from tests.ingest.test_run import stages


@pytest.mark.parametrize("count", [0, 1, SMALLEST, SMALLEST + 1, 57, 500, 9_999])
def test_parts_grow_and_leave_nothing_out(count: int) -> None:
    parts = growing(count)
    assert sum(parts) == count
    assert parts == sorted(parts)
    assert len(parts) == (3 if count > SMALLEST else 1)


def batches(*sizes: int, broken: bool = False) -> Iterator[Batch]:
    for place, size in enumerate(sizes):
        documents = [product(f"{place}-{number}") for number in range(size)]
        contents = {one.id: one.id.encode() for one in documents}
        yield Batch(documents, (), size + 1, feed="feed", deletes=(f"gone-{place}",), contents=contents)
    if broken:
        raise FeedError("the feed breaks off")


@pytest.mark.parametrize("broken", [False, True])
def test_the_last_batch_shrinks_and_a_failure_comes_after_it(*, broken: bool) -> None:
    told: list[str] = []
    parts = shrinking_at_end(batches(100, 20, 500, broken=broken), lambda: told.append("end"))
    assert [len(next(parts).documents) for _ in range(2)] == [100, 20]
    assert told == []
    found = [next(parts) for _ in range(3)]
    assert told == ["end"]
    assert [len(one.documents) for one in found] == [350, 100, 50]
    assert [one.read for one in found] == [351, 100, 50]
    assert [one.deletes for one in found] == [("gone-2",), (), ()]
    assert all(set(one.contents) == {document.id for document in one.documents} for one in found)
    with pytest.raises(FeedError) if broken else pytest.raises(StopIteration):
        next(parts)


def test_an_end_without_documents_is_an_end() -> None:
    told: list[str] = []
    assert list(shrinking_at_end(iter(()), lambda: told.append("end"))) == []
    assert told == ["end"]


def entries() -> list[dict[str, object]]:
    """200 records of 190 ids, 7 that are no product, and 2 deletes, one of a product that is among them."""
    found: list[dict[str, object]] = [{"id": str(one % 190), "title": f"Lamp {one}"} for one in range(200)]
    found += [{"title": "no id"}] * 7
    return [*found, {"id": "4", "deleted": True}, {"id": "new", "deleted": True}]


def test_nothing_is_lost_or_counted_twice_in_parts(tmp_path: Path) -> None:
    sink, state = ListSink(), IndexState(None)
    for number in range(2):
        ledger = Ledger(state, number + 1)
        with DeadLetterFile(tmp_path / "dead") as letters:
            tally = run_stages(read_chunks([ListFeed(entries())], 1000), stages(), sink, letters, ledger=ledger)
        ledger.close()
        there = {"unchanged": 189} if number else {"created": 189, "embedded": 189}
        expected = {"read": 209, "dead": 7, "deleted": 2, "duplicates": 200 + 2 - 189 - 2, **there}
        assert {name: count for name, count in tally.counts().items() if count} == expected
    assert set(sink.documents) == {str(one) for one in range(190)} - {"4"}
    assert sink.documents["9"].title == "Lamp 199"


def test_the_first_chunks_have_sizes_of_their_own() -> None:
    feeds = [ListFeed(entries()[:150], "one"), ListFeed(entries()[:30], "two")]
    sizes = [len(chunk.entries) for chunk in read_chunks(feeds, 40, first=(10, 20, 30))]
    assert sizes == [10, 20, 30, 40, 40, 10, 30]
