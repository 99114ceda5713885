from pathlib import Path

import pytest

from ingest.record import KEPT_MANIFESTS, RunRecord


def test_the_oldest_manifests_go_where_polyrank_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    runs = tmp_path / "runs" / "shop"
    runs.mkdir(parents=True)
    for number in range(KEPT_MANIFESTS + 1):
        (runs / f"20250101T000000.{number:05}.json").touch()
    newest = RunRecord("shop", ()).write(0)
    left = sorted(runs.iterdir())
    assert (len(left), left[0].name, left[-1]) == (KEPT_MANIFESTS, "20250101T000000.00002.json", newest)


def test_manifests_in_a_folder_of_the_user_s_stay(tmp_path: Path) -> None:
    for number in range(KEPT_MANIFESTS + 1):
        (tmp_path / f"{number:05}.json").touch()
    RunRecord("shop", (), tmp_path / "z.json").write(0)
    assert len(list(tmp_path.iterdir())) == KEPT_MANIFESTS + 2
