import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.record import MANIFESTS, last_schemas
from tests.ingest.test_feeds import written


def test_check_says_what_a_run_would_make_of_feeds_and_writes_nothing(tmp_path: Path) -> None:
    lines = [
        '{"id": 1, "title": "Der Tisch aus Eiche ist rund", "gtin": "123"}',
        '{"id": 1, "title": "The lamp is on the table", "lang": "en"}',
        '{"title": "no id"}',
        '{"id": 9, "deleted": true}',
        "broken",
    ]
    written(tmp_path / "a.jsonl", "\n".join(lines))
    written(tmp_path / "b.csv.gz", b"id,title\n1,caf\xe9\n")
    before = sorted(tmp_path.rglob("*"))
    home = {"POLYRANK_HOME": str(tmp_path / "home")}
    done = CliRunner().invoke(
        main, ["check", str(tmp_path / "a.jsonl"), str(tmp_path / "b.csv.gz"), "--json"], env=home
    )
    assert done.exit_code == 3, done.output
    first, second = json.loads(done.stdout)
    assert sorted(tmp_path.rglob("*")) == before
    assert (first["records"], first["documents"], first["dead_letters"], first["repeated_ids"]) == (5, 1, 2, 1)
    assert first["deletes"] == 1
    assert first["languages"] == {"en": 1}
    assert first["reasons"]["the record has no id"] == {
        "count": 1,
        "first": f"{tmp_path}/a.jsonl:3: the record has no id",
    }
    assert first["fields"]["title"] == {"share": 1.0, "types": {"text": 3}}
    assert second["reasons"]["the row is not UTF-8"]["count"] == 1


def test_check_counts_problems_and_names_a_broken_feed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,title,price\n1,Der Tisch ist aus Eiche und rund,ask\n2,Lampe,3\n")
    done = CliRunner().invoke(main, ["check", str(path), "--languages", "de,en", "--language", "de"])
    assert done.exit_code == 0, done.output
    assert "languages: de 2" in done.output
    assert f"unreadable price (1, first {path}:2: 'ask')" in done.output
    broken = CliRunner().invoke(main, ["check", str(written(tmp_path / "b.csv", "id,id\n"))])
    assert broken.exit_code == 3
    assert "names the column 'id' twice" in broken.output


def test_check_shows_how_a_feed_differs_from_the_last_run(tmp_path: Path) -> None:
    """The manifest is what `ingest run` leaves, see tests/node/test_ingest.py."""
    rows = "".join(f"{number},Der Tisch ist aus Eiche und rund,{number}\n" for number in range(20))
    path = written(tmp_path / "a.csv", "id,title,price\n" + rows)
    kinds = {name: {"text": 20} for name in ("id", "title", "brand")}
    schema = {"records": 20, "fields": kinds, "languages": {"en": 20}}
    runs = tmp_path / "home" / "runs" / "shop"
    runs.mkdir(parents=True)
    written(runs / "1.json", json.dumps({"schemas": {str(path): {"records": 1, "fields": {}}}}))
    written(runs / "2.json", json.dumps({"schemas": {str(path): schema}}))
    written(runs / "3.json", json.dumps({"error": "the cluster cannot be reached"}))
    home = {"POLYRANK_HOME": str(tmp_path / "home")}
    arguments = ["check", str(path), "--languages", "de,en", "--index", "shop"]
    done = CliRunner().invoke(main, [*arguments, "--json"], env=home)
    assert done.exit_code == 0, done.output
    expected = [
        "new field price",
        "missing field brand, which 100% of the records had",
        "language de in 100% of the documents, was 0%",
        "language en in 0% of the documents, was 100%",
    ]
    assert json.loads(done.stdout)[0]["drift"] == expected
    said = CliRunner().invoke(main, arguments, env=home).output
    assert all(f"  drift: {one}" in said for one in expected)
    fresh = CliRunner().invoke(main, [*arguments[:-1], "other", "--json"], env=home)
    assert json.loads(fresh.stdout)[0]["drift"] == []


def test_the_newest_run_that_tells_of_a_feed_counts_and_older_ones_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    runs = tmp_path / "runs" / "shop"
    runs.mkdir(parents=True)
    told = {f"2026010{day}T000000.1.json": {"schemas": {"a": {"records": day}}} for day in (1, 2)}
    told |= {"20260103T000000.1.json": {"schemas": {"b": {"records": 3}}}}
    for name, manifest in told.items():
        written(runs / name, json.dumps(manifest))
    os.mkfifo(runs / "20260101T000000.0.json")  # reading it would never end
    assert last_schemas("shop", ["a", "b"]) == {"a": {"records": 2}, "b": {"records": 3}}
    assert last_schemas("shop", ["b"]) == {"b": {"records": 3}}
    assert last_schemas("other", ["a"]) == {}


def test_a_feed_that_no_recent_run_tells_of_does_not_cost_reading_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    runs = tmp_path / "runs" / "shop"
    runs.mkdir(parents=True)
    os.mkfifo(runs / "20250101T000000.0.json")
    for number in range(MANIFESTS):
        written(runs / f"20260101T000000.{number:04}.json", json.dumps({"schemas": {"a": {"records": 1}}}))
    assert last_schemas("shop", ["new"]) == {}
