"""Bench rows as one self-contained HTML page: speed, and the front of quality against latency."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank.benchmark.loop import pareto
from rerank.evaluation.plots import Point, bars, page, scatter, table


def bench_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: the table, pairs a second, and for each window and length the quality-latency front."""
    speeds: dict[str, dict[str, float]] = {}
    for row in rows:
        speeds.setdefault(f"{row['window']} x {row['length']}", {})[_label(row)] = row["pairs_per_s"]
    sections = {"Pairs a second, by window x length": bars(speeds, "pairs/s")}
    for cell in dict.fromkeys((row["window"], row["length"]) for row in rows):
        judged = [row for row in rows if (row["window"], row["length"]) == cell and row["ndcg"] is not None]
        if judged:
            front = pareto(judged)
            points = [
                Point(row["p50_ms"], row["ndcg"], _label(row), place in front) for place, row in enumerate(judged)
            ]
            head = f"nDCG@10 against milliseconds (p50), window {cell[0]}, {cell[1]} tokens"
            sections[head] = scatter(points, "ms", "nDCG@10") + "<p>Joined: what no other beats in both.</p>"
    return page("Rerankers: speed and quality", sections | {"All figures": table(rows)})


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['system']} {row['precision']}"
