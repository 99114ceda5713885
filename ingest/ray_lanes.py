"""Stages as tasks of Ray Data: for catalogues that take more than one machine to embed."""

import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ingest.ahead import ahead
from ingest.errors import IngestError
from ingest.lanes import Planned, work
from ingest.stages import Batch, Chunk, Step
from rerank.errors import MissingExtraError

try:
    import ray
    import ray.data
    from ray.exceptions import RayError
except ImportError:
    ray = None

WINDOW = 64
"""Items of one Ray data set: many enough that starting it does not count, few enough to be held here."""

ITEM = "item"


class RayLanes:
    """Lanes on Ray. Items go window by window; processes keep their models from one window to the next.

    Where polyrank home is not shared, each machine keeps a translation memory of its own, and needs the same
    glossaries, dictionaries and bundles as this one.
    """

    def __init__(self, plan: Planned, parallel: int = 0) -> None:
        """Connect to the cluster that $RAY_ADDRESS names, else start one here.

        Args:
            plan: built by each process that Ray uses.
            parallel: tasks at once; 0: as many as the cluster has CPUs.

        Raises:
            MissingExtraError: Ray is not installed.
            IngestError: the cluster cannot be reached.
        """
        if ray is None:
            raise MissingExtraError("running on Ray needs ray; install it: pip install 'polyrank[ray]'")
        self._plan = plan
        self._parallel = parallel
        self._started = not ray.is_initialized()
        if self._started:
            _connect()
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False

    def run(self, steps: Sequence[Step], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        """Take items through the steps. Raises IngestError when Ray gives a task up."""
        return ahead(self._batches(tuple(steps), items))

    def _batches(self, steps: tuple[Step, ...], items: Iterable[Chunk | Batch]) -> Iterator[Batch]:
        source = iter(items)
        failure: Exception | None = None
        while failure is None:
            window: list[Chunk | Batch] = []
            try:
                while len(window) < WINDOW and (item := next(source, None)) is not None:
                    window.append(item)
            except Exception as error:  # noqa: BLE001  (raised below, after what came before it)
                failure = error
            if not window:
                break
            yield from self._worked(steps, window)
        if failure is not None:
            raise failure

    def _worked(self, steps: tuple[Step, ...], window: Sequence[Chunk | Batch]) -> Iterator[Batch]:
        rows = [{ITEM: pickle.dumps(item)} for item in window]
        job = pickle.dumps((self._plan, steps))
        data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            work_rows, batch_size=1, batch_format="numpy", fn_args=(job,), concurrency=self._parallel or None
        )
        try:
            for row in data.iter_rows():
                yield pickle.loads(row[ITEM])
        except RayError as error:
            raise IngestError(
                f"Ray gave up a task: {str(error).splitlines()[-1]}; what the index acknowledged stays, and the next"
                " run goes on from there"
            ) from error

    def close(self) -> None:
        """Leave the cluster, if it was joined here."""
        if self._started:
            ray.shutdown()


def work_rows(rows: dict[str, Any], job: bytes) -> dict[str, Any]:
    """Do the work of one task: pickled items in, pickled batches out."""
    plan, steps = pickle.loads(job)
    return {ITEM: [pickle.dumps(work(plan, steps, pickle.loads(bytes(item)))) for item in rows[ITEM]]}


def _connect() -> None:
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level="ERROR")
        else:
            ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise IngestError(f"cannot reach Ray: {error}; set RAY_ADDRESS to a running cluster, or unset it") from error
