"""`rerank data` end to end on files: each step feeds the next, and leaves a card that says what it is made of."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rerank.cli import main
from rerank.training.pairs import read_pairs
from tests.rerank.tiny import tiny_embedder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def done(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    card: dict[str, Any] = json.loads(result.stdout)
    return card


def build(shop: Path, out: str = "pairs.jsonl.gz") -> dict[str, Any]:
    files = ("--qrels", shop / "qrels.txt", "--queries", shop / "queries.tsv", "--corpus", shop / "corpus.jsonl")
    return done("build", "qrels", shop / out, *files, "--random-negatives", 2, "--language", "en")


def test_build_mine_augment_and_split(shop: Path) -> None:
    assert build(shop)["pairs"] == 4 * 3
    embedder = tiny_embedder(shop / "embedder").path
    files = ("--run", shop / "engine.run", "--queries", shop / "queries.tsv", "--corpus", shop / "corpus.jsonl")
    mined = done("mine", shop / "pairs.jsonl.gz", shop / "mined.jsonl.gz", *files, "--embedder", embedder, "--count", 2)
    assert mined["mined"] == mined["pairs"] - 12 > 0
    (shop / "synonyms.txt").write_text("hose, pipe\n")
    options = ("--dropout", 0.5, "--typos", 0.9, "--synonyms", shop / "synonyms.txt", "--copies", 2)
    more = done("augment", shop / "mined.jsonl.gz", shop / "more.jsonl.gz", *options)
    assert more["pairs"] == mined["pairs"] + more["added"]
    assert more["new queries"].keys() == {"word dropout", "character noise", "synonyms"}
    assert "garden pipe" in {pair.query for pair in read_pairs(shop / "more.jsonl.gz")}
    parts = done("split", shop / "pairs.jsonl.gz", shop / "parts", "--dev", 0.25, "--test", 0.25)
    assert parts["queries"] == {"train": 2, "dev": 1, "test": 1}
    assert parts["leaks"]["queries"] == parts["leaks"]["near_queries"] == 0
    assert {path.name for path in (shop / "parts").iterdir()} == {
        f"{part}.{kind}" for part in ("train", "dev", "test") for kind in ("jsonl.gz", "card.json")
    }


def test_the_card_says_what_the_file_is_and_what_it_was_made_of(shop: Path) -> None:
    build(shop)
    card = json.loads((shop / "pairs.card.json").read_text())
    assert card["sha256"] == hashlib.sha256((shop / "pairs.jsonl.gz").read_bytes()).hexdigest()
    assert card["languages"] == {"en": 4}
    assert card["grades"] == {"0": 8, "3": 4}
    assert [source["name"] for source in card["sources"]] == ["qrels.txt", "queries.tsv", "corpus.jsonl"]
    assert card["made_by"]["command"].endswith("data build qrels")
    assert card["made_by"]["options"]["random_negatives"] == 2


def test_the_same_seed_is_the_same_bytes(shop: Path) -> None:
    build(shop)
    first = [(shop / name).read_bytes() for name in ("pairs.jsonl.gz", "pairs.card.json")]
    build(shop)
    assert first == [(shop / name).read_bytes() for name in ("pairs.jsonl.gz", "pairs.card.json")]


def test_the_catalogue_alone_makes_pairs(shop: Path) -> None:
    card = done("build", "catalogue", shop / "corpus.jsonl", shop / "weak.jsonl.gz", "--count", 20)
    assert card["queries"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("build", "jsonl", "absent.jsonl", "out.jsonl.gz", "--corpus", "corpus.jsonl"), 1, "absent.jsonl"),
        (("build", "beir", "absent", "out.jsonl.gz"), 1, "absent"),
        (("build", "clicks", "corpus.jsonl", "out.jsonl.gz", "--corpus", "corpus.jsonl"), 1, "query_id"),
        (("build", "catalogue", "corpus.jsonl", "out.json"), 2, "jsonl.gz"),
        (("split", "absent.jsonl.gz", "parts"), 1, "absent"),
        (("augment", "absent.jsonl.gz", "out.jsonl.gz"), 2, "nothing to add"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_sentence(
    shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    monkeypatch.chdir(shop)
    result = run(*arguments)
    assert result.exit_code == code
    assert reason in result.stderr
    assert "Traceback" not in result.output
