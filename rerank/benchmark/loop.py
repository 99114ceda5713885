"""Bench: how fast rerankers are and how well they order, in one loop in which all take turns."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rerank.batching import plan_batches
from rerank.benchmark.machine import (
    Products,
    count_products,
    energy_joules,
    forget_peak_memory,
    gpu_memory_mb,
    matmul_peak,
    peak_memory_mb,
)
from rerank.bundle import Bundle, load_bundle
from rerank.cascade import Cascade
from rerank.cross_encoder import MAX_BATCH_TOKENS, CrossEncoder
from rerank.evaluation.candidates import CandidateList, sample_lists
from rerank.evaluation.metrics import ndcg
from rerank.protocols import Pair
from rerank.session import SessionOptions
from rerank.tokenize import Tokenizer


@dataclass(frozen=True, slots=True)
class Grid:
    """What to cross: pairs a request, tokens a pair at most, tokens a batch; and how to run it.

    `providers` are ONNX Runtime's execution providers, each a device; None takes the best installed. `seconds` is the
    time for each combination of window, length and batch, all systems together; every system runs at least 5 times.
    """

    windows: tuple[int, ...] = (50,)
    lengths: tuple[int, ...] = (64,)
    batches: tuple[int, ...] = (MAX_BATCH_TOKENS,)
    providers: tuple[str | None, ...] = (None,)
    threads: int = 1
    seconds: float = 10.0


LEAST_RUNS = 5
ON_CPU = ("CPUExecutionProvider", "cpu")
"""Devices whose matrix product peak is measured."""


@dataclass(slots=True)
class _System:
    """One contestant: how to score, its facts for the row, and what was measured.

    `products` gives the multiply-adds for some tokens of some texts; memory is what this process grew by.
    """

    facts: dict[str, Any]
    score: Callable[[Sequence[Pair]], Any]
    products: Callable[[int, int], float] | None
    rss_mb: float
    peak_mb: float | None
    times: list[float] = field(default_factory=list)
    cpu_times: list[float] = field(default_factory=list)
    joules: float | None = None


def bench(
    bundles: Sequence[Path],
    grid: Grid,
    *,
    lists: Sequence[CandidateList] | None = None,
    torch_model: str | None = None,
    cascades: Sequence[tuple[Path, Path, int]] = (),
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Measure every system in every combination; return one row each.

    A row holds milliseconds a request (p50, p95, p99) and its CPU time over all threads (median), pairs and tokens a
    second, joules a request where the machine tells, the share of its measured matrix product peak (of a CPU), and
    nDCG@10 where the lists are judged. `rss_mb` is how much this process grew when the model was loaded and warmed,
    `peak_rss_mb` how much it had grown at most while it loaded and scored. Tokens exclude padding.

    Args:
        bundles: reranker bundles.
        grid: what to cross.
        lists: texts to score, real lengths; None takes built-in ones, repeated.
        cascades: first bundle, second bundle, and how many pairs of each query the second reads.
        torch_model: the same weights as a torch folder or hub name, for the peers.
        report: is told what is being measured.

    Raises:
        BundleError: a bundle is damaged or no reranker, or a provider is not installed.
    """
    judged = lists is not None and all(item.grades is not None for item in lists)
    loaded = [load_bundle(path, "rerank") for path in bundles]
    names = short_names([*bundles, *(path for first, second, _ in cascades for path in (first, second))])
    pairs = [pair for item in lists or sample_lists() for pair in item.pairs()]
    rows = []
    for length in grid.lengths:
        report(f"{length} tokens: loading")
        systems = _bundle_systems(loaded, names, grid, length) + _peer_systems(torch_model, loaded[0], length)
        systems += [_cascade_system(*cascade, names, grid.threads, length) for cascade in cascades]
        quality = [_ndcg(system.score, lists) if judged and lists else None for system in systems]
        for window in grid.windows:
            request = [pairs[index % len(pairs)] for index in range(window)]
            tokens = sum(len(item) for item in _tokenizer(loaded[0], length).pairs(request))
            report(f"{length} tokens, window {window}: {len(systems)} systems taking turns")
            _take_turns(systems, request, grid.seconds)
            rows += [
                _row(system, window, length, tokens, grid.threads, value)
                for system, value in zip(systems, quality, strict=True)
            ]
    return rows


def pareto(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return the places of the rows that no other row beats in both time (p50) and nDCG@10."""
    return {
        place
        for place, row in enumerate(rows)
        if not any(
            other["p50_ms"] <= row["p50_ms"]
            and other["ndcg"] >= row["ndcg"]
            and (other["p50_ms"], other["ndcg"]) != (row["p50_ms"], row["ndcg"])
            for other in rows
        )
    }


def short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name each folder by as much of the end of its path as tells it from the others."""
    parts = {path: path.resolve().parts for path in paths}
    for depth in range(1, max((len(one) for one in parts.values()), default=1) + 1):
        names = {path: "/".join(one[-depth:]) for path, one in parts.items()}
        if len(set(names.values())) == len(set(parts.values())):
            break
    return names


def _bundle_systems(bundles: Sequence[Bundle], names: Mapping[Path, str], grid: Grid, length: int) -> list[_System]:
    systems = []
    for bundle in bundles:
        shortened, products = _shortened(bundle, length), count_products(bundle.path)
        for provider in grid.providers:
            options = SessionOptions(grid.threads, None if provider is None else (provider,))
            memory = _Memory()
            model = CrossEncoder(shortened, options)
            for batch in grid.batches:
                facts = {
                    "system": names[bundle.path],
                    "precision": bundle.manifest.precision,
                    "device": model.providers[0],
                    "batch_tokens": batch,
                }
                score = partial(_score, model, batch)
                score(sample_lists()[0].pairs())
                counted = None if products is None else products.of_bundle
                systems.append(_System(facts, score, counted, *memory.grown()))
    return systems


def _cascade_system(
    first: Path, second: Path, head: int, names: Mapping[Path, str], threads: int, length: int
) -> _System:
    options, memory = SessionOptions(threads), _Memory()
    both = [CrossEncoder(_shortened(load_bundle(path, "rerank"), length), options) for path in (first, second)]
    cascade = Cascade(both[0], both[1], head)
    cascade.score(sample_lists()[0].pairs())
    facts = {
        "system": f"{names[first]}, then {names[second]} on {head}",
        "precision": both[1].manifest.precision,
        "device": both[0].providers[0],
        "batch_tokens": MAX_BATCH_TOKENS,
    }
    counts = [found for path in (first, second) if (found := count_products(path)) is not None]
    products = partial(_cascade_products, counts, head) if len(counts) == len(both) else None
    return _System(facts, cascade.score, products, *memory.grown())


def _cascade_products(counts: Sequence[Products], head: int, tokens: int, texts: int) -> float:
    """Return the products of a request of one query: all texts by the first model, `head` of them by the second."""
    read = min(head, texts)
    return counts[0].of_bundle(tokens, texts) + counts[1].of_bundle(round(tokens * read / texts), read)


class _Memory:
    """What this process grew by since this was made."""

    def __init__(self) -> None:
        forget_peak_memory()
        self._before = psutil.Process().memory_info().rss / 1e6

    def grown(self) -> tuple[float, float | None]:
        """Return how many MB it holds more now, and how many more it held at most; None where nothing tells."""
        peak = peak_memory_mb()
        now = psutil.Process().memory_info().rss / 1e6
        return now - self._before, None if peak is None else peak - self._before


def _shortened(bundle: Bundle, length: int) -> Bundle:
    return Bundle(bundle.path, replace(bundle.manifest, max_length=min(length, bundle.manifest.max_length)))


def _peer_systems(torch_model: str | None, bundle: Bundle, length: int) -> list[_System]:
    if torch_model is None:
        return []
    from rerank.benchmark.peers import PEER_BATCH, peer_loaders

    systems, products = [], count_products(bundle.path)
    for name, load in peer_loaders(torch_model, bundle.path, length).items():
        memory = _Memory()
        peer = load()
        peer.score(sample_lists()[0].pairs())
        facts = {"system": name, "precision": "fp32", "device": peer.device, "batch_tokens": PEER_BATCH * length}
        counted = None
        if products is not None:
            counted = products.of_bundle if peer.runs_bundle else products.of_torch
        systems.append(_System(facts, peer.score, counted, *memory.grown()))
    return systems


def _score(model: CrossEncoder, batch_tokens: int, pairs: Sequence[Pair]) -> np.ndarray[Any, Any]:
    tokens = model.tokenize(pairs)
    scores = np.empty(len(tokens), np.float32)
    for batch in plan_batches([len(item) for item in tokens], batch_tokens):
        scores[batch] = model.score_tokens([tokens[index] for index in batch])
    return scores


def _tokenizer(bundle: Bundle, length: int) -> Tokenizer:
    return Tokenizer(bundle.path / "tokenizer.json", min(length, bundle.manifest.max_length))


def _take_turns(systems: Iterable[_System], request: Sequence[Pair], seconds: float) -> None:
    systems = list(systems)
    for system in systems:
        system.times, system.cpu_times, system.joules = [], [], None
        memory = _Memory()
        system.score(request)
        _, peak = memory.grown()
        if peak is not None and system.peak_mb is not None:
            system.peak_mb = max(system.peak_mb, system.rss_mb + peak)
    started = time.perf_counter()
    while len(systems[0].times) < LEAST_RUNS or time.perf_counter() - started < seconds:
        for system in systems:
            energy, begin, cpu = energy_joules(), time.perf_counter(), time.process_time()
            system.score(request)
            system.times.append((time.perf_counter() - begin) * 1000)
            system.cpu_times.append((time.process_time() - cpu) * 1000)
            if energy is not None and (after := energy_joules()) is not None and after >= energy:  # it starts over
                system.joules = (system.joules or 0.0) + after - energy


def _row(system: _System, window: int, length: int, tokens: int, threads: int, quality: float | None) -> dict[str, Any]:
    p50, p95, p99 = (float(np.percentile(system.times, share)) for share in (50, 95, 99))
    share = None
    if system.products is not None and system.facts["device"] in ON_CPU:
        share = system.products(tokens, window) / p50 * 1000 / matmul_peak()
    return system.facts | {
        "threads": threads,
        "window": window,
        "length": length,
        "runs": len(system.times),
        "p50_ms": round(p50, 2),
        "p95_ms": round(p95, 2),
        "p99_ms": round(p99, 2),
        "cpu_ms": round(float(np.median(system.cpu_times)), 2),
        "pairs_per_s": round(window / p50 * 1000, 1),
        "tokens_per_s": round(tokens / p50 * 1000),
        "peak_share": None if share is None else float(f"{share:.3g}"),
        "rss_mb": round(system.rss_mb, 1),
        "peak_rss_mb": None if system.peak_mb is None else round(system.peak_mb, 1),
        "vram_mb": gpu_memory_mb(),
        "joules": None if system.joules is None else round(system.joules / len(system.times), 3),
        "ndcg": None if quality is None else round(quality, 5),
    }


def _ndcg(score: Callable[[Sequence[Pair]], Any], lists: Sequence[CandidateList]) -> float:
    values = []
    for item in lists:
        grades = item.grades or {}
        order = np.argsort(-np.asarray(score(item.pairs()), np.float32), kind="stable")
        gains = np.array([grades.get(item.doc_ids[index], 0) for index in order], np.float64)
        values.append(ndcg(gains, np.array(list(grades.values()), np.float64)))
    return float(np.mean(values))
