"""Give the embedded node stock's hybrid search, for `bench.engine_latency` to measure beside ours.

    python -m bench.stock_hybrid --neural-search GIT_FOLDER --ml-commons GIT_FOLDER

neural-search cannot be had as a plugin without a full distribution, but its sources can: this compiles those of the
node's version, with the classes of ML Commons they name, unchanged, and puts them into the node's program files behind
a plugin class that offers the hybrid query and its processors alone (`StockHybridPlugin.java`). Needs git and the
`javac` of a JDK 21 or newer, in JAVA_HOME or on the path. Start the node anew after it; `plugin up` of another
POLYRANK_HOME does not know of it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from plugin.artifacts import ArtifactStore, MavenFetcher
from plugin.ground import ground_for
from plugin.layout import Distribution, lay_out
from plugin.lock import Artifact, read_lock
from plugin.progress import download_bar
from rerank.home import polyrank_home

NAME = "stock-hybrid"
PLUGIN = Path(__file__).with_name("StockHybridPlugin.java")
MAVEN = (
    "org.projectlombok:lombok:1.18.42",
    "org.apache.commons:commons-math3:3.6.1",
    "org.apache.commons:commons-collections4:4.5.0",
    "org.apache.commons:commons-text:1.10.0",
    "com.google.code.gson:gson:2.10.1",
    "com.google.guava:guava:33.2.1-jre",
    "com.fasterxml.jackson.core:jackson-databind:2.18.2",
    "com.fasterxml.jackson.core:jackson-annotations:2.18.2",
    "com.googlecode.concurrentlinkedhashmap:concurrentlinkedhashmap-lru:1.4.2",
    "com.jayway.jsonpath:json-path:2.9.0",
    "com.networknt:json-schema-validator:1.4.0",
    "org.json:json:20231013",
    "org.reflections:reflections:0.9.12",
    "org.opensearch:protobufs:1.3.0",
    "org.opensearch.plugin:transport-grpc-spi:3.6.0",
    "org.opensearch.plugin:mapper-extras-client:{opensearch}",
    "org.opensearch:common-utils:{opensearch}.0",
    "org.opensearch:opensearch-remote-metadata-sdk:{opensearch}.0",
)
COMPILING_ALONE = ("lombok", "guava", "protobufs", "transport-grpc-spi", "opensearch-remote-metadata-sdk")
"""Jars that the plugin does not carry: those of lombok's work, and those the node has."""
UNUSED = ("ResourceSharingClientAccessor", "MLHttpClientFactory", "MLValidatableAsyncHttpClient")
"""Classes of ML Commons that need libraries of their own and are asked for by none of neural-search's."""
ANNOTATION = "org.opensearch.ml.repackage.com.google.common.annotations"
"""The package in which ML Commons' jar, but not its source, has an annotation of Guava."""
DESCRIPTOR = """\
description=The hybrid search of neural-search, compiled from its sources for a bench
version={version}
name=stock-hybrid
classname=org.polyrank.bench.StockHybridPlugin
java.version=21
opensearch.version={opensearch}
extended.plugins=opensearch-knn
"""


def unpack(repository: Path, tag: str, folder: Path, *paths: str) -> None:
    """Write these paths of a tag of a repository below `folder`."""
    archive = folder / "archive.tar"
    done = subprocess.run(["git", "-C", str(repository), "archive", "-o", str(archive), tag, *paths])
    if done.returncode != 0:
        raise click.ClickException(f"{repository} is no git repository that has a tag {tag} with {', '.join(paths)}")
    shutil.unpack_archive(archive, folder)


def bring(opensearch: str, folder: Path) -> list[Path]:
    """Download the libraries that the sources name."""
    jars = []
    for coordinate in MAVEN:
        group, name, version = coordinate.format(opensearch=opensearch).split(":")
        artifact = Artifact(group, name, version, "", "jar", "", "", 0)
        into = folder / name
        into.mkdir()
        jars.append(MavenFetcher().fetch(artifact, into, lambda size: None))
    return jars


def compiler() -> str:
    """Return the path of `javac`."""
    found = shutil.which("javac", path=os.pathsep.join([f"{os.environ.get('JAVA_HOME')}/bin", os.environ["PATH"]]))
    if found is None:
        raise click.ClickException("there is no javac: set JAVA_HOME to a JDK 21 or newer")
    return found


def build(sources: Path, jars: list[Path], node: Distribution, classes: Path) -> None:
    """Compile the sources below a folder, and our plugin class, into `classes`."""
    annotation = sources / "VisibleForTesting.java"
    annotation.write_text(f"package {ANNOTATION};\npublic @interface VisibleForTesting {{}}\n")
    names = [str(path) for path in sources.rglob("*.java") if path.stem not in UNUSED]
    there = [path for place in ("lib", "modules", "plugins") for path in (node.home / place).rglob("*.jar")]
    lombok = next(str(jar) for jar in jars if jar.name.startswith("lombok"))
    command = [compiler(), "--release", "21", "-nowarn", "-proc:full", "-processorpath", lombok, "-d", str(classes)]
    command += ["-processor", "lombok.launch.AnnotationProcessorHider$AnnotationProcessor"]
    command += ["-cp", os.pathsep.join(map(str, [*there, *jars])), str(PLUGIN), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise click.ClickException(f"javac failed:\n{done.stderr[-2000:]}")


@click.command(help=__doc__)
@click.option("--neural-search", "neural", type=click.Path(exists=True, path_type=Path), required=True, help="Its git.")
@click.option("--ml-commons", "commons", type=click.Path(exists=True, path_type=Path), required=True, help="Its git.")
def main(neural: Path, commons: Path) -> None:
    """Build the plugin and put it into the node's program files."""
    home = polyrank_home()
    node = lay_out(ground_for(home), ArtifactStore(home / "artifacts"), progress=download_bar)
    opensearch = read_lock().opensearch
    with tempfile.TemporaryDirectory() as name:
        sources, classes, libraries = (Path(name) / part for part in ("sources", "classes", "libraries"))
        for folder in (sources, classes, libraries):
            folder.mkdir()
        unpack(neural, f"{opensearch}.0", sources, "src/main/java")
        unpack(commons, f"{opensearch}.0", sources, "client/src/main/java", "common/src/main/java")
        jars = bring(opensearch, libraries)
        build(sources, jars, node, classes)
        into = node.home / "plugins" / NAME
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        shutil.make_archive(str(into / NAME), "zip", classes)
        (into / f"{NAME}.zip").rename(into / f"{NAME}.jar")
        for jar in jars:
            if not jar.name.startswith(COMPILING_ALONE):
                shutil.copy(jar, into)
    (into / "plugin-descriptor.properties").write_text(
        DESCRIPTOR.format(version=f"{opensearch}.0", opensearch=opensearch)
    )
    for old in node.home.parent.glob(f"{node.home.name}-*"):
        shutil.rmtree(old)  # laid out again from this one when the node starts
    click.echo(f"{into} is there: start the node by `plugin up`, then run bench.engine_latency")


if __name__ == "__main__":
    main()
