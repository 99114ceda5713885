"""nDCG@10 by language: plain BM25 of the same text, the pipeline without reranking, and with it, with p-values.

    python -m bench.by_language --index chorus --data ../shared/data/chorus-translated
        --data ../shared/data/chorus-xling [--sample 1000] [--seed 7] [--json FILE]

Each folder holds `queries.jsonl.gz` and `qrels-pooled.tsv.gz`, or else `qrels.tsv.gz`. Queries that are spelled like
the English ones (`same_as_en`) and those without a relevant product are left out. `--sample` takes about so many of
all that are left, the same share of each language. Asks a running node, one query at a time, with the pipeline named
like the index (or `--pipeline`) and a deadline that cuts nothing off. p-values are of paired permutation tests and
corrected for nothing: of twenty languages that nothing changes, one has p < .05.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from plugin.client import connect
from plugin.evaluate import MAIN_MEASURE, EvaluationOptions, evaluate
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_queries
from rerank.evaluation.metrics import Significance, compare, mean

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
SYSTEMS = ("bm25", "hybrid", "reranked")
QRELS = ("qrels-pooled.tsv.gz", "qrels.tsv.gz")
ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """One language of one data set: mean nDCG@10 by system; the whole pipeline beside BM25, and beside no reranking."""

    data: str
    language: str
    means: Mapping[str, float]
    pipeline: Significance
    reranking: Significance


def read(folder: Path) -> tuple[list[JudgedQuery], list[Judgement]]:
    """Return the queries worth asking, and the judgements."""
    judgements = read_qrels(next(folder / name for name in QRELS if (folder / name).exists()))
    answerable = {judgement.query_id for judgement in judgements if judgement.relevance > 0}
    queries = [one for one in read_queries(folder / "queries.jsonl.gz") if not one.same_as_base]
    return [query for query in queries if query.query_id in answerable], judgements


def sample(queries: Sequence[JudgedQuery], share: float, seed: int) -> list[JudgedQuery]:
    """Take the same share of each language at random, at least one query."""
    draw = np.random.default_rng(seed)
    taken = []
    for language in _languages(queries):
        own = [query for query in queries if query.language == language]
        count = max(1, min(len(own), round(share * len(own))))
        taken += [own[place] for place in sorted(draw.permutation(len(own))[:count].tolist())]
    return taken


def rows(data: str, queries: Sequence[JudgedQuery], values: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Return a row a language, and one of all. `values`: system to query id to nDCG@10."""
    groups = {language: [one for one in queries if one.language == language] for language in _languages(queries)}
    found = []
    for language, members in (groups | {ALL: list(queries)}).items():
        own = {system: {one.query_id: values[system][one.query_id] for one in members} for system in SYSTEMS}
        means = {system: mean(own[system]) for system in SYSTEMS}
        found.append(
            Row(data, language, means, compare(own["reranked"], own["bm25"]), compare(own["reranked"], own["hybrid"]))
        )
    return found


def _languages(queries: Sequence[JudgedQuery]) -> list[str]:
    return sorted({query.language for query in queries})


def verdict(found: Sequence[Row], field: str) -> str:
    """Say in which languages the side that should win (`pipeline` or `reranking`) has the lower mean."""
    worse = [(row, getattr(row, field)) for row in found if row.language != ALL and getattr(row, field).delta < 0]
    told = [f"{row.data} {row.language} {test.delta:+.3f} (p = {test.p_permutation:.3f})" for row, test in worse]
    return ", ".join(told) or "none"


def show(found: Sequence[Row]) -> None:
    """Print the table as markdown, and the verdicts."""
    click.echo(
        "| data | language | queries | BM25 | pipeline, not reranked | pipeline | beside BM25 | p | reranking | p |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|---|")
    for row in found:
        means = " | ".join(f"{row.means[system]:.3f}" for system in SYSTEMS)
        tests = " | ".join(f"{test.delta:+.3f} | {test.p_permutation:.4f}" for test in (row.pipeline, row.reranking))
        click.echo(f"| {row.data} | {row.language} | {row.pipeline.queries} | {means} | {tests} |")
    click.echo(f"worse with the pipeline than without: {verdict(found, 'pipeline')}")
    click.echo(f"worse reranked than not: {verdict(found, 'reranking')}")


@click.command(help=__doc__)
@click.option("--index", default="chorus", show_default=True, help="Index or alias.")
@click.option("--pipeline", help="Search pipeline to measure; default: the one named like the index.")
@click.option("--data", "folders", type=FOLDER, multiple=True, required=True)
@click.option("--sample", "size", type=click.IntRange(min=1), help="About how many queries of all; default: each.")
@click.option("--seed", default=7, show_default=True, help="Of the sample.")
@click.option("--url", help="The node; default: what `plugin up` started.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the rows here.")
def main(
    index: str,
    pipeline: str | None,
    folders: Sequence[Path],
    size: int | None,
    seed: int,
    url: str | None,
    json_file: Path | None,
) -> None:
    """Measure and print."""
    client = connect(url)
    data = {folder.name: read(folder) for folder in folders}
    total = sum(len(queries) for queries, _ in data.values())
    share = 1.0 if size is None else min(1.0, size / total)
    asked = {name: sample(queries, share, seed) for name, (queries, _) in data.items()}
    found: list[Row] = []
    lost: dict[str, Any] = {}
    with click.progressbar(length=len(SYSTEMS) * sum(map(len, asked.values())), label="asking") as bar:
        for name, queries in asked.items():
            options = EvaluationOptions(systems=SYSTEMS, pipeline=pipeline)
            outcome = evaluate(client, index, queries, data[name][1], options, advance=lambda: bar.update(1))
            values = {system: outcome.results[system].values[MAIN_MEASURE] for system in SYSTEMS}
            found += rows(name, queries, values)
            lost |= {f"{name} {system}": dict(outcome.results[system].degraded) for system in SYSTEMS}
    show(found)
    for which, degraded in lost.items():
        if degraded:
            first = next(iter(degraded.values()))
            click.echo(f"{which}: {len(degraded)} answers lost a stage, the first by {first}", err=True)
    if json_file is not None:
        content = {"seed": seed, "share": share, "degraded": lost, "rows": [asdict(row) for row in found]}
        json_file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
