"""The parallel text of the data folder: English and what it is in other languages."""

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipe.catalogue import Product
from rerank.evaluation.judgements import open_text
from rerank.training.vocabulary import Parallel

LANGUAGES = ("de", "es", "fr", "it", "nl", "pt", "ja", "zh", "pl", "sv")
_TATOEBA = {"deu": "de", "spa": "es", "fra": "fr", "ita": "it", "nld": "nl", "por": "pt", "jpn": "ja", "cmn": "zh"} | {
    "pol": "pl",
    "swe": "sv",
}
_WIKTIONARY = {"zh": "cmn"}
ALTERNATIVES = re.compile(r"\s*\|\s*")
WORD = re.compile(r"[a-z]{2,}")

FEWEST_TITLES = 3

REPEATED = {"chorus-translated": 6, "product-phrases": 3}
"""Few texts, and the nearest to what shoppers type: seen more often than the others."""


def read_parallel(data: Path) -> dict[str, list[Parallel]]:
    """Return data set -> its parallel texts in LANGUAGES."""
    return {
        "tatoeba": _tatoeba(data / "tatoeba"),
        "gpc-xling": _gpc(data / "gpc-xling"),
        "wiktionary-en-xx": [row for language in LANGUAGES for row in _wiktionary(data / "wiktionary-en-xx", language)],
        "product-phrases": _phrases(data / "product-phrases" / "phrases.tsv.gz"),
        "chorus-translated": _train_queries(data / "chorus-translated" / "train-queries.jsonl.gz"),
    }


def catalogue_words(everything: Mapping[str, Sequence[Parallel]], products: Sequence[Product]) -> list[Parallel]:
    """Return what to train on: of the dictionary only entries all of whose English words several titles have."""
    counts = Counter(word for product in products for word in set(WORD.findall(product.fields["title"].lower())))
    words = {word for word, count in counts.items() if count >= FEWEST_TITLES}
    taught: list[Parallel] = []
    for name, part in everything.items():
        if name == "wiktionary-en-xx":
            part = [row for row in part if set(WORD.findall(row.english.lower())) <= words]
        taught += [row for row in part for _ in range(REPEATED.get(name, 1))]
    return taught


def _rows(path: Path) -> list[dict[str, str]]:
    with open_text(path) as lines:
        return [json.loads(line) for line in lines]


def _tatoeba(folder: Path) -> list[Parallel]:
    english = {row["id"]: row["text"] for row in _rows(folder / "corpus.jsonl.gz")}
    found = []
    for row in _rows(folder / "queries.jsonl.gz"):
        if language := _TATOEBA.get(row["lang"]):
            found.append(Parallel(english["-en-".join(row["id"].rsplit("-", 1))], row["text"], language))
    return found


def _gpc(folder: Path) -> list[Parallel]:
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows(folder / "corpus.jsonl.gz"):
        language, number = row["id"].rsplit("-", 1)
        names[number][language] = row["title"]
    return [
        Parallel(row["en"], row[language], language)
        for row in names.values()
        for language in LANGUAGES
        if "en" in row and language in row
    ]


def _wiktionary(folder: Path, language: str) -> list[Parallel]:
    path = folder / f"en-{_WIKTIONARY.get(language, language)}.tsv.gz"
    if not path.is_file():  # there is none for French
        return []
    with open_text(path) as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = []
    for row in rows:
        if row["headword"] and row["translations"]:
            found += [
                Parallel(row["headword"], text, language)
                for text in ALTERNATIVES.split(row["translations"])[:2]
                if text
            ]
    return found


def _phrases(path: Path) -> list[Parallel]:
    with open_text(path) as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Parallel(row["en"], text, language)
        for row in rows
        for language in LANGUAGES
        for text in ALTERNATIVES.split(row[language])
        if text
    ]


def _train_queries(path: Path) -> list[Parallel]:
    return [Parallel(row["en"], row["text"], row["lang"]) for row in _rows(path) if row["lang"] in LANGUAGES]
