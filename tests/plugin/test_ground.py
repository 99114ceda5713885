import os
from pathlib import Path

import pytest

from plugin.errors import NodeError
from plugin.ground import Ground, User, can_enter, ground_for, sweep_abandoned

STRANGER = User("stranger", 54321, 54321)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives nodes another user")


@pytest.fixture
def open_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "open"
    place.mkdir()
    monkeypatch.setattr("plugin.ground._OPEN_PLACE", place)
    return place


def test_a_private_folder_anywhere_above_keeps_a_stranger_out(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    owner = User("owner", inner.stat().st_uid, inner.stat().st_gid)
    (tmp_path / "outer").chmod(0o700)
    assert not can_enter(inner, STRANGER)
    assert not can_enter(inner / "not there yet", STRANGER)
    assert can_enter(Path("/"), STRANGER)
    assert can_enter(inner, owner)


def test_an_ordinary_user_stays_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ground_for(tmp_path / "home") == Ground(tmp_path / "home", None)


@as_root
def test_a_home_that_nobody_can_enter_moves_the_nodes_out(tmp_path: Path, open_place: Path) -> None:
    tmp_path.chmod(0o700)
    ground = ground_for(tmp_path / "home")
    assert ground.moved
    assert ground.folder.parent == open_place
    assert ground.folder.stat().st_mode & 0o777 == 0o755
    assert ground.user is not None
    assert ground.user.name == "nobody"
    assert ground_for(tmp_path / "home") == ground
    assert ground_for(tmp_path / "other").folder != ground.folder


@as_root
def test_a_home_that_another_user_owns_gives_the_user(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1, 1)
    user = ground_for(home).user
    assert user is not None
    assert user.uid == 1


@as_root
def test_a_place_that_others_made_is_refused(tmp_path: Path, open_place: Path) -> None:
    tmp_path.chmod(0o700)
    place = ground_for(tmp_path / "home").folder
    place.chmod(0o777)
    with pytest.raises(NodeError, match="only root can write to"):
        ground_for(tmp_path / "home")


@as_root
def test_only_places_whose_home_is_gone_are_swept(tmp_path: Path, open_place: Path) -> None:
    tmp_path.chmod(0o700)
    kept, gone = (ground_for(tmp_path / name).folder for name in ("kept", "gone"))
    (open_place / "polyrank-of-someone-else").mkdir()
    (tmp_path / "gone").rmdir()
    assert sweep_abandoned() == [gone]
    assert kept.exists()
    assert (open_place / "polyrank-of-someone-else").exists()


@as_root
def test_looking_makes_nothing(tmp_path: Path, open_place: Path) -> None:
    tmp_path.chmod(0o700)
    ground = ground_for(tmp_path / "home", make=False)
    assert ground.moved
    assert not ground.folder.exists()
    assert not (tmp_path / "home").exists()
    assert ground_for(tmp_path / "home") == ground
