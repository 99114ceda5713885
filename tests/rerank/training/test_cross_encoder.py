"""Training: recipe and pairs are read strictly; a tiny model learns one batch and comes out as a folder to export."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerank.template import DocumentTemplate, TemplateField
from rerank.training import cross_encoder as train_module
from rerank.training.average import average_weights
from rerank.training.cross_encoder import train
from rerank.training.pairs import TrainingPair, read_pairs, write_pairs
from rerank.training.recipe import Loss, Recipe, TrainingError, read_recipe
from rerank.training.run import POLYRANK_JSON, TrainOptions, effective_precision
from tests.rerank.architectures import save_model

PAIRS = [
    TrainingPair("red mouse", {"title": "mouse", "attributes": "colour: red"}, 3),
    TrainingPair("red mouse", {"title": "keyboard"}, 0),
    TrainingPair("red mouse", {"title": "mouse", "attributes": "colour: blue"}, 1),
    TrainingPair("keyboard", {"title": "keyboard"}, 3),
    TrainingPair("keyboard", {"title": "mouse"}, 0, teacher=0.125),
]
QUIET = TrainOptions(progress=False)
RECIPE = Recipe(
    name="tiny",
    base_model="none",
    licence="apache-2.0",
    template=DocumentTemplate((TemplateField("title"), TemplateField("attributes"))),
    sha256="0" * 64,
    max_length=16,
    epochs=20,
    learning_rate=5e-3,
    batch_size=5,
)


def test_pairs_survive_the_file(tmp_path: Path) -> None:
    assert write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS) == len(PAIRS)
    assert read_pairs(tmp_path / "pairs.jsonl.gz") == PAIRS


def test_the_same_pairs_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_pairs(tmp_path / name, PAIRS)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"query": "a", "fields": {}, "relevance": -1}', "relevance"),
        ('{"query": "a", "fields": {}, "relevance": true}', "relevance"),
        ('{"query": " ", "fields": {}, "relevance": 1}', "query"),
        ('{"query": "a", "fields": {"title": 3}, "relevance": 1}', "fields"),
        ('{"query": "a", "fields": {}}', "relevance"),
        ('{"query": "a", "fields": {}, "relevance": 1, "teacher": 1.5}', "teacher"),
        ("nonsense", "line 1"),
        ("", "no pair"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(line)
    with pytest.raises(TrainingError, match=reason):
        read_pairs(path)


TOML = """
name = "tiny"
base_model = "x"
licence = "apache-2.0"
{more}
[template]
fields = [{{ name = "title", max_tokens = 4 }}]
"""


def test_a_recipe_is_read_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TOML.format(more="gains = [0.0, 1.0]"))
    recipe = read_recipe(path)
    assert recipe.gains == (0.0, 1.0)
    assert recipe.template.render({"title": "one two three four five"}) == "one two three four"
    assert len(recipe.sha256) == 64


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("epoch = 3", "epoch"),
        ("epochs = '3'", "epochs"),
        ("loss = 'mse'", "loss"),
        ("loss = { lambda = 0 }", "positive"),
        ("loss = { lambda = 'a' }", "loss"),
        ("precision = 'int8'", "precision"),
        ("batch_size = 0", "positive"),
        ("seeds = 3", "seeds"),
        ("seeds = ['a']", "seeds"),
        ("report_to = ['x']", "not x"),
        ("adapters = 'prefix'", "one of lora, dora, ia3, not prefix"),
        ("adapters = 'dora'", "dora needs a positive `lora_rank`"),
        ("adapters = 'ia3'\nlora_rank = 4", "ia3 has no rank"),
        ("lora_rank = -1", "positive `lora_rank`"),
        ("adapters = 'ia3'\nadversarial = 0.1", "adversarial"),
    ],
)
def test_a_wrong_recipe_names_the_key(tmp_path: Path, more: str, reason: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TOML.format(more=more))
    with pytest.raises(TrainingError, match=reason):
        read_recipe(path)


def test_the_recipes_of_the_shipped_model_are_valid() -> None:
    folder = Path(__file__).parents[3] / "recipe"
    stages = [read_recipe(folder / name) for name in ("foundation.toml", "cross_encoder.toml")]
    assert stages[0].template == stages[1].template
    assert stages[0].max_length == stages[1].max_length


def test_a_taken_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(TrainingError, match="exists"):
        train(RECIPE, [], "base", tmp_path / "out")


def test_a_grade_without_a_gain_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl", [TrainingPair("a", {"title": "b"}, 4)])
    (tmp_path / "pairs.jsonl").rename(tmp_path / "pairs.jsonl.gz")
    with pytest.raises(TrainingError, match="grade 4"):
        train(RECIPE, [tmp_path / "pairs.jsonl.gz"], "base", tmp_path / "out")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A randomly initialised two-layer BERT with a vocabulary of ten words."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    torch.set_num_threads(1)  # a second thread only waits for so small a model
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path / "base"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "mouse", "keyboard", "colour", ":", "|"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(str(folder))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(str(folder))
    return folder


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "loss",
    [
        {"binary_cross_entropy": 1.0},
        {"binary_cross_entropy": 1.0, "list_net": 0.5, "margin_mse": 0.1},
    ],
    ids=" ".join,
)
def test_a_tiny_model_learns_its_pairs(tmp_path: Path, base: Path, loss: dict[Loss, float]) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, loss=loss, average_last=2, queries_per_batch=2)
    once = train(replace(recipe, epochs=1), [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "one", QUIET)
    long = train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "many", QUIET)
    assert long.pairs == len(PAIRS)
    assert long.steps == 20 * once.steps
    assert long.loss < once.loss
    settings = json.loads((tmp_path / "many" / POLYRANK_JSON).read_text())
    assert settings["template"] == recipe.template.to_json()
    assert settings["training"]["data"][0]["name"] == "pairs.jsonl.gz"


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_the_same_seed_gives_the_same_weights(tmp_path: Path, base: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, epochs=2, frozen_layers=1)
    for name in ("a", "b"):
        train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / name, QUIET)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_the_base_share_draws_the_weights_back_to_where_they_started(tmp_path: Path, base: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    for name, epochs in (("a", 1), ("b", 3)):
        recipe = replace(RECIPE, epochs=epochs, base_share=1.0)
        train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / name, QUIET)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second, "all of the start: training leaves no trace"


@pytest.mark.parametrize(
    ("able", "expected"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx512_f": True, "avx512_bf16": False}, "fp32")],
)
def test_auto_is_bf16_only_where_the_cpu_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: str
) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert effective_precision("auto") == expected
    assert [effective_precision(name) for name in ("fp32", "bf16", "fp16")] == ["fp32", "bf16", "fp16"]


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_seeds_are_averaged(tmp_path: Path, base: Path) -> None:
    from safetensors.torch import load_file

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, epochs=1, precision="bf16", init_from=str(base))
    for seed in (1, 2):
        train(replace(recipe, seed=seed), [tmp_path / "pairs.jsonl.gz"], "", tmp_path / str(seed), QUIET)
    train(replace(recipe, seeds=(1, 2)), [tmp_path / "pairs.jsonl.gz"], "", tmp_path / "both", QUIET)
    one, two, both = (load_file(tmp_path / name / "model.safetensors") for name in ("1", "2", "both"))
    name = "classifier.weight"
    assert both[name].allclose((one[name] + two[name]) / 2)
    assert not one[name].equal(two[name])
    settings = json.loads((tmp_path / "both" / POLYRANK_JSON).read_text())
    assert settings["training"]["averaged_seeds"] == [1, 2]
    assert not list(tmp_path.glob(".both-*")), "no scratch is left"


def test_models_of_other_bases_are_not_averaged(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from safetensors.torch import save_file

    for width in (2, 3):
        (tmp_path / str(width)).mkdir()
        save_file({"weight": torch.ones(width)}, tmp_path / str(width) / "model.safetensors")
    with pytest.raises(TrainingError, match="other weights"):
        average_weights([tmp_path / "2", tmp_path / "3"], tmp_path / "out")
    with pytest.raises(TrainingError, match="two or more"):
        average_weights([tmp_path / "2"], tmp_path / "out")
    with pytest.raises(TrainingError, match="cannot read"):
        average_weights([tmp_path / "2", tmp_path / "absent"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_loss_towards_a_teacher_needs_one(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, loss={"margin_mse": 1.0})
    with pytest.raises(TrainingError, match="4 of 5 pairs have no `teacher`"):
        train(recipe, [tmp_path / "pairs.jsonl.gz"], "base", tmp_path / "out")


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change",
    [
        {"average_last": 2},
        {"lora_rank": 2},
        {"adapters": "dora", "lora_rank": 2},
        {"adapters": "ia3"},
        {"keep_layers": (1,)},
    ],
    ids=str,
)
def test_a_resumed_training_gives_the_same_weights(tmp_path: Path, base: Path, change: dict[str, Any]) -> None:
    from transformers import TrainerCallback

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    data = [tmp_path / "pairs.jsonl.gz"]
    recipe = replace(RECIPE, epochs=4, batch_size=2, evaluate_every=1.0, **change)
    train(recipe, data, str(base), tmp_path / "whole", QUIET)

    class Killed(TrainerCallback):  # type: ignore[misc]
        """Dies when step 12 is saved: its checkpoint is cut short, the one of step 9 is whole."""

        def on_save(self, args: object, state: object, control: object, **kwargs: object) -> None:
            if getattr(state, "global_step", 0) == 12:
                raise KeyboardInterrupt

    original = train_module._callbacks
    train_module._callbacks = lambda *arguments: [Killed(), *original(*arguments)]
    try:
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, str(base), tmp_path / "cut", QUIET)
    finally:
        train_module._callbacks = original
    with pytest.raises(TrainingError, match="--resume"):
        train(recipe, data, str(base), tmp_path / "cut", QUIET)
    said: list[str] = []
    resumed = replace(QUIET, resume=True, report=said.append)
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(recipe, sha256="1" * 64), data, str(base), tmp_path / "cut", resumed)
    train(recipe, data, str(base), tmp_path / "cut", resumed)
    assert said == [f"going on from {tmp_path / 'cut.checkpoints' / 'checkpoint-9'}"]
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert first == second
    assert not (tmp_path / "cut.checkpoints").exists()


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_is_resumed_before_its_first_checkpoint_says_that_it_starts(tmp_path: Path, base: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    said: list[str] = []
    options = replace(QUIET, resume=True, report=said.append)
    train(replace(RECIPE, epochs=1), [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "out", options)
    assert said == [f"{tmp_path / 'out.checkpoints'} holds no whole checkpoint: starting anew"]


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_training_stops_when_dev_gains_no_more(tmp_path: Path, base: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, epochs=50, evaluate_every=1.0, patience=2, learning_rate=1e-9, report_to=("tensorboard",))
    options = TrainOptions(dev=tmp_path / "pairs.jsonl.gz", progress=False)
    made = train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "out", options)
    assert made.steps == 3, "one evaluation and two without a gain"
    assert list((tmp_path / "out.runs").glob("events*"))


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", [{}, {"adapters": "lora", "lora_rank": 2}, {"adapters": "ia3"}], ids=str)
def test_the_best_checkpoint_is_the_result(
    tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import CrossEncoder

    from rerank.training import dev

    score, seen = dev.score_together, list[Any]()
    monkeypatch.setattr(dev, "score_together", falling(score, seen))
    base = save_model(tmp_path / "base", labels=1)
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS[:3])
    recipe = replace(RECIPE, evaluate_every=1.0, patience=4, learning_rate=2e-2, warmup=0.0, **change)
    options = replace(QUIET, dev=tmp_path / "pairs.jsonl.gz")
    made = train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "out", options)
    assert made.steps == len(seen) == 5
    texts = [(pair.query, recipe.template.render(pair.fields)) for pair in PAIRS[:3]]
    found = score(CrossEncoder(str(tmp_path / "out"), device="cpu"), texts, 8)
    assert np.abs(found - seen[0]).max() < 1e-4
    assert np.abs(found - seen[-1]).max() > 1e-3


def falling(score: Any, seen: list[Any]) -> Any:
    """Return what scores the first of the dev pairs best at the first evaluation and last ever after.

    What the model itself says goes to `seen`.
    """

    def scripted(model: Any, pairs: list[tuple[str, str]], batch_size: int) -> Any:
        seen.append(score(model, pairs, batch_size))
        return (np.arange(len(pairs)) > 0) * (-1.0 if len(seen) == 1 else 1.0)

    return scripted


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_adapters_are_what_they_say(tmp_path: Path, base: Path) -> None:
    """Of a layer's change LoRA's has its rank, DoRA's has not, and (IA)3 scales each row, bias included."""
    import torch
    from safetensors.torch import load_file

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    start, layer = load_file(base / "model.safetensors"), "encoder.layer.0.attention.self.query"
    trained: dict[str, Any] = {}
    for adapters in ("lora", "dora", "ia3"):
        recipe = replace(RECIPE, epochs=4, adapters=adapters, lora_rank=0 if adapters == "ia3" else 2)
        train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / adapters, QUIET)
        trained[adapters] = load_file(tmp_path / adapters / "model.safetensors")
        assert trained[adapters]["bert.embeddings.word_embeddings.weight"].equal(
            start["embeddings.word_embeddings.weight"]
        )
        assert {name.removeprefix("bert.") for name in trained[adapters]} >= start.keys(), "the model's own shape"
    changes = {name: weights[f"bert.{layer}.weight"] - start[f"{layer}.weight"] for name, weights in trained.items()}
    ranks = {name: int(torch.linalg.matrix_rank(change, rtol=1e-3)) for name, change in changes.items()}
    assert ranks["lora"] == 2
    assert ranks["dora"] > 2
    scales = trained["ia3"][f"bert.{layer}.weight"] / start[f"{layer}.weight"]
    assert float((scales - scales[:, :1]).abs().max()) < 1e-4
    assert float((scales - 1).abs().max()) > 1e-3


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_adapters_layers_and_noise(tmp_path: Path, base: Path) -> None:
    from safetensors.torch import load_file

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    data = [tmp_path / "pairs.jsonl.gz"]
    changes: dict[str, dict[str, object]] = {
        "plain": {},
        "lora": {"lora_rank": 2},
        "small": {"keep_layers": (1,)},
        "noise": {"adversarial": 0.5, "accumulate": 2, "loss": {"rank_net": 1.0, "contrast": 0.5}},
    }
    weights = {}
    for name, change in changes.items():
        recipe = replace(RECIPE, epochs=2, queries_per_batch=2, **change)  # type: ignore[arg-type]
        train(recipe, data, str(base), tmp_path / name, QUIET)
        weights[name] = load_file(tmp_path / name / "model.safetensors")
    assert weights["lora"].keys() == weights["noise"].keys() == weights["plain"].keys()
    start = load_file(base / "model.safetensors")
    query = "encoder.layer.0.attention.self.query.weight"
    assert not weights["lora"]["bert." + query].equal(start[query]), "the adapter is merged"
    table = "embeddings.word_embeddings.weight"
    assert weights["lora"]["bert." + table].equal(start[table]), "nothing else was trained"
    assert not any("layer.1" in name for name in weights["small"])
    with pytest.raises(TrainingError, match="layers 0 to 1"):
        train(replace(RECIPE, keep_layers=(0, 2)), data, str(base), tmp_path / "none", QUIET)
