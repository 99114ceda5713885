import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ingest.ahead import HAND_OVER_S, ahead, models_first
from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter, Document, Record
from ingest.errors import FeedError
from ingest.feeds import ListFeed, open_dead_letters, open_feed
from ingest.lanes import OwnProcess
from ingest.report import MAX_REASONS, OTHER_REASONS, RunReport, Tally
from ingest.run import CHUNK_CHARS, read_chunks, run_stages
from ingest.seen import MANY_ROWS, SeenIds
from ingest.sinks import NOT_ENCODED, ListSink, Outcome, Sink
from ingest.stages import Stages
from ingest.translate import TranslationMemory
from ingest.words import count_words
from rerank.baselines import HashEmbedder
from rerank.template import DEFAULT_TEMPLATE
from rerank.understanding.language import ScriptDetector
from rerank.understanding.vocabulary import VocabularyCounter
from tests.ingest.sink_contract import SinkContract
from tests.ingest.test_stages import FixedDetector, UpperTranslator


class TestListSink(SinkContract):
    @pytest.fixture
    def sink(self) -> ListSink:
        return ListSink()

    def stored_titles(self, sink: Sink) -> dict[str, str]:
        assert isinstance(sink, ListSink)
        return {doc_id: document.title for doc_id, document in sink.documents.items()}


class PickySink(ListSink):
    """Refuses documents without a price."""

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        return [
            super(PickySink, self).write([one])[0] if one.price is not None else Outcome("failed", "no price: refused")
            for one in documents
        ]


def stages() -> Stages:
    embedder, memory = HashEmbedder(16), TranslationMemory(UpperTranslator())
    return Stages(
        FixedDetector("en"), ScriptDetector(), ("en", "de"), memory=memory, embedder=embedder, template=DEFAULT_TEMPLATE
    )


def run(feed: ListFeed, sink: ListSink, letters: Path, size: int = 2, limit: int | None = None) -> Tally:
    with DeadLetterFile(letters) as file:
        return run_stages(read_chunks([feed], size, limit), stages(), sink, file)


PRODUCTS: list[dict[str, object]] = [
    {"id": "1", "title": "Lamp"},
    {"id": "2", "title": "Chair", "price": "12,50 €"},
    {"id": "1", "title": "Lamp, new"},
    {"title": "no id"},
    {"id": "3", "title": "Table"},
    {"id": "3", "title": "Table, new"},
]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_each_record_is_indexed_or_a_dead_letter_and_the_last_of_an_id_stands(size: int, tmp_path: Path) -> None:
    sink = ListSink()
    tally = run(ListFeed(PRODUCTS), sink, tmp_path / "dead.jsonl", size)
    assert {doc_id: one.title for doc_id, one in sink.documents.items()} == {
        "1": "Lamp, new",
        "2": "Chair",
        "3": "Table, new",
    }
    assert (tally.read, tally.dead, tally.duplicates) == (6, 1, 2)
    assert all(one.embedding is not None and "de" in one.translated for one in sink.documents.values())


def test_a_second_run_gives_the_same_documents(tmp_path: Path) -> None:
    once, twice = ListSink(), ListSink()
    run(ListFeed(PRODUCTS), once, tmp_path / "a")
    run(ListFeed(PRODUCTS), twice, tmp_path / "b")
    tally = run(ListFeed(PRODUCTS), twice, tmp_path / "c")
    assert tally.created == 0
    assert {key: one.source(["en", "de"]) for key, one in once.documents.items()} == {
        key: one.source(["en", "de"]) for key, one in twice.documents.items()
    }


def test_limit_counts_records(tmp_path: Path) -> None:
    assert run(ListFeed(PRODUCTS), ListSink(), tmp_path / "dead", limit=2).read == 2


def test_what_a_sink_refuses_is_a_dead_letter_that_replays(tmp_path: Path) -> None:
    sink, path = PickySink(), tmp_path / "dead.jsonl"
    tally = run(ListFeed(PRODUCTS), sink, path)
    assert tally.reasons == {"no price": 3, "the record has no id": 1}
    replayed = ListSink()
    with DeadLetterFile(path, replayed=True) as file:
        again = run_stages(read_chunks([open_dead_letters(path)], 10), stages(), replayed, file)
        file.settle(None)
    assert set(replayed.documents) == {"1", "3"}
    assert again.dead == 1
    assert list(open_dead_letters(path).entries()) == [Record("list", 4, {"title": "no id"}, "list")]


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_broken_feed_ends_the_run_after_what_came_before(size: int, tmp_path: Path) -> None:
    class BrokenFeed(ListFeed):
        def entries(self) -> Iterator[Record | DeadLetter]:
            yield from super().entries()
            raise FeedError("cut off")

    sink = ListSink()
    with pytest.raises(FeedError, match="cut off"):
        run(BrokenFeed(PRODUCTS), sink, tmp_path / "dead", size=size)
    assert set(sink.documents) == {"1", "2", "3"}


def test_chunks_of_long_entries_are_short() -> None:
    texts = ["x" * (CHUNK_CHARS // 2), "x", "x" * CHUNK_CHARS, "x", *["x"] * 5]
    chunks = read_chunks([ListFeed([{"id": "1", "text": text} for text in texts])], 4)
    assert [len(chunk.entries) for chunk in chunks] == [3, 4, 2]


def test_reasons_do_not_grow_with_the_feed() -> None:
    tally = Tally()
    for number in range(3 * MAX_REASONS):
        reason = f"failed to parse field [price] in document with id '{number}'. Preview: '{number}'"
        tally.count_letter(DeadLetter("feed", number, reason))
        tally.count_letter(DeadLetter("feed", number, f"the id must be text or a whole number: found {number}.5"))
    assert tally.reasons == {
        "failed to parse field [price] in document with id '...'. Preview": 3 * MAX_REASONS,
        "the id must be text or a whole number": 3 * MAX_REASONS,
    }
    for number in range(3 * MAX_REASONS):
        tally.count_letter(DeadLetter("feed", number, f"odd {number}"))
    assert len(tally.reasons) == MAX_REASONS + 1
    assert tally.reasons[OTHER_REASONS] == 2 * MAX_REASONS + 2
    assert sum(tally.reasons.values()) == tally.dead == 9 * MAX_REASONS


def test_words_are_counted_in_the_source_language_alone(tmp_path: Path) -> None:
    counter = VocabularyCounter()
    with DeadLetterFile(tmp_path / "dead") as file:
        run_stages(read_chunks([ListFeed(PRODUCTS)], 10), stages(), ListSink(), file, counter=counter)
    assert counter.vocabulary().languages() == {"en"}
    before = count_words(read_chunks([ListFeed(PRODUCTS)], 10), OwnProcess(stages())).vocabulary()
    assert before == counter.vocabulary()
    assert before.frequency("en", "table") == 1
    assert before.frequency("en", "chair") == 1


def test_a_catalogue_s_values_are_counted_beside_its_words() -> None:
    products: list[dict[str, object]] = [
        {"id": str(number), "title": "Lamp", "brand": "Hama", "attrs": {"Farbe": "Rot"}} for number in range(3)
    ]
    rows = count_words(read_chunks([ListFeed(products)], 10), OwnProcess(stages())).values.rows()
    assert {(row.field, row.value, row.documents) for row in rows} == {("brand", "Hama", 3), ("attrs.Farbe", "Rot", 3)}


def test_a_csv_goes_through(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("sku;name;preis\n7;Stuhl;12\nbroken\n", encoding="utf-8-sig")
    sink = ListSink()
    with DeadLetterFile(tmp_path / "dead") as file:
        tally = run_stages(read_chunks([open_feed(tmp_path / "shop.csv")], 10), stages(), sink, file)
    assert sink.documents["7"].attrs == {"preis": "12"}
    assert tally.dead == 1


def report(tally: Tally) -> RunReport:
    return RunReport("shop", "shop-000001", ("a.csv",), tally, 2.0, "minilm", "off", "installed", Path("dead.jsonl"))


def test_the_exit_code_says_whether_something_was_left_out() -> None:
    whole, partial = report(Tally(read=4, created=3, updated=1)), report(Tally(read=4, created=3, dead=1))
    assert (whole.exit_code, partial.exit_code) == (0, 3)
    assert whole.documents_per_second == 4 / 2.0
    assert whole.as_json()["dead_letters"] == 0
    assert "ingest replay dead.jsonl --index shop" in "\n".join(partial.lines())
    assert "replay" not in "\n".join(whole.lines())


def test_ahead_keeps_order_raises_in_place_and_stops() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number
            if number == 5:
                raise KeyError(number)

    assert list(ahead(range(10), depth=3)) == list(range(10))
    got: list[int] = []
    with pytest.raises(KeyError):
        got.extend(ahead(numbers()))
    stopped = ahead(iter(range(1000)))
    assert next(stopped) == 0
    stopped.close()  # type: ignore[attr-defined]
    assert made == [0, 1, 2, 3, 4, 5]


class Traffic(ListSink):
    """Notes how many writes overlap; a write of an id that is being written is an error."""

    def __init__(self, meet: int) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(meet)
        self._flying: set[str] = set()
        self.most = 0

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        ids = {document.id for document in documents}
        with self._lock:
            assert self._flying.isdisjoint(ids)
            self._flying |= ids
            self.most = max(self.most, len(self._flying))
        if not ids & {"again"}:
            self._meeting.wait(60)  # all of them, or BrokenBarrierError
        else:
            time.sleep(0.01)  # long enough for the next batch to come, were it let through
        outcomes = super().write(documents)
        with self._lock:
            self._flying -= ids
        return outcomes


def test_batches_are_written_side_by_side_and_those_of_one_id_in_turn(tmp_path: Path) -> None:
    sink, bare = Traffic(3), Stages(FixedDetector("en"), ScriptDetector(), ("en",))
    products: list[dict[str, object]] = [{"id": str(number), "title": f"Lamp {number}"} for number in range(6)]
    with DeadLetterFile(tmp_path / "dead") as letters:
        tally = run_stages(read_chunks([ListFeed(products)], 1), bare, sink, letters, writers=3)
        repeated: list[dict[str, object]] = [{"id": "again", "title": f"Lamp {number}"} for number in range(20)]
        run_stages(read_chunks([ListFeed(repeated)], 1), bare, sink, letters, writers=3)
    assert (tally.created, sink.most) == (6, 3)
    assert sink.documents["again"].title == "Lamp 19"


def test_rows_of_any_number_go_in_and_repeats_are_counted() -> None:
    seen = SeenIds()
    many = [str(number) for number in range(2 * MANY_ROWS + 1)]
    assert (seen.add(many), seen.add([*many, "new"]), seen.missing(["new", "0", "other"])) == (0, len(many), ["other"])
    seen.close()


def test_seen_ids_counts_repeats() -> None:
    seen = SeenIds()
    assert seen.add(["a", "b"]) == 0
    assert seen.add([]) == 0
    assert seen.add(["b", "c", "a"]) == 2
    seen.close()


def test_the_lock_is_handed_over_sooner_while_models_work_and_as_before_afterwards() -> None:
    before = sys.getswitchinterval()
    inside: list[float] = []

    def fail() -> None:
        with models_first():
            inside.append(sys.getswitchinterval())
            raise FeedError("the feed breaks off")

    with pytest.raises(FeedError):
        fail()
    assert inside == [pytest.approx(HAND_OVER_S)]
    assert sys.getswitchinterval() == before
