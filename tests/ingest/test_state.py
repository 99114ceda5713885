from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.state import IndexState, Known


def known(version: int = 1, feed: str = "a", *, deleted: bool = False) -> Known:
    return Known(version, b"content", b"vector", feed, deleted)


def test_what_is_kept_is_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.sqlite"
    state = IndexState(path)
    state.keep({"1": known(), "2": known(feed="b"), "3": known(deleted=True)})
    state.keep_bookmarks({"a": {"mark": [1, None]}})
    state.close()
    again = IndexState(path)
    assert again.known(["1", "2", "3", "4"]) == {"1": known(), "2": known(feed="b"), "3": known(deleted=True)}
    assert (again.count(), again.count("a"), again.count("b"), again.count("c")) == (2, 1, 1, 0)
    assert (again.bookmark("a"), again.bookmark("b")) == ({"mark": [1, None]}, {})
    assert list(again.ids("a")) == [["1"]]
    again.close()


def test_versions_rise_even_when_the_clock_goes_back(tmp_path: Path) -> None:
    state = IndexState(tmp_path / "s")
    assert [state.next_version(now) for now in (1000, 999, 1, 5000)] == [1000, 1001, 1002, 5000]
    state.close()


def test_distrust_forgets_contents_and_bookmarks_alone() -> None:
    state = IndexState(None)
    state.keep({"1": known(7)})
    state.keep_bookmarks({"a": {"mark": 1}})
    state.distrust()
    assert state.known(["1"]) == {"1": Known(7, None, None, "a")}
    assert state.bookmark("a") == {}
    state.close()


def test_a_copy_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    state = IndexState(tmp_path / "s")
    state.keep({"1": known()})
    copy = IndexState(tmp_path / "s", copy=True)
    copy.keep({"1": known(9), "2": known()})
    assert copy.count() == 2
    copy.close()
    assert state.known(["1", "2"]) == {"1": known()}
    state.close()
    IndexState(tmp_path / "none", copy=True).close()
    assert not (tmp_path / "none").exists()


def test_ids_can_be_deleted_while_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.state.MANY", 2)
    state = IndexState(None)
    state.keep({str(number): known() for number in range(5)})
    met = []
    for part in state.ids("a"):
        met += part
        state.keep({key: known(deleted=True) for key in part})
    assert met == ["0", "1", "2", "3", "4"]
    assert state.count() == 0
    state.close()


def test_a_file_that_is_no_state_is_said(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x" * 5000)
    with pytest.raises(IngestError, match="cannot use the state of earlier runs"):
        IndexState(tmp_path / "s")
