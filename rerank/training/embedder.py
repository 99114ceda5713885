"""Training of a bi-encoder with sentence-transformers: contrastive, or distilled into other languages."""

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank.training.average import refuse_taken
from rerank.training.cross_encoder import POLYRANK_JSON, Trained, device, need_extra, trainer_arguments
from rerank.training.embedder_recipe import EmbedderRecipe
from rerank.training.pairs import TrainingPair, provenance, read_pairs
from rerank.training.recipe import TrainingError
from rerank.training.vocabulary import Parallel


def train_embedder(
    recipe: EmbedderRecipe, data: Sequence[Path], base: str, out: Path, *, progress: bool = True
) -> Trained:
    """Fine-tune a bi-encoder on training pairs and save it in sentence-transformers' layout with a polyrank.json.

    Args:
        recipe: `contrastive` or `cached_contrastive`.
        data: files of training pairs; see `EmbedderRecipe` for which are positives and negatives.
        base: folder (or hub name) of the encoder to start from.
        out: the folder to write; must be absent or empty.
        progress: show a progress bar on stderr.

    Raises:
        MissingExtraError: the `train` extra is not installed.
        TrainingError: a file is unreadable, no pair is a positive, the base cannot be read, or `out` is taken.
    """
    refuse_taken(out)
    if recipe.loss == "distillation":
        raise TrainingError("`distillation` needs parallel text and a teacher: give --parallel and --teacher")
    rows = contrastive_rows(recipe, [pair for path in data for pair in read_pairs(path)])
    need_extra()
    from sentence_transformers.sentence_transformer import losses

    model = _load(base, recipe)
    if recipe.loss == "contrastive":
        loss = losses.MultipleNegativesRankingLoss(model)
    else:
        loss = losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=recipe.pass_size)
    return _fit(recipe, model, rows, loss, provenance(data), out, progress)


def contrastive_rows(recipe: EmbedderRecipe, pairs: Sequence[TrainingPair]) -> dict[str, list[str]]:
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
    progress: bool = True,
) -> Trained:
    """Teach a student the teacher's vectors, in English and in other languages.

    Args:
        recipe: with the loss `distillation`.
        parallel: English texts with their translations; a text given twice counts twice.
        teacher: folder of the English sentence embedder.
        base: folder of the student to start from, as `grow_model` writes it.
        out: the folder to write; must be absent or empty.
        data: the files that `parallel` was read from, for the manifest.
        progress: show a progress bar on stderr.

    Raises:
        MissingExtraError: the `train` extra is not installed.
        TrainingError: there is no parallel text, a model cannot be read, or `out` is taken.

    Source: Reimers, Gurevych, 2020, Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation,
    arXiv:2004.09813.
    """
    refuse_taken(out)
    if not parallel:
        raise TrainingError("no parallel text was given; name at least one file")
    need_extra()
    import torch

    from rerank.training.losses import ToTheTeacher

    texts = list(dict.fromkeys(pair.english for pair in parallel))
    vectors = _load(teacher, recipe).encode(texts, batch_size=128, show_progress_bar=False)
    places = {text: place for place, text in enumerate(texts)}
    rows: dict[str, list[Any]] = {
        "text": [*texts, *(pair.text for pair in parallel)],
        "label": [*range(len(texts)), *(places[pair.english] for pair in parallel)],
    }
    model = _load(base, recipe)
    return _fit(recipe, model, rows, ToTheTeacher(model, torch.from_numpy(vectors)), provenance(data), out, progress)


def _load(name: str, recipe: EmbedderRecipe) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(name, device=device())
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read the model {name}: {str(error).splitlines()[0]}") from error
    model.max_seq_length = recipe.max_length
    return model


def _fit(
    recipe: EmbedderRecipe,
    model: Any,
    rows: dict[str, list[Any]],
    loss: Any,
    data: list[dict[str, str]],
    out: Path,
    progress: bool,
) -> Trained:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses
    from transformers import set_seed

    from rerank.training.batches import SimilarLengths
    from rerank.training.callbacks import Progress, WithinMinutes

    set_seed(recipe.seed)
    table = Dataset.from_dict(rows)
    if recipe.dimensions:
        loss = losses.MatryoshkaLoss(model, loss, matryoshka_dims=list(recipe.dimensions))
    steps = max(1, round(recipe.epochs * len(table) / recipe.batch_size))
    schedule: dict[str, Any] = {"lr_scheduler_type": "constant_with_warmup"} if recipe.minutes else {}
    if recipe.loss == "distillation":
        schedule["batch_sampler"] = SimilarLengths
    callbacks: list[Any] = [Progress()] if progress else []
    if recipe.minutes:
        callbacks.append(WithinMinutes(recipe.minutes))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=steps,
            per_device_train_batch_size=recipe.batch_size,
            warmup_steps=round(recipe.warmup * steps),
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            **(trainer_arguments(recipe) | schedule),
        )
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=table, loss=loss, callbacks=callbacks
        )
        result = trainer.train()
    _save(recipe, model, data, out)
    return Trained(out, len(table), int(result.global_step), float(result.training_loss))


def _save(recipe: EmbedderRecipe, model: Any, data: list[dict[str, str]], out: Path) -> None:
    settings = {
        "name": recipe.name,
        "task": "embed",
        "base_model": recipe.base_model,
        "licence": recipe.licence,
        "languages": list(recipe.languages),
        "max_length": recipe.max_length,
        "template": recipe.template.to_json(),
        "training": {"data": data, "seed": recipe.seed, "recipe": recipe.sha256},
    }
    if recipe.dimensions:
        settings["training"] = {**settings["training"], "matryoshka": list(recipe.dimensions)}  # type: ignore[dict-item]
    try:
        model.save(str(out))
        (out / POLYRANK_JSON).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
