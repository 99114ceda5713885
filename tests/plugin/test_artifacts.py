import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugin.artifacts import ArtifactStore
from plugin.errors import ArtifactError
from plugin.lock import Artifact
from plugin.progress import Advance

CONTENT = b"the whole jar"


def artifact(name: str = "thing", content: bytes = CONTENT) -> Artifact:
    sha256 = hashlib.sha256(content).hexdigest()
    return Artifact("org.example", name, "1.0", "", "jar", "lib", sha256, len(content))


class Mirror:
    """A scripted repository: gives each answer in turn, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def fetch(self, artifact: Artifact, folder: Path, advance: Advance) -> Path:
        with self._lock:
            self.asked.append(artifact.name)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        path = folder / artifact.file_name
        path.write_bytes(answer)
        advance(len(answer))
        return path


def test_what_is_there_and_whole_is_not_fetched_again(tmp_path: Path) -> None:
    mirror = Mirror(CONTENT)
    store = ArtifactStore(tmp_path, mirror)
    store.ensure([artifact("a"), artifact("b")])
    store.ensure([artifact("a"), artifact("b")])
    assert sorted(mirror.asked) == ["a", "b"]
    assert store.path(artifact("a")).read_bytes() == CONTENT


def test_a_truncated_download_is_fetched_again(tmp_path: Path) -> None:
    mirror = Mirror(CONTENT[:5], CONTENT)
    store = ArtifactStore(tmp_path, mirror)
    store.ensure([artifact()])
    assert store.path(artifact()).read_bytes() == CONTENT
    assert len(mirror.asked) == 2


def test_an_altered_file_in_the_store_is_fetched_again(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, Mirror(CONTENT))
    store.ensure([artifact()])
    store.path(artifact()).write_bytes(b"altered")
    assert store.missing([artifact()]) == [artifact()]
    store.ensure([artifact()])
    assert store.missing([artifact()]) == []


def test_a_file_that_stays_wrong_never_enters_the_store(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, Mirror(b"another jar"))
    with pytest.raises(ArtifactError, match=r"thing-1\.0\.jar came 2 times with sha256"):
        store.ensure([artifact()])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_progress_counts_the_bytes_of_what_is_missing(tmp_path: Path) -> None:
    seen: list[int] = []

    @contextmanager
    def progress(description: str, total_bytes: int) -> Iterator[Advance]:
        assert total_bytes == 2 * len(CONTENT)
        yield seen.append

    ArtifactStore(tmp_path, Mirror(CONTENT)).ensure([artifact("a"), artifact("b")], progress)
    assert sum(seen) == 2 * len(CONTENT)


TWO_AT_ONCE = """
import hashlib, sys, time
from pathlib import Path
from plugin.artifacts import ArtifactStore
from plugin.lock import Artifact

class Slow:
    asked = 0
    def fetch(self, artifact, folder, advance):
        Slow.asked += 1
        path = folder / artifact.file_name
        with path.open("wb") as out:
            for _ in range(20):
                out.write(b"x" * 1000)
                out.flush()
                time.sleep(0.01)
        return path

sha = hashlib.sha256(b"x" * 20000).hexdigest()
wanted = [Artifact("g", f"a{i}", "1", "", "jar", "lib", sha, 20000) for i in range(4)]
store = ArtifactStore(Path(sys.argv[1]), Slow())
store.ensure(wanted)
assert not store.missing(wanted)
print(Slow.asked)
"""


def test_of_two_processes_one_fetches_and_the_other_finds_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert answers == ["0", "4"]
