"""Several runs over one index, as far as it takes no node: what is written again, what is deleted, what is older."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.books import BookRules, Closing, begin_feeds, end_feeds, settled_feeds
from ingest.cli import main
from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter, Document, Record
from ingest.feeds import Feed, ListFeed, open_dead_letters, open_feed
from ingest.ledger import Ledger
from ingest.report import Tally
from ingest.run import read_chunks, run_stages
from ingest.sinks import NOT_ENCODED, ListSink, Outcome
from ingest.state import IndexState
from tests.ingest.test_run import PickySink, stages


class Shop:
    """An index and the state of its runs."""

    def __init__(self, tmp_path: Path, sink: ListSink | None = None) -> None:
        self.state = IndexState(None)
        self.sink = sink or ListSink()
        self.letters = tmp_path / "dead.jsonl"
        self.closing = Closing()

    def run(self, *feeds: Feed, rules: BookRules | None = None, fingerprint: str = "", size: int = 2) -> Tally:
        ledger = Ledger(self.state, self.state.next_version(1), fingerprint)
        rules = rules or BookRules()
        before = begin_feeds(ledger, feeds, rules)
        with DeadLetterFile(self.letters) as letters:
            tally = run_stages(read_chunks(feeds, size), stages(), self.sink, letters, ledger=ledger)
            letters.settle(settled_feeds(feeds, rules))
        self.closing = end_feeds(ledger, feeds, before, self.sink, rules, tally)
        ledger.close()
        return tally

    def replay(self, letters: Path) -> Tally:
        return self.run(open_dead_letters(letters), rules=BookRules(whole=False))

    @property
    def titles(self) -> dict[str, str]:
        return {key: document.title for key, document in self.sink.documents.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def products(*ids: int, title: str = "Lamp", name: str = "list") -> ListFeed:
    return ListFeed([{"id": str(one), "title": f"{title} {one}"} for one in ids], name)


def test_an_unchanged_document_is_neither_embedded_nor_written(shop: Shop) -> None:
    assert (first := shop.run(products(1, 2, 3))).created == first.embedded == 3
    again = shop.run(products(1, 2, 3))
    assert (again.created, again.updated, again.unchanged, again.embedded, again.read) == (0, 0, 3, 0, 3)
    changed = shop.run(ListFeed([{"id": "1", "title": "Lamp 1"}, {"id": "2", "title": "new"}, {"id": "3"}]))
    assert (changed.updated, changed.unchanged, changed.embedded, changed.dead) == (1, 1, 1, 1)


def test_another_model_or_translator_means_that_all_is_made_again(shop: Shop) -> None:
    shop.run(products(1, 2), fingerprint="one")
    assert shop.run(products(1, 2), fingerprint="two").updated == 2


def test_of_an_id_that_changes_back_within_a_feed_the_last_record_stands(shop: Shop) -> None:
    shop.run(products(1))
    back = ListFeed([{"id": "1", "title": "other"}, {"id": "1", "title": "Lamp 1"}])
    shop.run(back, size=1)
    assert shop.titles == {"1": "Lamp 1"}


def test_what_is_gone_from_a_feed_is_deleted(shop: Shop) -> None:
    shop.run(products(*range(10)), products(20, name="other"))
    assert shop.run(products(*range(1, 10))).deleted == 1
    assert set(shop.titles) == {*map(str, range(1, 10)), "20"}
    assert shop.run(products(0, *range(1, 10))).created == 1


def test_the_brake_refuses_a_feed_that_shrank(shop: Shop) -> None:
    shop.run(products(*range(10)))
    assert shop.run(products(*range(5), title="new")).deleted == 0
    (said,) = shop.closing.refused
    assert said.startswith("5 of 10 documents are gone from list, more than --max-delete-fraction 0.2 allows")
    assert shop.titles["0"] == "new 0"
    assert set(shop.titles) == set(map(str, range(10)))
    assert shop.run(products(*range(5)), rules=BookRules(max_fraction=0.5)).deleted == 5
    assert (set(shop.titles), shop.closing.refused) == (set(map(str, range(5))), ())


def test_deletes_can_be_of_the_whole_index_or_off(shop: Shop) -> None:
    shop.run(products(*range(9), name="monday"), products(9, name="other"))
    assert shop.run(products(*range(9), name="tuesday"), rules=BookRules("off")).deleted == 0
    assert shop.run(products(*range(9), name="tuesday"), rules=BookRules("index")).deleted == 1
    assert set(shop.titles) == set(map(str, range(9)))


def test_a_document_that_moves_to_another_feed_stays(shop: Shop) -> None:
    shop.run(products(1, 2, 3, name="a"), products(4, name="b"))
    everything = BookRules(max_fraction=1.0)
    shop.run(products(2, 3, name="a"), products(4, 1, name="b"), rules=everything)
    assert set(shop.titles) == {"1", "2", "3", "4"}


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_tombstone_deletes_and_a_later_record_brings_back(shop: Shop, size: int) -> None:
    shop.run(products(1, 2, 3))
    gone = ListFeed([{"id": 1, "deleted": True}, {"id": "2", "deleted": "yes"}, {"id": "2", "title": "back"}])
    tally = shop.run(gone, rules=BookRules("off"), size=size)
    assert shop.titles == {"2": "back", "3": "Lamp 3"}
    assert (tally.read, tally.duplicates) == (3, 1)


def test_a_record_that_cannot_be_used_keeps_its_document(shop: Shop) -> None:
    shop.run(products(1, 2))
    bad = ListFeed([{"id": "1"}, {"id": "2", "title": "Lamp 2"}])
    tally = shop.run(bad, rules=BookRules(max_fraction=1.0))
    assert (tally.dead, tally.deleted) == (1, 0)
    assert set(shop.titles) == {"1", "2"}


def test_entries_that_cannot_be_read_hold_the_deletions(shop: Shop, tmp_path: Path) -> None:
    feed = tmp_path / "shop.jsonl"
    lines = [f'{{"id": {number}, "title": "Lamp"}}\n' for number in range(10)]
    feed.write_text("".join(lines))
    shop.run(open_feed(feed))
    feed.write_text("".join(["broken\n", *lines[1:]]))
    assert shop.run(open_feed(feed)).deleted == 0
    assert "1 documents are gone" in shop.closing.notes[0]
    feed.write_text("".join(lines[1:]))
    assert shop.run(open_feed(feed)).deleted == 1


def test_dead_letters_replay_to_zero(tmp_path: Path) -> None:
    shop = Shop(tmp_path, PickySink())
    shop.run(products(1, 2))
    shop.sink = ListSink()
    kept = tmp_path / "kept.jsonl"
    shop.letters.replace(kept)
    assert (tally := shop.replay(kept)).created == 2
    assert tally.dead == 0
    assert shop.run(products(1, 2)).unchanged == 2  # they belong to their feed again


def test_letters_wait_until_their_feed_is_read_from_its_start(tmp_path: Path) -> None:
    class Changes(ListFeed):
        """Gives what changed alone."""

        whole = False

        def resume(self, bookmark: Mapping[str, Any]) -> None:
            pass

        def bookmark(self) -> dict[str, Any]:
            return {}

    shop = Shop(tmp_path, PickySink())
    shop.run(products(1, 2, name="a"))
    shop.run(products(3, name="b"))
    assert shop.letters.read_text().count("\n") == 3
    shop.sink = ListSink()
    shop.run(Changes([], "a"))
    assert shop.letters.read_text().count("\n") == 3
    shop.run(products(1, 2, name="a"), rules=BookRules(whole=False))  # as after --limit
    assert shop.letters.read_text().count("\n") == 3
    shop.run(products(1, 2, name="a"))
    assert [json.loads(line)["source"] for line in shop.letters.read_text().splitlines()] == ["b"]
    shop.run(products(9, name="c"), rules=BookRules(deletes="index", max_fraction=1.0))  # all there is
    assert not shop.letters.exists()


def test_a_replay_never_overwrites_or_brings_back_what_a_later_run_wrote(tmp_path: Path) -> None:
    shop = Shop(tmp_path, PickySink())
    shop.run(products(1, 2, 3, title="old"))
    kept = tmp_path / "kept.jsonl"
    shop.letters.replace(kept)
    shop.sink = ListSink()
    shop.run(products(1, 2, 3, title="new"))
    shop.run(products(1, 2, title="new"), rules=BookRules(max_fraction=1.0))
    tally = shop.replay(kept)
    assert (tally.stale, tally.created, tally.updated) == (3, 0, 0)
    assert shop.titles == {"1": "new 1", "2": "new 2"}


def test_a_run_that_breaks_off_loses_nothing_and_the_next_goes_on(shop: Shop) -> None:
    class Cut(ListSink):
        def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
            if any(one.id == "4" for one in documents):
                raise KeyboardInterrupt
            return super().write(documents, bodies)

    whole = shop.sink
    shop.sink = Cut()
    shop.sink.documents = whole.documents
    with pytest.raises(KeyboardInterrupt):
        shop.run(products(*range(8)))
    shop.sink = whole
    tally = shop.run(products(*range(8)))
    assert (tally.unchanged, tally.created) == (4, 4)
    assert set(shop.titles) == set(map(str, range(8)))


class Marked(ListFeed):
    """Gives what is new since its bookmark."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__([], "marked")
        self.ids, self.since = ids, 0

    def resume(self, bookmark: object) -> None:
        self.since = bookmark.get("read", 0) if isinstance(bookmark, dict) else 0

    def bookmark(self) -> dict[str, int]:
        return {"read": len(self.ids)}

    @property
    def whole(self) -> bool:
        return self.since == 0

    def entries(self) -> Iterator[Record | DeadLetter]:
        yield from products(*self.ids[self.since :]).entries()


def test_a_feed_of_changes_goes_on_where_the_last_run_ended(shop: Shop) -> None:
    shop.run(Marked([1, 2, 3]))
    tally = shop.run(Marked([1, 2, 3, 4]))
    assert (tally.read, tally.created, tally.deleted) == (1, 1, 0)
    assert shop.run(Marked([1, 2, 3, 4]), fingerprint="another model").read == 4


def test_a_feed_that_was_not_read_to_its_end_keeps_its_bookmark(shop: Shop) -> None:
    shop.run(Marked([1, 2]))
    shop.run(Marked([1, 2, 3]), rules=replace(BookRules(), whole=False))
    assert shop.run(Marked([1, 2, 3])).read == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "gone.jsonl"], 4, "there is no feed"),
        (["run", "bad.toml"], 1, "is no list of sources"),
        (["replay", "gone.jsonl"], 4, "there is no dead-letter file"),
        (["run", "shop.jsonl"], 5, "cannot be reached"),
        (["reindex", "build", "gone.jsonl"], 4, "there is no feed"),
        (["reindex", "build", "bad.toml"], 1, "is no list of sources"),
    ],
)
def test_a_run_that_never_began_is_recorded_too(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    Path("bad.toml").write_text("sources = 1")
    Path("shop.jsonl").write_text("{}")
    places = ["--manifest", "run.json", "--metrics", "run.prom", "--url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(main, [*arguments, "--index", "shop", *places])
    assert done.exit_code == code, done.output
    manifest = json.loads(Path("run.json").read_text())
    assert (manifest["exit_code"], manifest["feeds"]) == (code, [arguments[-1]])
    assert said in manifest["error"]
    assert f'polyrank_ingest_exit_code{{alias="shop"}} {code}.0' in Path("run.prom").read_text()
    if arguments[0] == "run":
        Path("run.json").unlink()
        CliRunner().invoke(main, [*arguments, "--index", "shop", *places, "--dry-run"])
        assert not Path("run.json").exists()
