import json
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import LockError
from plugin.lock import file_sha256, read_lock


def write(tmp_path: Path, **changes: Any) -> Path:
    file = {"coordinate": "org.example:thing:1.0", "type": "jar", "folder": "lib", "size": 3, "sha256": "a" * 64}
    data = {"format": 1, "opensearch": "3.5.0", "modules": {}, "files": [file | changes]}
    path = tmp_path / "lock.json"
    path.write_text(json.dumps(data))
    return path


def test_the_shipped_lock_names_every_file_with_size_and_hash() -> None:
    lock = read_lock()
    assert lock.opensearch == "3.5.0"
    assert len(lock.artifacts) == 103
    assert all(artifact.size > 0 for artifact in lock.artifacts)
    assert {artifact.folder for artifact in lock.artifacts} == {
        "lib",
        "tools",
        "plugins/opensearch-knn",
        *(f"modules/{name}" for name in lock.modules),
    }


def test_file_name_has_the_classifier(tmp_path: Path) -> None:
    assert read_lock(write(tmp_path)).artifacts[0].file_name == "thing-1.0.jar"
    assert read_lock(write(tmp_path, classifier="linux")).artifacts[0].file_name == "thing-1.0-linux.jar"


def test_another_lock_has_another_fingerprint(tmp_path: Path) -> None:
    first = read_lock(write(tmp_path)).fingerprint
    assert read_lock(write(tmp_path)).fingerprint == first
    assert read_lock(write(tmp_path, sha256="b" * 64)).fingerprint != first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "abc"}, "no sha256 of 64"),
        ({"folder": "../../etc"}, "outside the node's home"),
        ({"folder": "/etc"}, "outside the node's home"),
        ({"coordinate": "org.example:thing"}, "not a node lock"),
        ({"size": None}, "not a node lock"),
    ],
)
def test_a_malformed_entry_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LockError, match=message):
        read_lock(write(tmp_path, **changes))


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"files": data["files"] * 2}))
    with pytest.raises(LockError, match="names a file twice"):
        read_lock(path)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot read the node's lock file"):
        read_lock(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"format": 2}')
    with pytest.raises(LockError, match="lock format 2"):
        read_lock(tmp_path / "other.json")


def test_file_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
