"""The two small Java classes that let a node of pip packages start: see their sources in `node_shims/`."""

import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from plugin.errors import NodeError

SHIMS = Path(__file__).parent / "node_shims"
_SERVICES = {"lib": {"java.text.spi.BreakIteratorProvider": "org.polyrank.node.ThaiBreakIterators"}}
_OPTIONS = ("-source", "21", "-target", "21", "-proc:none", "-nowarn")
_TARGETS = {"lib": "lib", "transport-grpc": "modules/transport-grpc"}


def compile_shims(home: Path, *, java: Path, ecj: Path, classpath: Sequence[Path]) -> None:
    """Compile each folder of `node_shims/` into a jar where the node in `home` loads it.

    Raises NodeError with the compiler's words.
    """
    for name, target in _TARGETS.items():
        with tempfile.TemporaryDirectory() as classes:
            sources = sorted((SHIMS / name).rglob("*.java"))
            command = [java, "-cp", ecj, "org.eclipse.jdt.internal.compiler.batch.Main", *_OPTIONS]
            command += ["-cp", ":".join(map(str, classpath)), "-d", classes, *sources]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode != 0:
                raise NodeError(f"the node's shims do not compile: {done.stderr.strip() or done.stdout.strip()}")
            with zipfile.ZipFile(home / target / f"polyrank-shim-{name}.jar", "w") as jar:
                for path in sorted(Path(classes).rglob("*.class")):
                    jar.write(path, path.relative_to(classes).as_posix())
                for service, implementation in _SERVICES.get(name, {}).items():
                    jar.writestr(f"META-INF/services/{service}", implementation + "\n")
