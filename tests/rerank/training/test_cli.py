"""`rerank train` and `rerank data teach` from the command line: defaults, JSON, errors of one sentence."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.training.pairs import TrainingPair, read_pairs, write_pairs
from tests.rerank.architectures import save_model
from tests.rerank.tiny import tiny_reranker

RECIPE = 'name = "a"\nbase_model = "b"\nlicence = "c"\n{more}\n[template]\nfields = [{{ name = "title" }}]\n'


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output.strip()


@pytest.mark.parametrize("command", [["train"], ["train", "cross-encoder"]])
def test_a_recipe_alone_means_a_cross_encoder(tmp_path: Path, command: list[str]) -> None:
    code, output = run(*command, tmp_path / "absent.toml", "--data", "x", "--out", tmp_path / "out")
    assert code == 1
    assert output.startswith("error: cannot read the recipe")
    assert "\n" not in output


def test_the_group_explains_itself() -> None:
    code, output = run("train", "--help")
    assert code == 0
    assert {"cross-encoder", "embedder", "student", "average"} <= set(output.split())


def test_a_bundle_that_does_not_say_its_architecture_is_no_base(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the train extra")
    bundle = tiny_reranker(tmp_path / "bundle")
    (tmp_path / "r.toml").write_text(RECIPE.format(more=f"init_from = {json.dumps(str(bundle.path))}"))
    write_pairs(tmp_path / "pairs.jsonl.gz", [TrainingPair("usb cable", {"title": "usb cable"}, 1)])
    code, output = run("train", tmp_path / "r.toml", "--data", tmp_path / "pairs.jsonl.gz", "--out", tmp_path / "out")
    assert code == 1
    assert "does not say its architecture; name the folder it was exported from" in output
    assert not (tmp_path / "out").exists()


def test_patience_needs_dev_pairs(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RECIPE.format(more='patience = 2\ninit_from = "x"'))
    write_pairs(tmp_path / "pairs.jsonl.gz", [TrainingPair("usb cable", {"title": "usb cable"}, 1)])
    code, output = run("train", tmp_path / "r.toml", "--data", tmp_path / "pairs.jsonl.gz", "--out", tmp_path / "out")
    assert (code, "--dev" in output) == (1, True)


def test_patience_of_a_bi_encoder_needs_dev_pairs(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RECIPE.format(more="patience = 2"))
    write_pairs(tmp_path / "pairs.jsonl.gz", [TrainingPair("usb cable", {"title": "usb cable"}, 3)])
    arguments = ["--base", "x", "--data", tmp_path / "pairs.jsonl.gz", "--out", tmp_path / "out"]
    code, output = run("train", "embedder", tmp_path / "r.toml", *arguments)
    assert (code, "--dev" in output) == (1, True)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", ["list_net", "lambda", "rank_net", "margin_mse", "contrast"])
def test_each_loss_that_compares_documents_falls(tmp_path: Path, loss: str) -> None:
    """Its mean over thirty steps, without dropout, is under its value in the first."""
    pytest.importorskip("torch", reason="needs the train extra")
    base = save_model(tmp_path / "base", labels=1)
    config = json.loads((base / "config.json").read_text()) | {"hidden_dropout_prob": 0, "classifier_dropout": 0}
    (base / "config.json").write_text(json.dumps(config | {"attention_probs_dropout_prob": 0}))
    titles = ("gaming mouse", "desk lamp", "coffee machine")
    pairs = [
        TrainingPair(query, {"title": title}, 3 if place == right else 0, 0.9 if place == right else 0.1)
        for right, query in enumerate(("mouse", "lamp", "coffee"))
        for place, title in enumerate(titles)
    ]
    write_pairs(tmp_path / "pairs.jsonl.gz", pairs)
    found = {}
    for epochs in (1, 30):
        settings = f'loss = "{loss}"\nepochs = {epochs}\nqueries_per_batch = 3\nwarmup = 0\nlearning_rate = 2e-3'
        (tmp_path / "r.toml").write_text(RECIPE.format(more=settings))
        out = tmp_path / str(epochs)
        code, output = run(
            *("train", tmp_path / "r.toml", "--base", base, "--data", tmp_path / "pairs.jsonl.gz"),
            *("--out", out, "--json"),
        )
        assert code == 0, output
        made = json.loads(output[output.index("{") :])
        assert made["steps"] == epochs
        found[epochs] = made["loss"]
    assert 0 < found[30] < 0.9 * found[1]


def test_teaching_adds_scores(tmp_path: Path) -> None:
    tiny_reranker(tmp_path / "teacher")
    write_pairs(tmp_path / "pairs.jsonl.gz", [TrainingPair("usb cable", {"title": "usb cable"}, 1)])
    out = tmp_path / "taught.jsonl.gz"
    code, output = run("data", "teach", tmp_path / "pairs.jsonl.gz", out, "--teacher", tmp_path / "teacher", "--json")
    assert code == 0
    card = json.loads(output)
    assert (card["pairs"], card["taught"], len(card["teachers"])) == (1, 1, 1)
    assert card == json.loads((tmp_path / "taught.card.json").read_text())
    assert read_pairs(out)[0].teacher is not None
