"""Where stages run: lanes take items through steps and give batches in the order of the items, a few at a time."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from typing import Literal, Protocol, TypeVar

from ingest.ahead import ahead
from ingest.errors import IngestError
from ingest.stages import Batch, Chunk, Stages, Step, prepare, translate

On = Literal["here", "ray"]
ON: tuple[On, ...] = ("here", "ray")

T = TypeVar("T")
Made = TypeVar("Made")
DEPTH = 2
"""Items a worker that are in work or wait for their turn: one in hand, one at hand."""


class Planned(Hashable, Protocol):
    """What builds stages in another process; hashable, can be pickled."""

    @property
    def translates(self) -> bool:
        """Whether these stages translate."""
        ...

    def build(self) -> Stages:
        """Load models and dictionaries."""
        ...


class Lanes(Protocol):
    """Carries out steps."""

    def run(self, steps: Sequence[Step], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        """Take each item through the steps; give batches in the order of the items.

        An exception of `items` is raised after what came before it. No more than a few items are held at a time.
        """
        ...

    def close(self) -> None:
        """Let go of what works."""
        ...


class OwnProcess:
    """A thread of this process for each step that leaves Python's lock to others: models and the index work beside the
    rest. Cleaning does not, and two threads of that kind take longer than one."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def run(self, steps: Sequence[Step], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        """Take items through the steps."""
        for step in steps:
            items = self._each(step, items) if step is prepare else ahead(self._each(step, items))
        return iter(items)  # type: ignore[arg-type]

    def _each(self, step: Step, items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        for item in items:
            yield step(item, self._stages)

    def close(self) -> None:
        """Nothing to let go."""


class Pool:
    """Processes of this machine, each with models of its own."""

    def __init__(self, plan: Planned, workers: int) -> None:
        """`plan` is built by each process with its first item."""
        self._plan = plan
        self._depth = DEPTH * workers
        # Not forked: threads are running here, and models do not survive it.
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))

    def run(self, steps: Sequence[Step], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        """Take items through the steps. Raises IngestError when a process dies."""

        def submit(item: Chunk | Batch) -> Future[Batch]:
            return self._pool.submit(work, self._plan, tuple(steps), item)

        return ahead(self._watched(in_order(items, submit, self._depth)))

    def _watched(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        try:
            yield from batches
        except BrokenProcessPool as error:
            raise IngestError(
                "a worker process died, perhaps for want of memory; what the index acknowledged stays, and the next"
                " run goes on from there: start it again, with fewer --workers if it happens again"
            ) from error

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


class TranslatingHere:
    """Lanes that leave translating to this process: a service is asked from one place, within one budget."""

    def __init__(self, lanes: Lanes, stages: Stages) -> None:
        self._lanes = lanes
        self._here = OwnProcess(stages)

    def run(self, steps: Sequence[Step], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        """Take items through the steps; translating comes first where it is among them."""
        if translate in steps:
            items = self._here.run((translate,), items)
        return self._lanes.run([step for step in steps if step is not translate], items)

    def close(self) -> None:
        """Close the lanes."""
        self._lanes.close()


def open_lanes(on: On, workers: int, plan: Planned, stages: Stages) -> Lanes:
    """Return what carries out the stages of a run; the caller closes it.

    Args:
        on: this machine, or Ray.
        workers: processes; below 2, this one. On Ray: tasks at once, 0 for as many as there are CPUs.
        plan: for other processes.
        stages: for this one; translates where the plan does not.

    Raises:
        MissingExtraError: Ray is asked for and not installed.
    """
    lanes: Lanes
    if on == "ray":
        from ingest.ray_lanes import RayLanes

        lanes = RayLanes(plan, workers)
    elif workers < 2:
        return OwnProcess(stages)
    else:
        lanes = Pool(plan, workers)
    return lanes if stages.memory is None or plan.translates else TranslatingHere(lanes, stages)


def in_order(items: Iterable[T], submit: Callable[[T], Future[Made]], depth: int) -> Iterator[Made]:
    """Give the results in the order of the items while up to `depth` are in work, each as soon as the next item is
    asked for or at hand.

    An exception of `items` is raised after the results of those before it.
    """
    source, waiting, failure = iter(items), deque[Future[Made]](), None
    more = True
    try:
        while True:
            while more and len(waiting) < depth:
                try:
                    waiting.append(submit(next(source)))
                except StopIteration:
                    more = False
                except Exception as error:  # noqa: BLE001  (raised below, in its turn)
                    failure, more = error, False
                if waiting and waiting[0].done():
                    break
            if not waiting:
                break
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
    if failure is not None:
        raise failure


def work(plan: Planned, steps: Sequence[Step], item: Chunk | Batch) -> Batch:
    """Take one item through the steps, in whatever process this is."""
    stages = _built(plan)
    for step in steps:
        item = step(item, stages)
    return item  # type: ignore[return-value]


@lru_cache(1)
def _built(plan: Planned) -> Stages:
    return plan.build()
