"""What the service counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ServiceMetrics:
    """Counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "polyrank_requests", "Answers by endpoint and HTTP status", ("endpoint", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "polyrank_request_seconds", "Whole request", ("endpoint",), buckets=SECONDS, registry=self.registry
        )
        self.stage_seconds = Histogram(
            "polyrank_stage_seconds", "One stage of a request", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self.pairs = Counter("polyrank_pairs", "Pairs scored", registry=self.registry)
        self.tokens = Counter("polyrank_tokens", "Tokens read by the reranker, padding apart", registry=self.registry)
        self.texts = Counter("polyrank_texts", "Texts embedded by /embed", registry=self.registry)
        self.pending = Gauge("polyrank_pending", "Requests running or waiting", ("lane",), registry=self.registry)

    def page(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
