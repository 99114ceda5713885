from pathlib import Path

import pytest

from plugin.ground import Ground
from plugin.java import find_java, read_java


def fake_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="java.base jdk.incubator.vector"\n')
    return home


def test_read_java(tmp_path: Path) -> None:
    java = read_java(fake_java(tmp_path / "jdk", "21.0.3"))
    assert java is not None
    assert (java.version, java.bundled) == (21, False)
    assert "jdk.incubator.vector" in java.modules
    assert read_java(tmp_path) is None


def test_a_new_enough_java_home_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "new", "21.0.3")))
    assert find_java(Ground(tmp_path, None)).home == tmp_path / "new"


def test_the_java_on_the_path_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "17.0.15")))
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "new", "25") / "bin"))
    assert find_java(Ground(tmp_path, None)).home == tmp_path / "new"


def test_an_old_java_gives_way_to_the_one_of_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "17.0.15")))
    java = find_java(Ground(tmp_path, None))
    assert java.bundled
    assert java.version >= 21
    assert java.executable.is_file()
