"""A new index is refreshed seldom while it is filled for the first time, and as usual after whatever ends that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.feeds import ListFeed
from ingest.session import RunOptions, ingest
from plugin.filling import FILLING, begin_filling, filling
from plugin.index import IndexSpec, ensure_index
from plugin.patience import Patience
from tests.node.conftest import RunningNode

pytestmark = pytest.mark.node

ALIAS = "being-filled"
INDEX = f"{ALIAS}-000001"
PATIENT = Patience(0.0)


@pytest.fixture(autouse=True)
def _clean(node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    yield
    node.client.indices.delete(index=INDEX, params={"ignore": 404})


def interval(node: RunningNode) -> str | None:
    settings = node.client.indices.get_settings(index=INDEX)[INDEX]["settings"]["index"]
    found: str | None = settings.get("refresh_interval")
    return found


def options(node: RunningNode, folder: Path) -> RunOptions:
    return RunOptions(
        ALIAS,
        ("en",),
        "en",
        resources=folder / "resources",
        dead_letters=folder / "dead.jsonl",
        embed=False,
        translate=False,
        pipeline=False,
        url=node.url,
    )


class Watched(ListFeed):
    """A feed that looks at the index while it is read, and breaks off where it is told to."""

    def __init__(self, node: RunningNode, *, breaks: bool = False) -> None:
        super().__init__([{"id": "1", "title": "Lamp"}])
        self.node, self.breaks = node, breaks
        self.seen: str | None = None

    def entries(self) -> Iterator[Record | DeadLetter]:
        self.seen = interval(self.node)
        yield from super().entries()
        if self.breaks:
            raise FeedError("the feed breaks off")


def test_the_first_run_fills_and_later_ones_do_not(node: RunningNode, tmp_path: Path) -> None:
    first, second = Watched(node), Watched(node)
    ingest([first], options(node, tmp_path))
    assert (first.seen, interval(node)) == (FILLING, None)
    assert node.client.count(index=ALIAS)["count"] == 1
    ingest([second], options(node, tmp_path))
    assert (second.seen, interval(node)) == (None, None)


def test_a_run_that_fails_puts_it_back(node: RunningNode, tmp_path: Path) -> None:
    feed = Watched(node, breaks=True)
    with pytest.raises(FeedError):
        ingest([feed], options(node, tmp_path))
    assert (feed.seen, interval(node)) == (FILLING, None)


def test_what_a_killed_run_left_is_put_right_by_the_next(node: RunningNode, tmp_path: Path) -> None:
    ensure_index(node.client, ALIAS, IndexSpec(("en",)))
    begin_filling(node.client, INDEX)
    feed = Watched(node)
    ingest([feed], options(node, tmp_path))
    assert (feed.seen, interval(node)) == (FILLING, None)


@pytest.mark.parametrize("chosen", ["30s", "-1", "5s"])
def test_an_interval_that_somebody_chose_stays(node: RunningNode, chosen: str) -> None:
    ensure_index(node.client, ALIAS, IndexSpec(("en",)))
    node.client.indices.put_settings(index=INDEX, body={"index": {"refresh_interval": chosen}})
    begin_filling(node.client, INDEX)
    with filling(node.client, INDEX, PATIENT):
        assert interval(node) == chosen
    assert interval(node) == chosen


def test_one_that_is_chosen_meanwhile_stays(node: RunningNode) -> None:
    ensure_index(node.client, ALIAS, IndexSpec(("en",)))
    begin_filling(node.client, INDEX)
    with filling(node.client, INDEX, PATIENT):
        node.client.indices.put_settings(index=INDEX, body={"index": {"refresh_interval": "5s"}})
    assert interval(node) == "5s"


def test_that_it_cannot_be_put_back_hides_no_failure(node: RunningNode, caplog: pytest.LogCaptureFixture) -> None:
    ensure_index(node.client, ALIAS, IndexSpec(("en",)))
    begin_filling(node.client, INDEX)

    def fail() -> None:
        with filling(node.client, INDEX, PATIENT):
            node.client.indices.delete(index=INDEX)
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        fail()
    assert "the next run sets the refresh interval" in caplog.text
