"""Gzipped lists among the resources, written whole or not at all."""

import gzip
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_packed(target: Path, lines: Iterable[str]) -> Path:
    """Write lines to a gzip file and return its path; equal lines give equal bytes, so that readers see no change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(handle, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
        packed.writelines(f"{line}\n".encode() for line in lines)
    Path(name).chmod(0o644)
    Path(name).replace(target)
    return target
