"""How often the detector is right on short product texts, by language, beside other libraries.

    python -m bench.language_detection --queries QUERIES [--queries ...] [--vocabulary shop.tsv.gz] [--dictionaries]
    python -m bench.language_detection --queries ../shared/data/gpc-xling/queries.jsonl.gz --sample 1000

Query files hold `lang` and `text`; rows marked `same_as_en` are left out, and so are texts that stand under several
languages. `--vocabulary` is what ingest wrote for the catalogue, `--dictionaries` adds the words of the installed
dictionaries. lingua and langdetect (`pip install 'polyrank[bench]'`) are told the same languages.
"""

import importlib.util
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from rerank.evaluation.judgements import open_text
from rerank.resources import load_resources
from rerank.translation.load import load_translators
from rerank.understanding.characters import has_lingua
from rerank.understanding.language import load_detector
from rerank.understanding.vocabulary import read_vocabulary

SERVED = "en,de,es,fr,it,nl,pt,pl,sv,ja,zh"
Detect = Callable[[Sequence[str]], list[str]]


@click.command()
@click.option("--queries", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option("--vocabulary", type=click.Path(path_type=Path, exists=True), help="The catalogue's statistics.")
@click.option("--dictionaries", is_flag=True, help="Ask the installed dictionaries too.")
@click.option("--languages", help=f"To choose among; default: those of the file, or {SERVED} where it has these.")
@click.option("--words", default=4, show_default=True, help="Leave out longer texts.")
@click.option("--sample", type=int, help="Texts of each language; default: all.")
@click.option("--seed", default=2, show_default=True)
def main(
    queries: tuple[Path, ...],
    vocabulary: Path | None,
    dictionaries: bool,
    languages: str | None,
    words: int,
    sample: int | None,
    seed: int,
) -> None:
    """Print accuracy by language for each file and detector."""
    for path in queries:
        rows = _rows(path, words)
        found = {language for language, _ in rows}
        default = SERVED.split(",") if found <= set(SERVED.split(",")) else sorted(found)
        served = languages.split(",") if languages else default
        rows = _sampled([row for row in rows if row[0] in served], sample, random.Random(seed))
        click.echo(f"{path.parent.name}/{path.name}: {len(rows)} texts of up to {words} words, {len(served)} languages")
        for name, detect in _detectors(served, vocabulary, dictionaries).items():
            _report(name, detect, rows)


def _rows(path: Path, words: int) -> list[tuple[str, str]]:
    with open_text(path) as lines:
        rows = [json.loads(line) for line in lines]
    languages = defaultdict(set)
    for row in rows:
        languages[row["text"].casefold()].add(row["lang"])
    return [
        (row["lang"], row["text"])
        for row in rows
        if len(row["text"].split()) <= words
        and len(languages[row["text"].casefold()]) == 1
        and (row["lang"] == "en" or not row.get("same_as_en"))
    ]


def _sampled(rows: list[tuple[str, str]], sample: int | None, dice: random.Random) -> list[tuple[str, str]]:
    if sample is None:
        return rows
    by_language = defaultdict(list)
    for row in rows:
        by_language[row[0]].append(row)
    return [row for _, some in sorted(by_language.items()) for row in dice.sample(some, min(sample, len(some)))]


def _detectors(served: Sequence[str], vocabulary: Path | None, dictionaries: bool) -> dict[str, Detect]:
    knowledge = None
    if dictionaries:
        translators = load_translators(load_resources())
        translators.prepare(served)
        knowledge = translators.knowledge
    statistics = read_vocabulary(vocabulary) if vocabulary is not None else None

    def ours(thorough: bool) -> Detect:
        detector = load_detector(served, knowledge=knowledge, thorough=thorough)
        return lambda texts: [one.language for one in detector.detect(texts, vocabulary=statistics)]

    found: dict[str, Detect] = {"polyrank": ours(False)}
    if has_lingua():
        found["polyrank with lingua"] = ours(True)
        found["lingua"] = _lingua(served)
    if importlib.util.find_spec("langdetect"):
        found["langdetect"] = _langdetect(served)
    if len(found) < 4:
        click.echo("lingua or langdetect is not installed; for all detectors: pip install 'polyrank[bench]'", err=True)
    return found


def _lingua(served: Sequence[str]) -> Detect:
    import lingua

    known: dict[Any, str] = {one: one.iso_code_639_1.name.lower() for one in lingua.Language.all()}
    chosen = [one for one, code in known.items() if code in served]
    detector = lingua.LanguageDetectorBuilder.from_languages(*chosen).build()
    return lambda texts: [known.get(detector.detect_language_of(text), "und") for text in texts]


def _langdetect(served: Sequence[str]) -> Detect:
    import langdetect

    langdetect.DetectorFactory.seed = 0

    def one(text: str) -> str:
        try:
            guesses = [guess.lang.split("-")[0] for guess in langdetect.detect_langs(text)]
        except langdetect.LangDetectException:
            return "und"
        return next((guess for guess in guesses if guess in served), "und")

    return lambda texts: [one(text) for text in texts]


def _report(name: str, detect: Detect, rows: Sequence[tuple[str, str]]) -> None:
    detect([text for _, text in rows[:20]])
    started = time.perf_counter()
    found = detect([text for _, text in rows])
    milliseconds = (time.perf_counter() - started) / len(rows) * 1e3
    right = defaultdict(list)
    for (language, _), guess in zip(rows, found, strict=True):
        right[language].append(guess == language)
    total = sum(map(sum, right.values())) / len(rows)
    shares = " ".join(f"{language} {sum(hits) / len(hits):.2f}" for language, hits in sorted(right.items()))
    click.echo(f"  {name}: {total:.3f}, {milliseconds:.2f} ms each; {shares}")


if __name__ == "__main__":
    main()
