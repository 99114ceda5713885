"""The lock of the embedded node: every file it is made of, by coordinate, size and sha256."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.errors import LockError

LOCK_PATH = Path(__file__).parent / "node-lock.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of the node. `folder` is where it goes below the node's home; a zip is unpacked there."""

    group: str
    name: str
    version: str
    classifier: str
    type: str
    folder: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """The name a Maven repository gives the file, such as `opensearch-3.5.0.jar`."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.type}"

    @property
    def coordinate(self) -> str:
        """`group:name:version`, as messages show it."""
        return f"{self.group}:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """What the node is made of: its version, its files, and the class that starts each module.

    `fingerprint` is the sha256 of the lock's text: equal fingerprints mean the same node.
    """

    opensearch: str
    modules: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    fingerprint: str


def read_lock(path: Path = LOCK_PATH) -> Lock:
    """Read a lock file; downloads nothing.

    Raises LockError when the file is missing, is no JSON of format 1, misses a key, names a file twice, or names
    a folder outside the node's home.
    """
    try:
        content = path.read_bytes()
        data = json.loads(content)
        if data["format"] != 1:
            raise LockError(f"{path} has lock format {data['format']}; this version reads format 1")
        artifacts = tuple(_artifact(entry, path) for entry in data["files"])
        lock = Lock(data["opensearch"], dict(data["modules"]), artifacts, hashlib.sha256(content).hexdigest())
    except OSError as error:
        raise LockError(f"cannot read the node's lock file {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LockError(f"{path} is not a node lock of format 1 ({error!r}); restore it from the release") from error
    targets = [(artifact.folder, artifact.file_name) for artifact in artifacts]
    if len(set(targets)) != len(targets):
        raise LockError(f"{path} names a file twice in one folder")
    return lock


def _artifact(entry: Mapping[str, Any], path: Path) -> Artifact:
    group, name, version = entry["coordinate"].split(":")
    folder, sha256 = str(entry["folder"]), str(entry["sha256"])
    if not _SHA256.fullmatch(sha256):
        raise LockError(f"{path}: {entry['coordinate']} has no sha256 of 64 hexadecimal digits")
    if Path(folder).is_absolute() or ".." in Path(folder).parts:
        raise LockError(f"{path}: {entry['coordinate']} would be placed outside the node's home ({folder})")
    return Artifact(
        group, name, version, entry.get("classifier", ""), entry["type"], folder, sha256, int(entry["size"])
    )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
