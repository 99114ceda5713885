"""The same searches asked of two indices in turn, through the pipeline of their alias: how they degrade, how long they
take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

from ingest.reindex.verdict import Check
from plugin.client import OpenSearch, cluster_errors
from plugin.search import plain_query

WARM_UP = 5
"""Searches of each index that are not counted: the first ones open files and fill caches."""


@dataclass(slots=True)
class Side:
    """What one index answered: milliseconds a search, how many pages were empty, why answers were degraded."""

    took_ms: list[float] = field(default_factory=list)
    empty: int = 0
    degraded: Counter[str] = field(default_factory=Counter)


def compare_searches(
    client: OpenSearch, pair: tuple[str, str], texts: Sequence[str], count: int, pipeline: str | None
) -> tuple[Side, Side]:
    """Ask two indices the same queries, one after the other and in turn first.

    Args:
        client: as `plugin.client.connect` returns.
        pair: the old index and the new one.
        texts: queries, repeated when fewer than `count`.
        count: counted searches of each index.
        pipeline: the search pipeline; None: none.

    Raises:
        ClusterError: a search fails.
    """
    sides = (Side(), Side())
    for number in range(WARM_UP + count if texts else 0):
        text = texts[number % len(texts)]
        for place in (0, 1) if number % 2 else (1, 0):
            _ask(client, pair[place], text, pipeline, sides[place], counted=number >= WARM_UP)
    return sides


def search_check(sides: tuple[Side, Side]) -> Check:
    """Compare what came: no more empty pages and no other degradation than before."""
    before, after = sides
    worse = [reason for reason, times in after.degraded.items() if times > before.degraded[reason]]
    problems = [f"{after.degraded[reason]} of {len(after.took_ms)} answers are degraded: {reason}" for reason in worse]
    if after.empty > before.empty:
        problems.append(f"{after.empty} searches find nothing, {before.empty} before")
    shared = sum(after.degraded.values())
    healthy = f"{len(after.took_ms)} searches, {after.empty} find nothing, {shared} degraded as before"
    return Check("searches", not problems, "; ".join(problems) or healthy)


def speed_check(sides: tuple[Side, Side], slowdown: float) -> Check:
    """Compare how long it took, by the ratio of the medians."""
    if not sides[0].took_ms:
        return Check("latency", True, "nothing to search for")
    (before, slow_before), (after, slow_after) = (_spread(side.took_ms) for side in sides)
    ratio = after / before
    detail = (
        f"p50 {before:.1f} ms before, {after:.1f} after (ratio {ratio:.2f}, {slowdown} allowed);"
        f" p95 {slow_before:.1f}, {slow_after:.1f}"
    )
    figures = {"old_p50_ms": before, "new_p50_ms": after, "old_p95_ms": slow_before, "new_p95_ms": slow_after}
    return Check("latency", ratio <= slowdown, detail, {**figures, "ratio": ratio})


def _ask(client: OpenSearch, index: str, text: str, pipeline: str | None, side: Side, *, counted: bool) -> None:
    body = {"query": plain_query(text), "size": 10, "_source": False}
    start = perf_counter()
    with cluster_errors(f"search {index}"):
        answer = client.search(index=index, body=body, params={"search_pipeline": pipeline or "_none"})
    took_ms = 1000 * (perf_counter() - start)
    if not counted:
        return
    side.took_ms.append(took_ms)
    side.empty += not answer["hits"]["hits"]
    degraded = (answer.get("ext", {}).get("polyrank", {}).get("degraded") or "").replace(index, "the index")
    if degraded:
        side.degraded[degraded] += 1


def _spread(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    return median(values), quantiles(values, n=20)[18]
