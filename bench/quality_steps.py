"""What each step of the query path adds to nDCG@10, cross-validated, with p-values and by language; what tuning does.

    python -m bench.quality_steps --index chorus --queries ../shared/data/chorus-icecat/queries.jsonl.gz
        --qrels ../shared/data/chorus-icecat/qrels-pooled.tsv.gz [--needs 34] [--by split] [--json FILE]

Asks the running node once for each query, through the installed pipeline opened wide, and computes the rest from the
answers. Queries marked `same_as_en` are left out. `--needs` takes a sample of the needs, each in all its languages.
Nothing is installed.
"""

import json
from pathlib import Path

import click
import numpy as np

from plugin.client import connect
from plugin.pipelines import read_pipeline
from plugin.tune import tune
from plugin.tune_candidates import gather
from plugin.tune_cli import print_steps, print_tuning
from plugin.tune_steps import measure_steps
from rerank.evaluation.judgements import JudgedQuery, read_qrels, read_queries

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--index", default="chorus", show_default=True)
@click.option("--queries", required=True, type=FILE)
@click.option("--qrels", required=True, type=FILE)
@click.option("--needs", type=int, help="How many needs to take, at random.")
@click.option("--depth", default=50, show_default=True, help="Candidates to rerank.")
@click.option("--by", type=click.Choice(["language", "split"]), default="language", help="What to tell apart.")
@click.option("--url")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write both outcomes here.")
def main(
    index: str,
    queries: Path,
    qrels: Path,
    needs: int | None,
    depth: int,
    by: str,
    url: str | None,
    json_file: Path | None,
) -> None:
    """Print the steps' table and what `plugin tune` would do."""
    client = connect(url)
    pipeline = read_pipeline(client, index)
    asked = _sample(queries, needs)
    with click.progressbar(length=len(asked), label="asking") as bar:
        candidates = gather(
            client, index, pipeline, asked, read_qrels(qrels), depth=depth, advance=lambda: bar.update(1)
        )
    steps = measure_steps(pipeline, candidates, {query.query_id: getattr(query, by) for query in asked})
    print_steps(steps)
    tuning = tune(pipeline, candidates)
    print_tuning(tuning)
    if json_file is not None:
        json_file.write_text(json.dumps({"steps": steps.as_json(), "tuning": tuning.as_json()}, indent=1))


def _sample(path: Path, needs: int | None) -> list[JudgedQuery]:
    queries = [query for query in read_queries(path) if not query.same_as_base]
    if needs is None:
        return queries
    all_needs = list(dict.fromkeys(query.base or query.query_id for query in queries))
    chosen = set(np.random.default_rng(7).permutation(all_needs)[:needs].tolist())
    return [query for query in queries if (query.base or query.query_id) in chosen]


if __name__ == "__main__":
    main()
