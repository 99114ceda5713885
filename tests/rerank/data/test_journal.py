"""A long run that was killed goes on: what it found is found once, and only its own command takes it up."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.data import augment, mine, teach
from rerank.data.journal import Journal
from tests.rerank.data.conftest import KINDS
from tests.rerank.data.test_cli import build
from tests.rerank.tiny import tiny_embedder, tiny_reranker


def fill(
    path: Path, values: dict[str, Any], head: dict[str, Any], dies_at: str | None = None
) -> tuple[list[str], list[str]]:
    """Run over the values; return which were found in this run, and what was said."""
    found: list[str] = []
    said: list[str] = []

    def find(key: str) -> Any:
        if key == dies_at:
            raise KeyboardInterrupt
        found.append(key)
        return values[key]

    try:
        with Journal(path, head, said.append) as journal:
            assert {key: journal.remember(key, partial(find, key)) for key in values} == values
    except KeyboardInterrupt:
        pass
    return found, said


VALUES = {"a": 1.5, "b": [["x\u2028y"], {"n": 2}], "c": None}


def test_what_was_found_before_a_kill_is_not_found_again(tmp_path: Path) -> None:
    out, part = tmp_path / "out.jsonl.gz", tmp_path / "out.jsonl.gz.part"
    assert fill(out, VALUES, {"of": 1}, dies_at="c") == (["a", "b"], [])
    with part.open("ab") as file:
        file.write(b'["c", "cut sho')
    found, said = fill(out, VALUES, {"of": 1}, dies_at="c")
    assert found == []
    assert said == [f"going on from {part}: 2 parts of the work are done"]
    assert fill(out, VALUES, {"of": 1})[0] == ["c"]
    assert not part.exists()


@pytest.mark.parametrize(
    ("head", "damage", "reason"), [({"of": 2}, b"", "another run"), ({"of": 1}, b"]\n", "is damaged")]
)
def test_another_run_starts_anew_and_says_so(tmp_path: Path, head: dict[str, Any], damage: bytes, reason: str) -> None:
    out = tmp_path / "out"
    fill(out, VALUES, {"of": 1}, dies_at="c")
    with (tmp_path / "out.part").open("ab") as file:
        file.write(damage)
    found, said = fill(out, VALUES, head)
    assert found == ["a", "b", "c"]
    assert len(said) == 1
    assert reason in said[0]
    assert said[0].endswith("starting anew")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["data", *map(str, arguments), "--json"])


@pytest.mark.parametrize("command", ["mine", "teach", "augment"])
def test_a_command_that_was_killed_goes_on_and_writes_the_same(
    shop: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each dies in the second of its parts: queries of `mine`, chunks of `teach` and of `augment`."""
    build(shop)
    tiny_reranker(shop / "teacher")
    (shop / "home" / "resources" / "glossary").mkdir(parents=True)
    glossary = "".join(f"{kind}\tdeutsch {number}\n" for number, kind in enumerate(KINDS))
    (shop / "home" / "resources" / "glossary" / "kinds.tsv").write_text("en\tde\n" + glossary)
    monkeypatch.setenv("POLYRANK_HOME", str(shop / "home"))
    every: dict[str, list[object]] = {
        "mine": ["--run", shop / "engine.run", "--queries", shop / "queries.tsv", "--corpus", shop / "corpus.jsonl"],
        "teach": ["--teacher", shop / "teacher"],
        "augment": ["--through", "de"],
    }
    every["mine"] += ["--embedder", tiny_embedder(shop / "embedder").path]
    options = every[command]
    module, name = {"mine": (mine, "_negatives"), "teach": (teach, "_mean"), "augment": (augment, "_there_and_back")}[
        command
    ]
    monkeypatch.setattr(teach, "CHUNK", 4)
    monkeypatch.setattr(augment, "CHUNK", 1)
    original = getattr(module, name)
    calls: list[int] = []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == dies_at:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, name, counted)
    dies_at = 0
    assert run(command, shop / "pairs.jsonl.gz", shop / "whole" / "out.jsonl.gz", *options).exit_code == 0
    parts, dies_at = len(calls), 2
    assert parts > 2
    calls.clear()
    cut = shop / "cut" / "out.jsonl.gz"
    assert run(command, shop / "pairs.jsonl.gz", cut, *options).exit_code != 0
    assert not cut.exists()
    calls.clear()
    dies_at = 0
    resumed = run(command, shop / "pairs.jsonl.gz", cut, *options)
    assert resumed.exit_code == 0, resumed.output
    assert "1 parts of the work are done" in resumed.stderr
    assert len(calls) == parts - 1
    assert cut.read_bytes() == (shop / "whole" / "out.jsonl.gz").read_bytes()
    assert json.loads(resumed.stdout)["pairs"] >= 12
    assert sorted(path.name for path in cut.parent.iterdir()) == ["out.card.json", "out.jsonl.gz"]
