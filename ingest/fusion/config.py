"""How records of several sources are fused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class FusionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[fusion]` of a shop's TOML.

    `near_duplicates`: match titles within a language; `vectors`: match titles across languages by their vectors.
    `jaccard` and `cosine` (0..1) are the least similarities of either. `prefer`: field -> names of sources, the first
    that has the field gives it; other fields go by the sources' priority, then by the newer record.
    """

    near_duplicates: bool = True
    vectors: bool = False
    jaccard: float = 0.6
    cosine: float = 0.72
    prefer: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class SourceRank:
    """A source's `priority` (the higher wins) and the platform it stands for."""

    priority: int = 0
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class FusionRules:
    """What fusion works by: the configuration and each source's rank."""

    config: FusionConfig = field(default_factory=FusionConfig)
    ranks: Mapping[str, SourceRank] = field(default_factory=dict)

    def rank(self, source: str) -> SourceRank:
        """Return a source's rank; a source that is not configured has priority 0."""
        return self.ranks.get(source, SourceRank())
