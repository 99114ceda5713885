"""From a simulated click log to a retrained tiny cross-encoder, through the commands that `recipe/feedback.sh` runs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from recipe.click_model import main as click_model
from rerank.cli import main
from rerank.training.pairs import read_pairs
from rerank.training.recipe import read_recipe

RECIPE = Path(__file__).parents[3] / "recipe" / "feedback.toml"


def test_the_recipe_learns_from_the_click_models_probabilities() -> None:
    assert read_recipe(RECIPE).loss == {"teacher_cross_entropy": 1.0}


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_clicks_become_a_model(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    from tests.rerank.architectures import save_model

    products = {"m": "gaming mouse", "k": "4k monitor", "l": "led desk lamp", "h": "garden hose"}
    rows = [json.dumps({"id": key, "title": title}) for key, title in products.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    (tmp_path / "queries.tsv").write_text("1\tgaming mouse\n2\tled desk lamp\n")
    (tmp_path / "qrels.txt").write_text("1 0 m 3\n1 0 h 0\n2 0 l 3\n2 0 m 1\n")
    (tmp_path / "engine.run").write_text(
        "".join(f"{query} Q0 {key} {rank} {9 - rank} x\n" for query in "12" for rank, key in enumerate(products, 1))
    )
    files = ["--queries", str(tmp_path / "queries.tsv"), "--qrels", str(tmp_path / "qrels.txt"), "--sessions", "60"]
    log, pairs, model = tmp_path / "log.jsonl.gz", tmp_path / "pairs.jsonl.gz", tmp_path / "model"
    corpus = ["--corpus", str(tmp_path / "corpus.jsonl")]
    base = save_model(tmp_path / "base", labels=1)
    training = ["--base", str(base), "--data", str(pairs), "--out", str(model), "--json"]
    for command, arguments in (
        (click_model, [str(tmp_path / "engine.run"), str(log), *files]),
        (main, ["data", "build", "clicks", str(log), str(pairs), *corpus]),
        (main, ["train", str(RECIPE), *training]),
    ):
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
    liked = {(pair.query, pair.fields["title"]): pair.teacher or 0.0 for pair in read_pairs(pairs)}
    assert max(liked, key=lambda key: liked[key]) in {("gaming mouse", "gaming mouse"), ("led desk lamp",) * 2}
    assert liked["gaming mouse", "gaming mouse"] > 4 * liked["gaming mouse", "garden hose"]
    assert json.loads((model / "polyrank.json").read_text())["training"]["data"][0]["name"] == "pairs.jsonl.gz"
