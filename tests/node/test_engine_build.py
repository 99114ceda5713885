"""The plugin's zip is what `opensearch-plugin install` expects, the same bytes from the same sources, and made once."""

import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import plugin.build
from plugin.build import build_plugin, descriptor
from plugin.errors import BuildError
from plugin.layout import Distribution

pytestmark = pytest.mark.node


def test_zip_is_flat_and_complete(bare_distribution: Distribution, tmp_path: Path) -> None:
    with zipfile.ZipFile(build_plugin(tmp_path, bare_distribution)) as archive:
        names = archive.namelist()
    assert names == [
        f"polyrank-{descriptor()['version']}.jar",
        "plugin-descriptor.properties",
        "plugin-security.policy",
    ]


def test_descriptor_names_the_release_and_every_opensearch_3() -> None:
    assert descriptor()["version"] == version("polyrank")
    assert descriptor()["dependencies"] == '{opensearch:"^3.0.0"}'
    assert "opensearch.version" not in descriptor()


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
