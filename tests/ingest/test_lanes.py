"""The same stages in this process, in a pool and on Ray give the same documents in the same order."""

import os
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ingest.dead_letters import DeadLetterFile
from ingest.document import Document, Record
from ingest.errors import FeedError, IngestError
from ingest.feeds import open_feed
from ingest.images import ImageConfig
from ingest.lanes import Lanes, OwnProcess, Pool, TranslatingHere, open_lanes
from ingest.plan import Plan
from ingest.run import read_chunks, run_stages
from ingest.sinks import ListSink
from ingest.stages import Batch, Chunk, Stages, prepare, translate
from tests.ingest.test_images import paint
from tests.rerank.tiny_images import tiny_image_encoder

DEMO = Path(__file__).parents[2] / "demo" / "catalogue.jsonl"
PLAN = Plan("lanes", ("en", "de", "fr"), knows=False, embeds=True)
BARE = replace(PLAN, embeds=False)
PRODUCTS = 64


@pytest.fixture(scope="module")
def stages() -> Stages:
    return PLAN.build()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with closing(Pool(PLAN, 2)) as pool:
        yield pool


def run_over(lanes: Lanes, stages: Stages, folder: Path) -> ListSink:
    sink = ListSink()
    with DeadLetterFile(folder / "dead") as letters:
        chunks = read_chunks([open_feed(DEMO)], 16, PRODUCTS)
        tally = run_stages(chunks, stages, sink, letters, lanes=lanes)
    assert tally.read == PRODUCTS
    assert {"read", "clean", "detect", "compare", "embed", "index"} <= tally.seconds.keys()
    return sink


def assert_equal(found: dict[str, Document], expected: dict[str, Document]) -> None:
    assert list(found) == list(expected)
    for key, document in expected.items():
        other = found[key]
        assert np.array_equal(other.embedding, document.embedding)  # type: ignore[arg-type]
        assert msgspec.structs.replace(other, embedding=None) == msgspec.structs.replace(document, embedding=None)


def test_a_pool_gives_the_documents_of_one_process_in_its_order(pool: Pool, stages: Stages, tmp_path: Path) -> None:
    here = run_over(OwnProcess(stages), stages, tmp_path)
    assert len(here.documents) > 50
    assert_equal(run_over(pool, stages, tmp_path).documents, here.documents)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_ray_gives_the_documents_of_one_process_in_its_order(stages: Stages, tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="ray is not installed: pip install 'polyrank[ray]'")
    here = run_over(OwnProcess(stages), stages, tmp_path)
    with closing(open_lanes("ray", 1, PLAN, stages)) as lanes:
        assert_equal(run_over(lanes, stages, tmp_path).documents, here.documents)


def breaks_off(after: int) -> Iterator[Chunk]:
    for place in range(after):
        yield Chunk([Record("feed", place, {"id": str(place), "title": f"Lamp {place}"})])
    raise FeedError("the feed breaks off")


@pytest.mark.parametrize("kind", ["own", "pool"])
def test_what_came_before_a_feed_breaks_off_comes_through(kind: str, pool: Pool, stages: Stages) -> None:
    lanes = pool if kind == "pool" else OwnProcess(stages)
    batches = lanes.run((prepare,), breaks_off(7))
    assert [next(batches).documents[0].id for _ in range(7)] == [str(place) for place in range(7)]
    with pytest.raises(FeedError, match="breaks off"):
        next(batches)


def test_a_pool_reads_no_further_ahead_than_it_works(pool: Pool) -> None:
    asked: list[int] = []

    def chunks() -> Iterator[Chunk]:
        for place in range(100):
            asked.append(place)
            yield Chunk([])

    batches = pool.run((prepare,), chunks())
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(asked) <= 12  # two workers: four in work, a few that are done


def dies(item: Chunk | Batch, stages: Stages) -> Batch:
    assert isinstance(item, Chunk)
    if item.entries[0].line == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return prepare(item, stages)


def test_a_worker_that_dies_is_told_and_what_came_before_it_stays(tmp_path: Path) -> None:
    chunks = list(read_chunks([open_feed(DEMO)], 4, 20))
    sink = ListSink()
    with closing(Pool(BARE, 2)) as lanes:
        written = (sink.write(batch.documents) for batch in lanes.run((dies,), chunks))
        with pytest.raises(IngestError, match="a worker process died"):
            deque(written, 0)
    assert len(sink.documents) <= 4  # the second chunk holds line 5
    with DeadLetterFile(tmp_path / "dead") as letters:
        run_stages(chunks, BARE.build(), sink, letters)
    assert len(sink.documents) == 20


class Counted:
    """Lanes that note which steps they are given."""

    def __init__(self, stages: Stages) -> None:
        self._own = OwnProcess(stages)
        self.steps: list[str] = []

    def run(self, steps, items):  # type: ignore[no-untyped-def]
        self.steps += [step.__name__ for step in steps]
        return self._own.run(steps, items)

    def close(self) -> None:
        pass


def test_a_service_translates_from_this_process(stages: Stages) -> None:
    far = Counted(stages)
    lanes = TranslatingHere(far, stages)
    batches = list(lanes.run((translate, prepare), [Chunk([Record("feed", 1, {"id": "1", "title": "Lamp"})])]))
    assert far.steps == ["prepare"]
    assert [one.id for one in batches[0].documents] == ["1"]


@pytest.mark.parametrize("kind", ["own", "pool"])
def test_pictures_are_encoded_where_the_other_models_run(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_image_encoder(tmp_path / "encoder")
    paint(tmp_path / "red.png", (255, 0, 0))
    config = ImageConfig(encoder=str(tmp_path / "encoder"), folder=str(tmp_path))
    plan = replace(BARE, images=config)
    stages, sink = plan.build(), ListSink()
    named = ["red.png", *[f"gone{number}.png" for number in range(5)]]
    records = [Record("feed", place, {"id": name, "title": "Lamp", "image": name}) for place, name in enumerate(named)]
    lanes = Counted(stages) if kind == "own" else Pool(plan, 1)
    with closing(lanes), DeadLetterFile(tmp_path / "dead") as letters, caplog.at_level("WARNING", "polyrank"):
        tally = run_stages([Chunk(records)], stages, sink, letters, lanes=lanes)
    if isinstance(lanes, Counted):
        assert lanes.steps == ["prepare", "see"]  # nothing translates or embeds: no thread or process passes them
    assert [key for key, one in sink.documents.items() if one.image_vector is not None] == ["red.png"]
    assert (tally.images, tally.problems) == (1, {"image (no such file)": 5})
    assert caplog.messages == [f"feed:{place}: image (no such file): gone{place - 1}.png" for place in (1, 2, 3)]
