"""What share of an English query's nDCG@10 its translation keeps, by language, through a live search pipeline.

    python -m bench.cross_lingual --index chorus --queries QUERIES --qrels QRELS [--json]

The English queries are judged by the translated queries' own judgements: `base` names the English query of each
translated one. Queries marked `same_as_en` are left out. Run it twice, with and without a glossary, and say which.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from plugin.client import connect
from plugin.evaluate import MAIN_MEASURE, EvaluationOptions, evaluate
from rerank.evaluation.judgements import JudgedQuery, Judgement, open_text, read_qrels
from rerank.evaluation.metrics import mean


@dataclass(frozen=True, slots=True)
class TranslatedQuery:
    """A query in another language, and the id and text of the English one it means."""

    query_id: str
    language: str
    text: str
    base: str
    english: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One language: how many queries, the English mean nDCG@10, the language's own, and the share kept."""

    queries: int
    english: float
    translated: float
    share: float


def read_translated(path: Path) -> Iterator[TranslatedQuery]:
    """Read translated queries that differ from the English ones."""
    with open_text(path) as lines:
        for line in lines:
            row = json.loads(line)
            if not row["same_as_en"]:
                yield TranslatedQuery(row["id"], row["lang"], row["text"], row["base"], row["en"])


def measure(
    index: str, queries: Sequence[TranslatedQuery], judgements: Sequence[Judgement], system: str, url: str | None
) -> dict[str, Kept]:
    """Run both sides through one system and return language -> what is kept."""
    client = connect(url)
    options = EvaluationOptions(systems=(system,))
    judged = {judgement.query_id for judgement in judgements if judgement.relevance > 0}
    queries = [query for query in queries if query.query_id in judged]
    # A distinct English query is asked once for every language: its judgements may differ between files.
    sides = {
        "english": [JudgedQuery(query.query_id, query.english, "en") for query in queries],
        "translated": [JudgedQuery(query.query_id, query.text, query.language) for query in queries],
    }
    results = {
        side: evaluate(client, index, asked, judgements, options).results[system] for side, asked in sides.items()
    }
    for side, result in results.items():
        if result.degraded:
            reason = next(iter(result.degraded.values()))
            click.echo(f"{side}: {len(result.degraded)} answers lost a stage, the first by {reason}", err=True)
    return _by_language(queries, {side: result.values[MAIN_MEASURE] for side, result in results.items()})


def _by_language(queries: Sequence[TranslatedQuery], values: Mapping[str, Mapping[str, float]]) -> dict[str, Kept]:
    ids = defaultdict(list)
    for query in queries:
        ids[query.language].append(query.query_id)
    table = {}
    for language, members in sorted(ids.items()):
        english, translated = (
            mean({query_id: values[side][query_id] for query_id in members}) for side in ("english", "translated")
        )
        table[language] = Kept(len(members), english, translated, translated / english if english else 0.0)
    return table


@click.command()
@click.option("--index", required=True, help="Index or alias; its pipeline has the same name.")
@click.option("--queries", type=click.Path(path_type=Path, exists=True), required=True, help="Translated queries.")
@click.option("--qrels", type=click.Path(path_type=Path, exists=True), required=True, help="Their judgements.")
@click.option("--languages", help="Only these, separated by commas.")
@click.option("--system", type=click.Choice(["bm25", "knn", "hybrid", "reranked"]), default="hybrid", show_default=True)
@click.option("--url", help="The node; default: what `plugin up` started.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    index: str, queries: Path, qrels: Path, languages: str | None, system: str, url: str | None, as_json: bool
) -> None:
    """Print how much of English search quality each language keeps."""
    wanted = set(languages.split(",")) if languages else None
    asked = [query for query in read_translated(queries) if wanted is None or query.language in wanted]
    table = measure(index, asked, read_qrels(qrels), system, url)
    average = sum(kept.share for kept in table.values()) / len(table) if table else 0.0
    if as_json:
        click.echo(json.dumps({**{name: asdict(kept) for name, kept in table.items()}, "mean_share": average}))
        return
    click.echo("| language | queries | English | translated | share |\n|---|---|---|---|---|")
    for name, kept in table.items():
        click.echo(f"| {name} | {kept.queries} | {kept.english:.3f} | {kept.translated:.3f} | {kept.share:.2f} |")
    click.echo(f"| mean | {len(asked)} | | | {average:.3f} |")


if __name__ == "__main__":
    main()
