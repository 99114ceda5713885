"""The exceptions of the ingest floor.

PolyrankError
└── IngestError
    ├── FeedError      a feed cannot be opened or read on
    └── ReindexError   an index cannot be built beside another, or may not take its place
"""

from rerank.errors import PolyrankError


class IngestError(PolyrankError):
    """A run cannot go on."""


class FeedError(IngestError):
    """A feed cannot be opened, is of an unknown kind, or breaks off."""


class ReindexError(IngestError):
    """An index cannot be built beside another, or may not take its place."""
