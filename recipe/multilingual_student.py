"""A multilingual student of the default embedder: new vocabulary, distilled on parallel text, measured on queries.

    python -m recipe.multilingual_student ../shared/data TEACHER_FOLDER build/student --minutes 25

TEACHER_FOLDER is all-MiniLM-L6-v2. Trains on `tatoeba`, `gpc-xling`, `wiktionary-en-xx`, `product-phrases` and
`chorus-translated`'s train-queries; writes OUT/model and the bundle OUT/bundle. Then ranks `chorus-icecat` (vectors of
the English teacher) for the visible queries of `chorus-translated`, encoded by the student, and prints the share of
the English query's nDCG@10 that each language keeps. Queries that are the same in English do not count.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np

from recipe.catalogue import read_products
from recipe.parallel_text import LANGUAGES, catalogue_words, read_parallel
from rerank.bundle import load_bundle
from rerank.embedder import SentenceEmbedder, load_embedder
from rerank.evaluation.judgements import open_text, read_qrels
from rerank.evaluation.metrics import mean, per_query
from rerank.protocols import Vectors
from rerank.session import SessionOptions

DEPTH = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """One language: queries, nDCG@10 of the student, of the English queries by the teacher, and their quotient."""

    queries: int
    student: float
    english: float
    share: float


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("teacher", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--minutes", default=25.0, show_default=True, help="How long to train.")
@click.option("--pieces", default=60_000, show_default=True, help="Pieces to learn for the new languages.")
@click.option("--learning-rate", default=2e-4, show_default=True, help="At the start; it falls to zero.")
def main(data: Path, teacher: Path, out: Path, minutes: float, pieces: int, learning_rate: float) -> None:
    """Make the student in OUT and measure it."""
    from rerank.exporting.export import export
    from rerank.training.cross_encoder import TrainOptions
    from rerank.training.embedder import distil
    from rerank.training.embedder_recipe import read_embedder_recipe
    from rerank.training.vocabulary import grow_model

    recipe = read_embedder_recipe(Path(__file__).with_name("multilingual_student.toml"))
    recipe = replace(recipe, minutes=minutes, learning_rate=learning_rate)
    products = read_products(data / "chorus-icecat" / "corpus.jsonl.gz")
    everything = read_parallel(data)
    if not (out / "start").exists():  # a second run in the same folder trains the same start again
        known = grow_model(teacher, [pair for part in everything.values() for pair in part], pieces, out / "start")
        click.echo(f"pieces: {known}; parallel texts: { {name: len(part) for name, part in everything.items()} }")
    taught = catalogue_words(everything, products)
    click.echo(f"trained on: {len(taught)} rows")
    quiet = TrainOptions(progress=False)
    trained = distil(recipe, taught, str(teacher), str(out / "start"), out / "model", options=quiet)
    click.echo(f"steps: {trained.steps}, mean loss {trained.loss:.2e}")
    bundle = export(str(out / "model"), out / "bundle", "embed")
    kept = measure(data, SentenceEmbedder(load_bundle(bundle.path)), _document_vectors(products, out / "teacher.npy"))
    (out / "kept.json").write_text(json.dumps({name: asdict(row) for name, row in kept.items()}, indent=2) + "\n")
    for name, row in kept.items():
        click.echo(f"{name}: {row.student:.3f} of {row.english:.3f} = {row.share:.2f} ({row.queries} queries)")


def measure(data: Path, student: SentenceEmbedder, documents: tuple[list[str], Vectors]) -> dict[str, Kept]:
    """Return language -> what is kept, then the mean over languages under `mean`."""
    queries = list(_queries(data / "chorus-translated" / "queries.jsonl.gz"))
    judgements = read_qrels(data / "chorus-translated" / "qrels-pooled.tsv.gz")
    answerable = {item.query_id for item in judgements if item.relevance > 0}
    queries = [row for row in queries if row["id"] in answerable]
    judgements = [item for item in judgements if item.query_id in {row["id"] for row in queries}]
    english = load_embedder().embed_queries([row["en"] for row in queries])
    foreign = student.embed_queries([row["text"] for row in queries])
    values = [
        per_query(_ranking([row["id"] for row in queries], vectors, documents), judgements)["nDCG@10"]
        for vectors in (foreign, english)
    ]
    kept = {}
    for language in LANGUAGES:
        ids = [row["id"] for row in queries if row["lang"] == language]
        ours, best = (mean({query_id: value[query_id] for query_id in ids}) for value in values)
        kept[language] = Kept(len(ids), ours, best, ours / best)
    rows = list(kept.values())
    ours, best = (float(np.mean([getattr(row, name) for row in rows])) for name in ("student", "english"))
    return kept | {"mean": Kept(sum(row.queries for row in rows), ours, best, float(np.mean([r.share for r in rows])))}


def _queries(path: Path) -> Iterator[dict[str, str]]:
    with open_text(path) as lines:
        for line in lines:
            row = json.loads(line)
            if not row["same_as_en"]:
                yield row


def _ranking(query_ids: list[str], queries: Vectors, documents: tuple[list[str], Vectors]) -> dict[str, list[str]]:
    doc_ids, vectors = documents
    order = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :DEPTH]
    return {query_id: [doc_ids[place] for place in row] for query_id, row in zip(query_ids, order, strict=True)}


def _document_vectors(products: list, path: Path) -> tuple[list[str], Vectors]:  # type: ignore[type-arg]
    """Embed the catalogue with the shipped embedder; keep the vectors in a file for the next run."""
    if path.is_file():
        vectors = np.load(path)
    else:
        embedder = load_embedder(options=SessionOptions(threads=0))
        vectors = embedder.embed_documents([embedder.template.render(product.fields) for product in products])
        np.save(path, vectors)
    return [product.doc_id for product in products], vectors


if __name__ == "__main__":
    main()
