"""What every endpoint works with."""

from dataclasses import dataclass, field

from rerank.service.lane import Lane
from rerank.service.metrics import ServiceMetrics
from rerank.service.models import Models
from rerank.service.requests import Limits
from rerank.service.score_cache import ScoreCache


def _query_lane() -> Lane:
    return Lane("query", workers=4, waiting=64)


@dataclass(slots=True)
class ServiceState:
    """One running service. `query_lane` runs what understands queries; models have batchers of their own.

    `draining`: the service has been told to stop; it answers what comes, and /ready sends callers elsewhere.
    """

    models: Models
    limits: Limits
    metrics: ServiceMetrics
    cache: ScoreCache
    query_lane: Lane = field(default_factory=_query_lane)
    draining: bool = False
