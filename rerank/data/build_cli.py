"""`rerank data build`: training pairs from judgements, clicks or the catalogue. Thin: parse, call, print."""

from pathlib import Path

import click

from rerank.data.output import FILE, OUT, ending, finish, seed_option

CORPUS_HELP = "The catalogue: JSON lines, `id` and fields."
RANDOM_HELP = "Documents without a word of the query, as grade 0, for each query."


@click.group()
def build() -> None:
    """Build training pairs. Each OUT is a .jsonl.gz with a data card (.card.json) beside it."""


@build.command()
@click.argument("out", type=OUT)
@click.option("--qrels", type=FILE, required=True, help="Judgements: TREC's columns, or TSV with a header.")
@click.option("--queries", type=FILE, required=True, help="Queries: JSON lines or TSV.")
@click.option("--corpus", type=FILE, required=True, help=CORPUS_HELP)
@click.option("--split", help="Only the queries of this split.")
@click.option("--random-negatives", default=0, show_default=True, help=RANDOM_HELP)
@seed_option
@ending
def qrels(
    out: Path,
    qrels: Path,
    queries: Path,
    corpus: Path,
    split: str | None,
    random_negatives: int,
    seed: int,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build from judgements and their queries."""
    from rerank.data.documents import read_documents
    from rerank.data.judged import judged_from_files

    documents = read_documents(corpus)
    built = judged_from_files(qrels, queries, documents, split=split, random_negatives=random_negatives, seed=seed)
    finish(out, built, languages, (qrels, queries, corpus), as_json)


@build.command()
@click.argument("judged", type=FILE)
@click.argument("out", type=OUT)
@click.option("--corpus", type=FILE, required=True, help=CORPUS_HELP)
@click.option("--random-negatives", default=0, show_default=True, help=RANDOM_HELP)
@seed_option
@ending
def jsonl(
    judged: Path, out: Path, corpus: Path, random_negatives: int, seed: int, languages: tuple[str, ...], as_json: bool
) -> None:
    """Build from JUDGED, JSON lines of `query` (its text), `doc_id` and `relevance`."""
    from rerank.data.documents import read_documents
    from rerank.data.judged import judged_from_files

    documents = read_documents(corpus)
    built = judged_from_files(judged, None, documents, split=None, random_negatives=random_negatives, seed=seed)
    finish(out, built, languages, (judged, corpus), as_json)


@build.command()
@click.argument("folder", type=FILE)
@click.argument("out", type=OUT)
@click.option("--split", default="train", show_default=True, help="Which qrels/SPLIT.tsv.")
@click.option("--random-negatives", default=0, show_default=True, help=RANDOM_HELP)
@seed_option
@ending
def beir(
    folder: Path, out: Path, split: str, random_negatives: int, seed: int, languages: tuple[str, ...], as_json: bool
) -> None:
    """Build from a BEIR FOLDER: queries.jsonl, corpus.jsonl, qrels/."""
    from rerank.data.judged import beir_files, judged_pairs, read_beir

    queries, judgements, documents = read_beir(folder, split)
    built = judged_pairs(queries, judgements, documents, random_negatives=random_negatives, seed=seed)
    finish(out, built, languages, beir_files(folder, split), as_json)


@build.command()
@click.argument("log", type=FILE, nargs=-1, required=True)
@click.argument("out", type=OUT)
@click.option("--corpus", type=FILE, required=True, help=CORPUS_HELP)
@click.option("--grades", default="0.1,0.3,0.6", show_default=True, help="Attractiveness from which on 1, 2, 3 ...")
@click.option("--fewest", default=5, show_default=True, help="Impressions that a document must have for its query.")
@ending
def clicks(
    log: tuple[Path, ...],
    out: Path,
    corpus: Path,
    grades: str,
    fewest: int,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build from click LOGs in UBI's shape (JSON lines of queries and events), their positions accounted for.

    A position-based click model is fitted to the log; a pair's `teacher` is how attractive its document is.
    """
    from rerank.data.click_log import read_click_log
    from rerank.data.clicks import clicked_pairs
    from rerank.data.documents import read_documents

    try:
        bounds = [float(text) for text in grades.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--grades takes numbers with commas, not {grades!r}") from error
    built = clicked_pairs(read_click_log(log), read_documents(corpus), grades=bounds, fewest=fewest)
    finish(out, built, languages, (*log, corpus), as_json)


@build.command()
@click.argument("corpus", type=FILE)
@click.argument("out", type=OUT)
@click.option("--count", type=click.IntRange(1), default=500, show_default=True, help="Queries to draw.")
@click.option("--each", type=click.IntRange(1), default=3, show_default=True, help="Documents of each grade.")
@seed_option
@ending
def catalogue(
    corpus: Path, out: Path, count: int, each: int, seed: int, languages: tuple[str, ...], as_json: bool
) -> None:
    """Build from the CORPUS alone: phrases that its titles share are queries, graded by where products have them."""
    from rerank.data.catalogue import catalogue_pairs
    from rerank.data.documents import read_documents

    built = catalogue_pairs(read_documents(corpus), count, each=each, seed=seed)
    finish(out, built, languages, (corpus,), as_json)
