"""The plugin's zip is what `opensearch-plugin install` expects, the same bytes from the same sources, and made once."""

import re
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import plugin.build
from plugin.build import SOURCES, build_plugin, descriptor
from plugin.errors import BuildError
from plugin.layout import Distribution

pytestmark = pytest.mark.node
IMPORT = re.compile(r"^import (?:static )?([\w.]+)", re.MULTILINE)
ALWAYS_THERE = ("java.", "javax.", "org.opensearch.", "org.apache.lucene.", "org.apache.logging.log4j.")


def test_zip_is_flat_and_complete(bare_distribution: Distribution, tmp_path: Path) -> None:
    with zipfile.ZipFile(build_plugin(tmp_path, bare_distribution)) as archive:
        names = archive.namelist()
    assert names == [
        f"polyrank-{descriptor()['version']}.jar",
        "plugin-descriptor.properties",
        "plugin-security.policy",
    ]


def test_descriptor_names_the_release_and_opensearch_3_from_3_4_on() -> None:
    """Up to 3.3.2 OpenSearch takes no range with a caret, not even one of its own version."""
    assert descriptor()["version"] == version("polyrank")
    assert descriptor()["dependencies"] == '{opensearch:"^3.4.0"}'
    assert "opensearch.version" not in descriptor()


def test_the_sources_name_nothing_whose_package_differs_among_these_versions() -> None:
    """Jackson, for one: `com.fasterxml.jackson` up to 3.8, `tools.jackson` in 3.9."""
    named = {line for path in SOURCES.rglob("*.java") for line in IMPORT.findall(path.read_text())}
    assert named
    assert [name for name in named if not name.startswith(ALWAYS_THERE)] == []


def test_made_once_and_again_the_same_when_damaged(bare_distribution: Distribution, tmp_path: Path) -> None:
    target = build_plugin(tmp_path, bare_distribution)
    whole, made = target.read_bytes(), target.stat().st_mtime_ns
    assert build_plugin(tmp_path, bare_distribution).stat().st_mtime_ns == made, (
        "unchanged sources are not compiled again"
    )
    target.write_bytes(whole[:100])
    assert build_plugin(tmp_path, bare_distribution).read_bytes() == whole, "the same sources give the same bytes"


def test_compiler_error_is_shown(
    bare_distribution: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(plugin.build.SOURCES, sources)
    broken = sources / "java" / "org" / "polyrank" / "opensearch" / "DocKey.java"
    broken.write_text(broken.read_text().replace("record DocKey", "record Wrong"))
    monkeypatch.setattr(plugin.build, "SOURCES", sources)
    with pytest.raises(BuildError, match="DocKey"):
        build_plugin(tmp_path / "out", bare_distribution)
