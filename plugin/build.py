"""Builds the installable zip of the OpenSearch plugin with the Eclipse compiler: no JDK, no Gradle, no Maven."""

import hashlib
import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from plugin.errors import BuildError
from plugin.layout import Distribution

SOURCES = Path(__file__).with_name("opensearch")
_DESCRIPTORS = ("plugin-descriptor.properties", "plugin-security.policy")
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
_OPTIONS = ("-source", "21", "-target", "21", "-proc:none", "-encoding", "UTF-8", "-nowarn", "-g")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_plugin(out: Path, distribution: Distribution) -> Path:
    """Return the plugin's zip in the folder `out`, for `opensearch-plugin install file:...`.

    Compiles only when the zip there was made from other sources, another compiler or other jars; the same inputs
    give the same bytes.
    Raises BuildError with the compiler's words when the sources do not compile.
    """
    version = descriptor()["version"]
    target = out / f"polyrank-opensearch-{version}.zip"
    inputs = _fingerprint(distribution)
    if _made_from(target) == inputs:
        return target
    with tempfile.TemporaryDirectory(prefix="polyrank-build-") as scratch:
        classes = Path(scratch)
        _compile(distribution, classes)
        jar = _archive(
            (path.relative_to(classes).as_posix(), path.read_bytes()) for path in sorted(classes.rglob("*.class"))
        )
    entries = [(f"polyrank-{version}.jar", jar), *((name, (SOURCES / name).read_bytes()) for name in _DESCRIPTORS)]
    out.mkdir(parents=True, exist_ok=True)
    descriptor_, incoming = tempfile.mkstemp(prefix=".incoming-", suffix=".zip", dir=out)
    with os.fdopen(descriptor_, "wb") as file:
        file.write(_archive(entries, comment=inputs))
    Path(incoming).chmod(0o644)
    Path(incoming).replace(target)
    return target


def descriptor() -> dict[str, str]:
    """Return the plugin's descriptor: name, version, classname and the rest, as OpenSearch reads it."""
    lines = (SOURCES / "plugin-descriptor.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _java_sources() -> list[Path]:
    return sorted((SOURCES / "java").rglob("*.java"))


def _fingerprint(distribution: Distribution) -> str:
    digest = hashlib.sha256(" ".join(_OPTIONS).encode())
    for path in (*_java_sources(), *(SOURCES / name for name in _DESCRIPTORS), Path(__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(distribution.ecj.name.encode())
    for jar in distribution.classpath:
        digest.update(jar.name.encode())
    return digest.hexdigest()


def _made_from(target: Path) -> str | None:
    try:
        with zipfile.ZipFile(target) as archive:
            return archive.comment.decode()
    except (FileNotFoundError, zipfile.BadZipFile):
        return None


def _compile(distribution: Distribution, classes: Path) -> None:
    command = [str(distribution.java), "-cp", str(distribution.ecj), _COMPILER, *_OPTIONS]
    command += ["-classpath", os.pathsep.join(map(str, distribution.classpath)), "-d", str(classes)]
    done = subprocess.run([*command, *map(str, _java_sources())], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"the OpenSearch plugin does not compile:\n{(done.stdout + done.stderr).strip()}")


def _archive(entries: Iterable[tuple[str, bytes]], comment: str = "") -> bytes:
    """Zip in the given order with fixed times and modes, so that the same entries give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment.encode()
        for name, data in entries:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()
