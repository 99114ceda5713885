import zipfile
from pathlib import Path

import pytest

from plugin.artifacts import ArtifactStore
from plugin.java import Java
from plugin.layout import Distribution, add_plugin, altered
from plugin.lock import Artifact, Lock, file_sha256

JAVA = Java(Path("/java"), 25, frozenset(), bundled=True)


def make_zip(path: Path, **members: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Distribution:
    home = tmp_path / "distribution" / "abc"
    (home / "lib").mkdir(parents=True)
    (home / "lib" / "server-1.jar").write_text("jar")
    return Distribution(home, JAVA)


def test_a_plugin_is_added_beside_the_original(base: Distribution, tmp_path: Path) -> None:
    extended = add_plugin(base, "polyrank", make_zip(tmp_path / "p.zip", descriptor="one"))
    assert (extended.home / "plugins" / "polyrank" / "descriptor").read_text() == "one"
    assert extended.classpath == (extended.home / "lib" / "server-1.jar",)
    assert extended.classpath[0].samefile(base.classpath[0])
    assert not (base.home / "plugins").exists()


def test_the_same_plugin_is_laid_out_once_and_another_one_anew(base: Distribution, tmp_path: Path) -> None:
    first = add_plugin(base, "polyrank", make_zip(tmp_path / "p.zip", descriptor="one"))
    assert add_plugin(base, "polyrank", tmp_path / "p.zip") == first
    second = add_plugin(base, "polyrank", make_zip(tmp_path / "p.zip", descriptor="two"))
    assert second != first
    assert (second.home / "plugins" / "polyrank" / "descriptor").read_text() == "two"


def test_a_broken_plugin_leaves_nothing_behind(base: Distribution, tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"no zip")
    with pytest.raises(zipfile.BadZipFile):
        add_plugin(base, "polyrank", tmp_path / "p.zip")
    assert [path.name for path in base.home.parent.iterdir() if path.is_dir()] == ["abc"]


def test_altered_and_missing_files_are_found(base: Distribution, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    jar_sha = file_sha256(base.home / "lib" / "server-1.jar")
    jar = Artifact("g", "server", "1", "", "jar", "lib", jar_sha, 3)
    packed = Artifact("g", "knn", "1", "", "zip", "plugins/knn", "", 3)
    make_zip(store.path(packed), inside="content")
    lock = Lock("3.5.0", {}, (jar, packed), "")
    inside = base.home / "plugins" / "knn" / "inside"
    assert altered(base.home, lock, store) == [inside]
    inside.parent.mkdir(parents=True)
    inside.write_text("content")
    assert altered(base.home, lock, store) == []
    inside.write_text("CONTENT")
    (base.home / "lib" / "server-1.jar").write_text("JAR")
    assert altered(base.home, lock, store) == [base.home / "lib" / "server-1.jar", inside]
