"""Bi-encoders: rows from pairs, a vocabulary that begins as translations, a student that nears its teacher."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
from rerank.embedder import load_embedder
from rerank.exporting.export import export
from rerank.template import DocumentTemplate, TemplateField
from rerank.training import embedder as embedder_module
from rerank.training.embedder import contrastive_rows, distil, train_embedder
from rerank.training.embedder_recipe import EmbedderRecipe, read_embedder_recipe
from rerank.training.pairs import TrainingPair, write_pairs
from rerank.training.recipe import TrainingError
from rerank.training.run import TrainOptions
from rerank.training.vocabulary import Parallel, grow_model, grow_tokenizer, read_parallel, translation_vectors
from tests.rerank.architectures import save_model
from tests.rerank.training.test_cross_encoder import falling

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

QUIET = TrainOptions(progress=False)
RECIPE = EmbedderRecipe(
    name="tiny",
    base_model="none",
    licence="apache-2.0",
    template=DocumentTemplate((TemplateField("title"),)),
    sha256="0" * 64,
    max_length=32,
    learning_rate=5e-3,
    batch_size=4,
)
PAIRS = [
    TrainingPair("mouse", {"title": "gaming mouse"}, 3),
    TrainingPair("mouse", {"title": "desk lamp"}, 0),
    TrainingPair("mouse", {"title": "mouse mat"}, 1),
    TrainingPair("lamp", {"title": "desk lamp"}, 2),
]
PARALLEL = [
    Parallel(english, text, "de")
    for english, text in (
        ("gaming mouse", "spielemaus"),
        ("desk lamp", "schreibtischlampe"),
        ("red lamp", "rote schreibtischlampe"),
        ("coffee machine", "kaffeemaschine"),
    )
    for _ in range(4)
]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    import torch

    torch.set_num_threads(1)
    return save_model(tmp_path / "teacher", "bert", pooling="mean")


def test_rows_are_of_positives_with_a_negative_each() -> None:
    rows = contrastive_rows(RECIPE, PAIRS)
    assert rows["anchor"] == ["mouse", "lamp"]
    assert rows["positive"] == ["gaming mouse", "desk lamp"]
    assert rows["negative_1"] == ["desk lamp", "gaming mouse"], "the second is borrowed from the other query"
    with pytest.raises(TrainingError, match="grade 4"):
        contrastive_rows(replace(RECIPE, positive=4), PAIRS)


@pytest.mark.parametrize("loss", ["contrastive", "cached_contrastive"])
def test_a_contrastive_model_is_exported(tmp_path: Path, teacher: Path, loss: str) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    recipe = replace(RECIPE, loss=loss, dimensions=(24, 8), epochs=2)  # type: ignore[arg-type]
    made = train_embedder(recipe, [tmp_path / "pairs.jsonl.gz"], str(teacher), tmp_path / "out", options=QUIET)
    assert made.pairs == 2
    assert json.loads((tmp_path / "out" / "polyrank.json").read_text())["training"]["matryoshka"] == [24, 8]
    export(str(tmp_path / "out"), tmp_path / "bundle")
    assert load_embedder(tmp_path / "bundle").embed_queries(["mouse"]).shape == (1, 24)


def test_new_pieces_begin_as_their_translations(teacher: Path) -> None:
    tokenizer = grow_tokenizer(teacher, [pair.text for pair in PARALLEL], 200)
    old = json.loads((teacher / "tokenizer.json").read_text())["model"]["vocab"]
    grown = tokenizer.get_vocab()
    assert all(grown[piece] == number for piece, number in old.items()), "the teacher's pieces keep their ids"
    vectors = np.eye(len(old), dtype=np.float32)
    made = translation_vectors(tokenizer, vectors, PARALLEL)
    assert np.array_equal(made[: len(old)], vectors)
    word = made[grown["schreibtischlampe"]]
    assert word.argmax() == old["lamp"], "desk and red are each in one of its texts, lamp in both"
    assert word.sum() == pytest.approx(1.0, abs=1e-4), "the weights are a distribution"


def test_a_student_nears_its_teacher(tmp_path: Path, teacher: Path) -> None:
    from sentence_transformers import SentenceTransformer

    assert grow_model(teacher, PARALLEL, 200, tmp_path / "start") > 0
    recipe = replace(RECIPE, loss="distillation", epochs=30, learning_rate=1e-3, languages=("en", "de"))
    distil(recipe, PARALLEL, str(teacher), str(tmp_path / "start"), tmp_path / "out", options=QUIET)
    english, german = [pair.english for pair in PARALLEL], [pair.text for pair in PARALLEL]
    wanted = SentenceTransformer(str(teacher)).encode(english, normalize_embeddings=True)
    before, after = (
        SentenceTransformer(str(tmp_path / name)).encode(german, normalize_embeddings=True) for name in ("start", "out")
    )
    assert np.mean(np.sum(after * wanted, axis=1)) > np.mean(np.sum(before * wanted, axis=1))
    with pytest.raises(TrainingError, match="parallel text"):
        distil(recipe, [], str(teacher), str(tmp_path / "start"), tmp_path / "other")
    with pytest.raises(TrainingError, match="teacher"):
        train_embedder(recipe, [], str(teacher), tmp_path / "other")


def test_parallel_text_and_recipes_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "parallel.jsonl"
    path.write_text('{"english": "lamp", "text": "lampe", "language": "de"}\n')
    assert read_parallel(path) == [Parallel("lamp", "lampe", "de")]
    path.write_text('{"english": "lamp"}\n')
    with pytest.raises(TrainingError, match="line 1"):
        read_parallel(path)
    recipe = tmp_path / "recipe.toml"
    start = 'name = "a"\nbase_model = "b"\nlicence = "c"\n'
    end = '\n[template]\nfields = [{ name = "title" }]\n'
    recipe.write_text(start + "dimensions = [384, 128]" + end)
    assert read_embedder_recipe(recipe).dimensions == (384, 128)
    for wrong, reason in (
        ("epoch = 1", "epoch"),
        ("minutes = 'a'", "minutes"),
        ("loss = 'mse'", "loss"),
        ("report_to = ['x']", "not x"),
        ("precision = 'int8'", "`precision` must be one of"),
        ("adapters = 'prefix'", "one of lora, dora, ia3"),
        ("dimensions = ['a']", "dimensions"),
    ):
        recipe.write_text(start + wrong + end)
        with pytest.raises(TrainingError, match=reason):
            read_embedder_recipe(recipe)


@pytest.mark.parametrize(
    ("loss", "change"),
    [
        ("contrastive", {}),
        ("distillation", {}),
        ("contrastive", {"adapters": "dora", "lora_rank": 2}),
        ("distillation", {"adapters": "ia3"}),
    ],
    ids=str,
)
def test_a_killed_training_goes_on_and_gives_the_same_weights(
    tmp_path: Path, teacher: Path, loss: Any, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint each step, the teacher's vectors in four files; killed in step 3, and in the third file."""
    from transformers import TrainerCallback

    from rerank.training import callbacks

    monkeypatch.setattr(embedder_module, "SAVE_MINUTES", 0.0)
    monkeypatch.setattr(embedder_module, "CHUNK", 1)
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS * 4)
    recipe = replace(RECIPE, loss=loss, epochs=2, batch_size=4, **change)

    def run(out: str, options: TrainOptions) -> None:
        if loss == "contrastive":
            train_embedder(recipe, [tmp_path / "pairs.jsonl.gz"], str(teacher), tmp_path / out, options)
        else:
            distil(recipe, PARALLEL, str(teacher), str(teacher), tmp_path / out, options=options)

    run("whole", QUIET)

    class Killed(TrainerCallback):  # type: ignore[misc]
        """Dies in step 3, before that step's checkpoint is marked whole."""

        def __init__(self, *_: object) -> None:
            """Take what the callback in whose place it stands takes."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks, "SaveEvery", Killed)
        with pytest.raises(KeyboardInterrupt):
            run("cut", QUIET)
    with pytest.raises(TrainingError, match="go on with --resume"):
        run("cut", QUIET)
    said: list[str] = []
    run("cut", replace(QUIET, resume=True, report=said.append))
    assert said == [f"going on from {tmp_path / 'cut.checkpoints' / 'checkpoint-2'}"]
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert first == second
    assert not (tmp_path / "cut.checkpoints").exists()


def test_a_training_is_tracked(tmp_path: Path, teacher: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS * 4)
    recipe = replace(RECIPE, epochs=6, report_to=("tensorboard",))
    train_embedder(recipe, [tmp_path / "pairs.jsonl.gz"], str(teacher), tmp_path / "out", QUIET)
    assert list((tmp_path / "out.runs").glob("events*"))


def test_the_teachers_vectors_are_asked_for_once(
    tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_module, "CHUNK", 1)
    recipe = replace(RECIPE, loss="distillation", epochs=0.1)
    work = tmp_path / "out.checkpoints"
    arguments = (recipe, PARALLEL, str(teacher), str(tmp_path / "absent"), tmp_path / "out")
    with pytest.raises(TrainingError, match="cannot read the model"):
        distil(*arguments, options=QUIET)
    kept = {file.name: file.stat().st_mtime_ns for file in work.glob("teacher-*.npy")}
    assert len(kept) == 4
    with pytest.raises(TrainingError, match="cannot read the model"):
        distil(*arguments, options=replace(QUIET, resume=True))
    assert kept == {file.name: file.stat().st_mtime_ns for file in work.glob("teacher-*.npy")}
    with pytest.raises(TrainingError, match="another parallel text"):
        distil(recipe, PARALLEL[:2], *arguments[2:], options=replace(QUIET, resume=True))


def test_what_of_a_bi_encoder_is_trained(tmp_path: Path, teacher: Path) -> None:
    from safetensors.torch import load_file

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS * 4)
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "frozen": {"frozen_layers": 1},
        "small": {"keep_layers": (1,)},
        "lora": {"adapters": "lora", "lora_rank": 2},
        "noise": {"adversarial": 0.5, "dimensions": (24, 8)},
        "cached noise": {"adversarial": 0.5, "loss": "cached_contrastive", "pass_size": 2},
    }
    weights = {"start": load_file(teacher / "model.safetensors")}
    for name, change in changes.items():
        recipe = replace(RECIPE, seed=2, epochs=2, **change)
        train_embedder(recipe, [tmp_path / "pairs.jsonl.gz"], str(teacher), tmp_path / name, QUIET)
        weights[name] = load_file(tmp_path / name / "model.safetensors")
    table, query = "embeddings.word_embeddings.weight", "encoder.layer.{}.attention.self.query.weight"
    changed = {
        name: [not weights["start"][part].equal(found[part]) for part in (table, query.format(0), query.format(1))]
        for name, found in weights.items()
        if name != "small"
    }
    assert changed == {
        "start": [False, False, False],
        "plain": [True, True, True],
        "frozen": [False, False, True],
        "lora": [False, True, True],
        "noise": [True, True, True],
        "cached noise": [True, True, True],
    }
    assert weights["lora"].keys() == weights["plain"].keys() == weights["start"].keys()
    assert not weights["noise"][table].equal(weights["plain"][table])
    assert query.format(0) in weights["small"]
    assert query.format(1) not in weights["small"]
    export(str(tmp_path / "small"), tmp_path / "bundle")


def test_seeds_of_a_bi_encoder_are_averaged(tmp_path: Path, teacher: Path) -> None:
    from safetensors.torch import load_file

    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS * 4)
    recipe = replace(RECIPE, epochs=6, report_to=("tensorboard",))
    for name, change in (("1", {"seed": 1}), ("2", {"seed": 2}), ("both", {"seeds": (1, 2)})):
        train_embedder(
            replace(recipe, **change),
            [tmp_path / "pairs.jsonl.gz"],
            str(teacher),
            tmp_path / name,
            QUIET,
        )
    one, two, both = (load_file(tmp_path / name / "model.safetensors") for name in ("1", "2", "both"))
    table = "embeddings.word_embeddings.weight"
    assert not one[table].equal(two[table])
    assert both[table].allclose((one[table] + two[table]) / 2)
    assert json.loads((tmp_path / "both" / "polyrank.json").read_text())["training"]["averaged_seeds"] == [1, 2]
    assert {path.parent.name for path in (tmp_path / "both.runs").rglob("events*")} == {"seed-1", "seed-2"}
    export(str(tmp_path / "both"), tmp_path / "bundle")


@pytest.mark.parametrize("loss", ["contrastive", "distillation"])
def test_the_best_checkpoint_by_dev_pairs_is_the_result(
    tmp_path: Path, teacher: Path, loss: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    from rerank.training import dev

    score, seen = dev.score_apart, list[Any]()
    monkeypatch.setattr(dev, "score_apart", falling(score, seen))
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS[:2])
    options = replace(QUIET, dev=tmp_path / "pairs.jsonl.gz")
    recipe = replace(RECIPE, loss=loss, epochs=20, batch_size=1, evaluate_every=1.0, patience=4)
    recipe = replace(recipe, adapters="lora", lora_rank=2, learning_rate=2e-2, warmup=0.0)
    if loss == "contrastive":
        train_embedder(recipe, [tmp_path / "pairs.jsonl.gz"], str(teacher), tmp_path / "out", options)
    else:
        distil(recipe, PARALLEL[:1], str(teacher), str(teacher), tmp_path / "out", options=options)
    assert len(seen) == 5
    texts = [(pair.query, RECIPE.template.render(pair.fields)) for pair in PAIRS[:2]]
    found = score(SentenceTransformer(str(tmp_path / "out"), device="cpu"), texts, 8)
    assert np.abs(found - seen[0]).max() < 1e-4
    assert np.abs(found - seen[-1]).max() > 1e-3
