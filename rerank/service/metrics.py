"""What the service counts, for Prometheus: requests, stages, batches, and what drifts."""

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from rerank.protocols import UNDETERMINED
from rerank.service.work import Outcome
from rerank.understanding.understand import Understanding

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
TENTHS = tuple(round(0.1 * step, 1) for step in range(1, 11))
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)

Pending = Callable[[], dict[str, tuple[int, float]]]
"""Gives, for each queue, the requests in it and the seconds of work that wait."""


Cache = Callable[[], tuple[int, int, int]]
"""Gives the scores found, those not found, and the bytes kept."""


class ServiceMetrics:
    """Counters of one service, in a registry of their own. No label comes from a request's text."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "polyrank_requests", "Answers by endpoint and HTTP status", ("endpoint", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "polyrank_request_seconds", "Whole request", ("endpoint",), buckets=SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "polyrank_stage_seconds", "One stage of a request", ("stage",), buckets=SECONDS, registry=registry
        )
        self.pairs = Counter("polyrank_pairs", "Pairs scored", registry=registry)
        self.tokens = Counter("polyrank_tokens", "Tokens read by the reranker, padding apart", registry=registry)
        self.texts = Counter("polyrank_texts", "Texts embedded by /embed", registry=registry)
        self.batch_texts = Histogram(
            "polyrank_batch_texts", "Texts in a batch", ("model",), buckets=COUNTS, registry=registry
        )
        self.batch_requests = Histogram(
            "polyrank_batch_requests", "Requests that share a batch", ("model",), buckets=COUNTS[:5], registry=registry
        )
        self.scores = Histogram(
            "polyrank_score", "Relevance scores: a drift monitor", ("model",), buckets=TENTHS, registry=registry
        )
        self.languages = Counter(
            "polyrank_query_language", "Queries by detected language: a drift monitor", ("language",), registry=registry
        )
        self.degraded = Counter(
            "polyrank_degraded", "Answers with less than was asked for", ("stage", "reason"), registry=registry
        )

    def watch(self, pending: Pending) -> None:
        """Report queues at each scrape."""
        self.registry.register(_Queues(pending))

    def watch_cache(self, cache: Cache) -> None:
        """Report the score cache at each scrape."""
        self.registry.register(_Cache(cache))

    def batch(self, model: str) -> Callable[[int, int], None]:
        """Return what counts the batches of a model."""
        texts, requests = self.batch_texts.labels(model), self.batch_requests.labels(model)

        def count(number_of_texts: int, number_of_requests: int) -> None:
            texts.observe(number_of_texts)
            requests.observe(number_of_requests)

        return count

    def reranked(self, model: str, scores: NDArray[np.float32], tokens: int, outcome: Outcome) -> None:
        """Count a rerank request: its scores, the tokens read, and how long it took."""
        self.stage_seconds.labels("rerank").observe(outcome.busy_s)
        self.stage_seconds.labels("queue").observe(outcome.queue_s)
        self.pairs.inc(len(scores))
        self.tokens.inc(tokens)
        observe = self.scores.labels(model).observe
        for score in scores.tolist():
            observe(score)
        if not outcome.whole:
            self.degraded.labels("rerank", "deadline").inc()

    def embedded(self, model: str, texts: int, outcome: Outcome) -> None:
        """Count an embed request."""
        self.stage_seconds.labels("embed_documents").observe(outcome.busy_s)
        self.texts.inc(texts)

    def understood(self, found: Understanding, languages: Collection[str]) -> None:
        """Count a query: its language, its stages, and whether a model of these languages can read it."""
        for stage, seconds in found.seconds.items():
            self.stage_seconds.labels(stage).observe(seconds)
        self.languages.labels(found.language.language).inc()
        if found.language.language == UNDETERMINED:
            self.degraded.labels("understand", "unknown language").inc()
        elif not found.read_by(languages):
            self.degraded.labels("understand", "no translation").inc()

    def page(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)


class _Queues(Collector):
    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    def collect(self) -> list[GaugeMetricFamily]:
        requests = GaugeMetricFamily("polyrank_pending", "Requests running or waiting", labels=["lane"])
        seconds = GaugeMetricFamily("polyrank_wait_seconds", "Work that waits, in seconds", labels=["lane"])
        for lane, (number, wait) in self._pending().items():
            requests.add_metric([lane], number)
            seconds.add_metric([lane], wait)
        return [requests, seconds]


class _Cache(Collector):
    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        hits, misses, size = self._cache()
        asked = CounterMetricFamily("polyrank_score_cache", "Scores looked for in the cache", labels=["outcome"])
        asked.add_metric(["hit"], hits)
        asked.add_metric(["miss"], misses)
        return [asked, GaugeMetricFamily("polyrank_score_cache_bytes", "What the score cache takes", size)]
