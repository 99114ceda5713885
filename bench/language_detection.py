"""How often the detector is right on short product texts, by language.

    python -m bench.language_detection --queries QUERIES [--queries ...] [--vocabulary shop.tsv.gz] [--dictionaries]

Query files hold `lang` and `text`; rows marked `same_as_en` are left out. `--vocabulary` is what ingest wrote for the
catalogue, `--dictionaries` adds the words of the installed dictionaries.
"""

import json
import time
from collections import defaultdict
from pathlib import Path

import click

from rerank.judgements import open_text
from rerank.language import load_detector
from rerank.resources import load_resources
from rerank.translation.load import load_translators
from rerank.vocabulary import read_vocabulary

SERVED = "en,de,es,fr,it,nl,pt,pl,sv,ja,zh"


@click.command()
@click.option("--queries", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option("--vocabulary", type=click.Path(path_type=Path, exists=True), help="The catalogue's statistics.")
@click.option("--dictionaries", is_flag=True, help="Ask the installed dictionaries too.")
@click.option("--languages", default=SERVED, show_default=True)
def main(queries: tuple[Path, ...], vocabulary: Path | None, dictionaries: bool, languages: str) -> None:
    """Print accuracy by language for each file."""
    served = languages.split(",")
    knowledge = None
    if dictionaries:
        translators = load_translators(load_resources())
        translators.prepare(served)
        knowledge = translators.knowledge
    detector = load_detector(served, knowledge=knowledge)
    statistics = read_vocabulary(vocabulary) if vocabulary is not None else None
    for path in queries:
        with open_text(path) as lines:
            rows = [json.loads(line) for line in lines]
        rows = [row for row in rows if row["lang"] in served and not row.get("same_as_en")]
        started = time.perf_counter()
        found = detector.detect([row["text"] for row in rows], vocabulary=statistics)
        milliseconds = (time.perf_counter() - started) / len(rows) * 1e3
        right = defaultdict(list)
        for row, detection in zip(rows, found, strict=True):
            right[row["lang"]].append(detection.language == row["lang"])
        total = sum(map(sum, right.values())) / len(rows)
        shares = " ".join(f"{name} {sum(hits) / len(hits):.2f}" for name, hits in sorted(right.items()))
        click.echo(f"{path.parent.name}/{path.name}: {total:.3f} of {len(rows)}, {milliseconds:.2f} ms each; {shares}")


if __name__ == "__main__":
    main()
