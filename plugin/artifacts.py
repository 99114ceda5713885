"""The store of downloaded files: nothing enters it whose sha256 is not the locked one, and nothing enters it half."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from plugin.errors import ArtifactError
from plugin.lock import Artifact, file_sha256
from plugin.progress import Advance, ProgressFactory, silent

_DOWNLOADS_AT_ONCE = 6
_ATTEMPTS = 2


class Fetcher(Protocol):
    """Brings one artifact from wherever artifacts live into an empty folder."""

    def fetch(self, artifact: Artifact, folder: Path, advance: Advance) -> Path:
        """Return the path of the file, below `folder`; call `advance` with bytes as they come.

        The content is not trusted: the caller checks it. Raises ArtifactError when nothing can be fetched.
        """


class MavenFetcher:
    """Fetches with jgo, a Maven resolver in pure Python. Each call has its own folder, as jgo locks nothing."""

    def fetch(self, artifact: Artifact, folder: Path, advance: Advance) -> Path:
        """Download into `folder`. Raises ArtifactError when the repository cannot be reached or lacks the file."""
        from jgo.maven import MavenContext, PythonResolver

        resolver = PythonResolver(progress_callback=lambda name, total: nullcontext(advance))
        context = MavenContext(resolver=resolver, repo_cache=folder, local_repos=[], timeout=60)
        component = context.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            return Path(component.artifact(artifact.classifier, artifact.type).resolve())
        except (OSError, RuntimeError) as error:
            raise ArtifactError(
                f"cannot download {artifact.coordinate}: {error}; check the network and run the command again "
                "(what has come already is kept)"
            ) from error


class ArtifactStore:
    """A folder of verified files that several processes may use at once."""

    def __init__(self, folder: Path, fetcher: Fetcher | None = None) -> None:
        self.folder = folder
        self.fetcher = fetcher or MavenFetcher()

    def path(self, artifact: Artifact) -> Path:
        """Where the store keeps the artifact, present or not."""
        return self.folder / artifact.group / artifact.file_name

    def missing(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        """Return the artifacts that are absent or whose content is not the locked one (every sha256 is computed)."""
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            candidates = list(artifacts)
            return [a for a, whole in zip(candidates, pool.map(self._whole, candidates), strict=True) if not whole]

    def ensure(self, artifacts: Sequence[Artifact], progress: ProgressFactory = silent) -> None:
        """Download what is missing, one process at a time; a second process waits and then finds everything there.

        Raises ArtifactError when a file cannot be fetched or has another sha256 twice in a row.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            wanted = self.missing(artifacts)
            if not wanted:
                return
            total = sum(artifact.size for artifact in wanted)
            with progress(f"downloading {len(wanted)} files of OpenSearch", total) as advance:
                pool = ThreadPoolExecutor(_DOWNLOADS_AT_ONCE)
                try:
                    list(pool.map(lambda artifact: self._bring(artifact, advance), wanted))
                finally:
                    pool.shutdown(cancel_futures=True)

    def _whole(self, artifact: Artifact) -> bool:
        path = self.path(artifact)
        return path.is_file() and file_sha256(path) == artifact.sha256

    def _bring(self, artifact: Artifact, advance: Advance) -> None:
        target = self.path(artifact)
        target.parent.mkdir(parents=True, exist_ok=True)
        found = ""
        for _ in range(_ATTEMPTS):
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self.folder) as folder:
                fetched = self.fetcher.fetch(artifact, Path(folder), advance)
                found = file_sha256(fetched)
                if found == artifact.sha256:
                    os.replace(fetched, target)
                    return
        raise ArtifactError(
            f"{artifact.file_name} came {_ATTEMPTS} times with sha256 {found} where the lock has {artifact.sha256}: "
            "the mirror or a proxy alters it; use another network or mirror"
        )
