"""Where polyrank keeps what it downloads and runs: one folder that `POLYRANK_HOME` can move."""

import os
from pathlib import Path


def polyrank_home() -> Path:
    """Return the cache and state folder: `$POLYRANK_HOME`, else `~/.cache/polyrank`. Does not create it."""
    configured = os.environ.get("POLYRANK_HOME")
    return Path(configured).expanduser().resolve() if configured else Path.home() / ".cache" / "polyrank"
