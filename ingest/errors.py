"""The exceptions of the ingest floor, and the exit code of each.

PolyrankError (1)
├── IngestError (1)
│   ├── FeedError (4)    a feed cannot be opened or read on
│   ├── ReindexError (1) an index cannot be built beside another, or may not take its place
│   └── LockedError (75) another run writes into the index
└── ClusterError (5)     OpenSearch cannot be reached, or refused a request
    └── IndexConflictError (1)
"""

from plugin.errors import ClusterError
from plugin.index import IndexConflictError
from rerank.errors import PolyrankError

OK, CONFIGURATION, USAGE, PARTIAL, SOURCE, CLUSTER, LOCKED = 0, 1, 2, 3, 4, 5, 75
"""Exit codes of `ingest`; 75 is EX_TEMPFAIL of sysexits.h: try again later."""


class IngestError(PolyrankError):
    """A run cannot go on."""


class FeedError(IngestError):
    """A feed cannot be opened, is of an unknown kind, or breaks off."""

    exit_code = SOURCE


class ReindexError(IngestError):
    """An index cannot be built beside another, or may not take its place."""


class LockedError(IngestError):
    """Another run holds the lock of the alias."""

    exit_code = LOCKED


def exit_code_of(error: PolyrankError) -> int:
    """Return the exit code with which `ingest` ends on an error."""
    if isinstance(error, ClusterError) and not isinstance(error, IndexConflictError):
        return CLUSTER
    return error.exit_code
