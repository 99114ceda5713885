"""Training of a bi-encoder with sentence-transformers: contrastive, or distilled into other languages."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.progress import bar, silent
from rerank.training.average import refuse_taken
from rerank.training.checkpoints import open_work
from rerank.training.embedder_recipe import EmbedderRecipe
from rerank.training.layers import merge_adapters, prepare_layers
from rerank.training.pairs import TrainingPair, provenance, read_pairs
from rerank.training.recipe import TrainingError
from rerank.training.run import (
    Trained,
    TrainOptions,
    dev_arguments,
    device,
    effective_precision,
    need_extra,
    resumed_checkpoint,
    shared_callbacks,
    train_seeds,
    trainer_arguments,
    write_settings,
)
from rerank.training.vocabulary import Parallel

CHUNK = 4096
"""Texts the teacher embeds between two files."""

SAVE_MINUTES = 5.0
"""Time between two checkpoints."""


def train_embedder(
    recipe: EmbedderRecipe, data: Sequence[Path], base: str, out: Path, options: TrainOptions | None = None
) -> Trained:
    """Fine-tune a bi-encoder on training pairs and save it in sentence-transformers' layout with a polyrank.json.

    Checkpoints lie in OUT.checkpoints until the training is done.

    Args:
        recipe: `contrastive` or `cached_contrastive`.
        data: files of training pairs; see `EmbedderRecipe` for which are positives and negatives.
        base: folder (or hub name) of the encoder to start from.
        out: the folder to write; must be absent or empty.
        options: see there.

    Raises:
        MissingExtraError: the `train` extra is not installed.
        TrainingError: a file is unreadable, no pair is a positive, the base cannot be read, `out` is taken, or an
            unfinished training is there that was not asked for.
    """
    refuse_taken(out)
    options = options or TrainOptions()
    if recipe.loss == "distillation":
        raise TrainingError("`distillation` needs parallel text and a teacher: give --parallel and --teacher")
    options.check(recipe)
    pairs = [pair for path in data for pair in read_pairs(path)]
    positives = len(contrastive_rows(recipe, pairs)["anchor"])
    need_extra()
    from sentence_transformers.sentence_transformer import losses

    run = _run(recipe, base, options) | {"data": provenance(data)}
    work = open_work(out, run, resume=options.resume)

    def loss(model: Any) -> Any:
        if recipe.loss == "contrastive":
            return losses.MultipleNegativesRankingLoss(model)
        return losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=recipe.pass_size)

    def rows(seeded: EmbedderRecipe) -> dict[str, list[Any]]:
        return contrastive_rows(seeded, pairs)

    job = _Job(base, rows, loss, provenance(data), options)
    return train_seeds(recipe, positives, work, out, partial(_train_once, job))


def contrastive_rows(recipe: EmbedderRecipe, pairs: Sequence[TrainingPair]) -> dict[str, list[Any]]:
    """Return columns anchor, positive and `recipe.negatives` negatives, one row for each positive.

    A query without enough documents of grade 0 borrows from the others' documents, drawn by the recipe's seed.

    Raises:
        TrainingError: no pair is a positive.
    """
    rng = random.Random(recipe.seed)
    positives: dict[str, list[str]] = defaultdict(list)
    negatives: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        if pair.relevance >= recipe.positive or pair.relevance == 0:
            kind = positives if pair.relevance >= recipe.positive else negatives
            kind[pair.query].append(recipe.template.render(pair.fields))
    if not positives:
        raise TrainingError(f"no pair has grade {recipe.positive} or more; lower `positive` in the recipe")
    everything = sorted({text for texts in positives.values() for text in texts})
    rows: dict[str, list[str]] = defaultdict(list)
    for query, texts in positives.items():
        others = negatives[query] or [text for text in everything if text not in texts] or everything
        for text in texts:
            rows["anchor"].append(query)
            rows["positive"].append(text)
            for number in range(recipe.negatives):
                rows[f"negative_{number + 1}"].append(rng.choice(others))
    return rows


def distil(
    recipe: EmbedderRecipe,
    parallel: Sequence[Parallel],
    teacher: str,
    base: str,
    out: Path,
    *,
    data: Sequence[Path] = (),
    options: TrainOptions | None = None,
) -> Trained:
    """Teach a student the teacher's vectors, in English and in other languages.

    The teacher's vectors and checkpoints lie in OUT.checkpoints until the training is done.

    Args:
        recipe: with the loss `distillation`.
        parallel: English texts with their translations; a text given twice counts twice.
        teacher: folder of the English sentence embedder.
        base: folder of the student to start from, as `grow_model` writes it.
        out: the folder to write; must be absent or empty.
        data: the files that `parallel` was read from, for the manifest.
        options: see there.

    Raises:
        MissingExtraError: the `train` extra is not installed.
        TrainingError: there is no parallel text, a model cannot be read, `out` is taken, or an unfinished training is
            there that was not asked for.

    Source: Reimers, Gurevych, 2020, Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation,
    arXiv:2004.09813.
    """
    refuse_taken(out)
    options = options or TrainOptions()
    options.check(recipe)
    if not parallel:
        raise TrainingError("no parallel text was given; name at least one file")
    need_extra()
    import torch

    from rerank.training.losses import ToTheTeacher

    content = hashlib.sha256("\n".join(f"{pair.english}\t{pair.text}" for pair in parallel).encode()).hexdigest()
    run = _run(recipe, base, options) | {"teacher": teacher, "parallel text": content}
    work = open_work(out, run, resume=options.resume)
    texts = list(dict.fromkeys(pair.english for pair in parallel))
    vectors = _vectors(teacher, recipe, texts, work, options)
    places = {text: place for place, text in enumerate(texts)}
    rows: dict[str, list[Any]] = {
        "text": [*texts, *(pair.text for pair in parallel)],
        "label": [*range(len(texts)), *(places[pair.english] for pair in parallel)],
    }
    targets = torch.from_numpy(vectors)
    job = _Job(base, lambda _: rows, lambda model: ToTheTeacher(model, targets), provenance(data), options)
    return train_seeds(recipe, len(rows["text"]), work, out, partial(_train_once, job))


def _run(recipe: EmbedderRecipe, base: str, options: TrainOptions) -> dict[str, Any]:
    """Return what shapes every training of a bi-encoder."""
    precision = effective_precision(recipe.precision)
    return {"recipe": recipe.sha256, "precision": precision, "base": base, "dev": options.provenance()}


def _vectors(
    teacher: str, recipe: EmbedderRecipe, texts: Sequence[str], work: Path, options: TrainOptions
) -> NDArray[np.float32]:
    """Return the teacher's vectors, float32 (n, dimension); each `CHUNK` of them is kept in `work`."""
    starts = range(0, len(texts), CHUNK)
    files = [work / f"teacher-{start}.npy" for start in starts]
    if missing := [start for start, file in zip(starts, files, strict=True) if not file.is_file()]:
        model = _load(teacher, recipe)
        with (bar if options.progress else silent)("asking the teacher", len(texts)) as advance:
            advance(len(texts) - sum(len(texts[start : start + CHUNK]) for start in missing))
            for start in missing:
                chunk = list(texts[start : start + CHUNK])
                part = work / "teacher.part.npy"
                np.save(part, model.encode(chunk, batch_size=128, show_progress_bar=False))
                part.rename(work / f"teacher-{start}.npy")
                advance(len(chunk))
    return np.concatenate([np.load(file) for file in files])


def _load(name: str, recipe: EmbedderRecipe) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(name, device=device())
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read the model {name}: {str(error).splitlines()[0]}") from error
    model.max_seq_length = recipe.max_length
    return model


@dataclass(frozen=True, slots=True)
class _Job:
    """What a training was given apart from the recipe.

    `rows` gives the table (column -> values) by the recipe, which draws negatives by its seed; `loss` the loss of a
    model; `data` is what the manifest says of the files.
    """

    base: str
    rows: Callable[[EmbedderRecipe], dict[str, list[Any]]]
    loss: Callable[[Any], Any]
    data: list[dict[str, str]]
    options: TrainOptions


def _train_once(job: _Job, recipe: EmbedderRecipe, work: Path, out: Path) -> tuple[int, float]:
    from datasets import Dataset
    from transformers import set_seed

    set_seed(recipe.seed)
    model = _load(job.base, recipe)
    prepare_layers(model.transformers_model, recipe)
    table = Dataset.from_dict(job.rows(recipe))
    trainer = _trainer(model, table, job, recipe, work, out)
    last = resumed_checkpoint(work, job.options)
    result = trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if recipe.adapted:
        merge_adapters(model.transformers_model)
    _save(recipe, model, job.data, out)
    return int(result.global_step), float(result.training_loss)


def _trainer(model: Any, table: Any, job: _Job, recipe: EmbedderRecipe, work: Path, out: Path) -> Any:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses

    from rerank.training.batches import SimilarLengths
    from rerank.training.callbacks import MarkWhole, SaveEvery, WithinMinutes
    from rerank.training.dev import DevRanking, score_apart
    from rerank.training.trainers import trainer_for

    loss = job.loss(model)
    if recipe.dimensions:
        loss = losses.MatryoshkaLoss(model, loss, matryoshka_dims=list(recipe.dimensions))
    epoch = len(table) / recipe.batch_size / recipe.accumulate
    dev = DevRanking(recipe, read_pairs(job.options.dev), score_apart) if job.options.dev else None
    schedule: dict[str, Any] = {"lr_scheduler_type": "constant_with_warmup"} if recipe.minutes else {}
    if recipe.loss == "distillation":
        schedule["batch_sampler"] = SimilarLengths
    callbacks = shared_callbacks(recipe, job.options, out)
    if recipe.minutes:
        callbacks.append(WithinMinutes(recipe.minutes))
    if dev is None:
        schedule["save_strategy"] = "no"
        callbacks.append(SaveEvery(SAVE_MINUTES))
    else:
        schedule |= dev_arguments(recipe, max(1, round(recipe.evaluate_every * epoch)))
    arguments = SentenceTransformerTrainingArguments(
        per_device_train_batch_size=recipe.batch_size,
        **(trainer_arguments(recipe, work, max(1, round(recipe.epochs * epoch))) | schedule),
    )
    return trainer_for(
        recipe,
        SentenceTransformerTrainer,
        model=model,
        args=arguments,
        train_dataset=table,
        loss=loss,
        evaluator=dev,
        callbacks=[*callbacks, MarkWhole()],
    )


def _save(recipe: EmbedderRecipe, model: Any, data: list[dict[str, str]], out: Path) -> None:
    training = {"matryoshka": list(recipe.dimensions)} if recipe.dimensions else {}
    try:
        model.save(str(out))
        write_settings(recipe, "embed", data, out, training=training)
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
