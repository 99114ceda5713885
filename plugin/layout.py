"""The node's program files on disk: laid out from the lock, checked each time, and extended by our own plugin.

    distribution/<lock>/            lib, modules, plugins/opensearch-knn, tools (the Java compiler)
    distribution/<lock>-<plugin>/   the same files by hard link, and plugins/polyrank

Each folder appears under its name only when it is whole.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from plugin.artifacts import ArtifactStore
from plugin.ground import Ground
from plugin.java import Java, find_java
from plugin.lock import Artifact, Lock, file_sha256, read_lock
from plugin.progress import ProgressFactory, silent
from plugin.shims import SHIMS, compile_shims

_DESCRIPTOR = """description={name}
version={version}
name={name}
classname={main_class}
java.version=21
opensearch.version={version}
has.native.controller=false
"""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A laid out OpenSearch (`home`) and the Java that runs it (`runtime`)."""

    home: Path
    runtime: Java

    @property
    def java(self) -> Path:
        """The `java` command."""
        return self.runtime.executable

    @property
    def ecj(self) -> Path:
        """The jar of the Eclipse compiler: `java -cp ECJ org.eclipse.jdt.internal.compiler.batch.Main`."""
        return next((self.home / "tools").glob("ecj-*.jar"))

    @property
    def classpath(self) -> tuple[Path, ...]:
        """The jars of the server, in name order: what the node runs from and what plugins compile against."""
        return tuple(sorted((self.home / "lib").glob("*.jar")))


def lay_out(
    ground: Ground, store: ArtifactStore, *, lock: Lock | None = None, progress: ProgressFactory = silent
) -> Distribution:
    """Return the distribution of the lock (default: the one of this release) on `ground`, without our plugin.

    One that is there already is checked, file by file, and laid out anew when a file was altered.
    Raises ArtifactError when a file cannot be had, NodeError when the shims do not compile.
    """
    lock = lock or read_lock()
    runtime = find_java(ground)
    folder = ground.subfolder("distribution")
    home = folder / _fingerprint(lock)
    with FileLock(folder / ".lock"):
        if home.exists() and altered(home, lock, store):
            shutil.rmtree(home)
        if not home.exists():
            store.ensure(lock.artifacts, progress)
            with _appearing(home) as incoming:
                for artifact in lock.artifacts:
                    _place(artifact, store.path(artifact), incoming)
                _describe_modules(lock, incoming)
                (incoming / "bin").mkdir()  # the server insists on the folder, and may not make it
                new = Distribution(incoming, runtime)
                compile_shims(incoming, java=new.java, ecj=new.ecj, classpath=new.classpath)
    return Distribution(home, runtime)


def add_plugin(distribution: Distribution, name: str, zip_path: Path) -> Distribution:
    """Return `distribution` with the plugin of `zip_path` unpacked as `plugins/<name>`; the original is not touched.

    The result is kept beside it under the zip's hash, so that a plugin that did not change costs nothing.
    """
    home = distribution.home.with_name(f"{distribution.home.name}-{file_sha256(zip_path)[:12]}")
    with FileLock(home.parent / ".lock"):
        if not home.exists():
            with _appearing(home) as incoming:
                shutil.copytree(distribution.home, incoming, copy_function=os.link, dirs_exist_ok=True)
                with zipfile.ZipFile(zip_path) as archive:
                    archive.extractall(incoming / "plugins" / name)
    return Distribution(home, distribution.runtime)


def altered(home: Path, lock: Lock, store: ArtifactStore) -> list[Path]:
    """Return the files of the layout in `home` that are missing or are not what the lock says.

    Jars are checked by sha256; files unpacked from a zip by the checksums in the zip, when the store still has it.
    """
    wrong = []
    for artifact in lock.artifacts:
        target = home / artifact.folder
        if artifact.type != "zip":
            path = target / artifact.file_name
            if not path.is_file() or file_sha256(path) != artifact.sha256:
                wrong.append(path)
        elif store.path(artifact).is_file():
            wrong.extend(_altered_members(store.path(artifact), target))
    return wrong


def _altered_members(zip_path: Path, folder: Path) -> Iterator[Path]:
    with zipfile.ZipFile(zip_path) as archive:
        for member in archive.infolist():
            path = folder / member.filename
            if not member.is_dir() and not (path.is_file() and zlib.crc32(path.read_bytes()) == member.CRC):
                yield path


@contextmanager
def _appearing(home: Path) -> Iterator[Path]:
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=home.parent))
    try:
        yield incoming
        for path in (incoming, *incoming.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        incoming.rename(home)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _place(artifact: Artifact, source: Path, home: Path) -> None:
    folder = home / artifact.folder
    folder.mkdir(parents=True, exist_ok=True)
    if artifact.type == "zip":
        with zipfile.ZipFile(source) as archive:
            archive.extractall(folder)
    else:
        shutil.copyfile(source, folder / artifact.file_name)


def _describe_modules(lock: Lock, home: Path) -> None:
    for name, main_class in lock.modules.items():
        text = _DESCRIPTOR.format(name=name, version=lock.opensearch, main_class=main_class)
        (home / "modules" / name / "plugin-descriptor.properties").write_text(text)


def _fingerprint(lock: Lock) -> str:
    digest = hashlib.sha256(lock.fingerprint.encode())
    for source in sorted(SHIMS.rglob("*.java")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
