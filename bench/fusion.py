"""Precision and recall of the matcher that fuses records of several sources.

    python -m bench.fusion [--data ../shared/data/chorus-icecat] [--products 6000]

Two sources are made of one catalogue: both have its middle third, the second one perturbed (by seed); the outer
thirds are products that only one of them has. So every similar variant in the catalogue is a trap. The catalogues are
the demo's and, where present, chorus-icecat's. Across languages: the demo's English products against the titles of
`bench/fusion_pairs.tsv`, written by hand in de, es and fr.
"""

import csv
import json
import random
import resource
import time
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import click

from ingest.clean import clean
from ingest.document import Document, Record
from ingest.fusion.config import FusionConfig, FusionRules
from ingest.fusion.fuse import Fusion, Vectorize
from ingest.fusion.stage import title_vectors
from ingest.translate import TranslationMemory
from rerank.embedder import load_embedder
from rerank.evaluation.judgements import open_text
from rerank.resources import load_resources, write_glossary
from rerank.translation.load import load_translators

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "catalogue.jsonl"
PAIRS = Path(__file__).with_name("fusion_pairs.tsv")
CODES = ("gtin", "ean", "mpn")
Found = tuple[str, str]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ROOT.parent / "shared" / "data" / "chorus-icecat")
@click.option("--products", default=6000, show_default=True, help="Products of chorus-icecat to use.")
@click.option("--seed", default=1, show_default=True)
def main(data: Path, products: int, seed: int) -> None:
    """Print precision, recall and F1 for each labelled set."""
    catalogues = {"demo": _read(DEMO)}
    if (data / "corpus.jsonl.gz").is_file():
        rows = _read(data / "corpus.jsonl.gz")
        catalogues["icecat"] = random.Random(seed).sample(rows, min(products, len(rows)))
    else:
        click.echo(f"{data} is not here: the demo catalogue alone")
    for name, rows in catalogues.items():
        for share in (1.0, 0.5, 0.0):
            left, right, truth = _labelled(rows, random.Random(seed), code_share=share)
            _report(f"{name}, codes in {share:.0%} of the copies", left + right, truth, FusionConfig())
    left, right, truth = _translated_pairs()
    _report("demo across languages", left + right, truth, FusionConfig(vectors=True), _vectorizer())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"peak memory {peak:.0f} MB")


def _read(path: Path) -> list[dict[str, Any]]:
    with open_text(path) as lines:
        return [json.loads(line) for line in lines]


def _document(source: str, row: dict[str, Any]) -> Document:
    made = clean(Record(source, 1, row, source))
    if not isinstance(made, Document):
        raise click.ClickException(f"{row.get('id')} is no document: {made.reason}")
    return made


def _labelled(
    rows: Sequence[dict[str, Any]], dice: random.Random, *, code_share: float
) -> tuple[list[Document], list[Document], set[Found]]:
    """Return the documents of two sources and the pairs of ids that are one product."""
    shuffled = list(rows)
    dice.shuffle(shuffled)
    third = len(shuffled) // 3
    left = [_document("a", row) for row in shuffled[: 2 * third]]
    right = []
    for row in shuffled[third:]:
        copy = _perturbed(row, dice)
        if dice.random() >= code_share:
            copy = {name: value for name, value in copy.items() if name not in CODES}
        right.append(_document("b", copy))
    truth = {(str(row["id"]), f"b-{row['id']}") for row in shuffled[third : 2 * third]}
    return left, right, truth


def _perturbed(row: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return a product as another platform would list it: title, brand, price and texts changed, meaning kept."""
    copy = {**row, "id": f"b-{row['id']}"}
    words = str(row["title"]).split()
    if dice.random() < 0.5 and len(words) > 3:  # word order
        cut = dice.randrange(1, len(words))
        words = words[cut:] + words[:cut]
    if dice.random() < 0.3 and len(words) > 4:  # a plain word less
        plain = [place for place, word in enumerate(words) if word.isalpha() and len(word) > 4]
        if plain:
            del words[dice.choice(plain)]
    if dice.random() < 0.3:  # a shop's own words more
        words.insert(dice.choice((0, len(words))), dice.choice(("New", "Original", "Genuine", "[OEM]", "- Sale")))
    if dice.random() < 0.3 and len(words) > 3:  # a typing error
        place = dice.randrange(len(words))
        if words[place].isalpha() and len(words[place]) > 5:
            at = dice.randrange(1, len(words[place]) - 1)
            words[place] = words[place][:at] + words[place][at + 1 :]
    title = " ".join(words)
    title = title.replace(" & ", " &amp; ") if dice.random() < 0.5 else title.upper() if dice.random() < 0.2 else title
    copy["title"] = title
    copy["brand"] = dice.choice((str.upper, str.lower, str))(str(row.get("brand") or ""))
    copy["text"] = " ".join(str(row.get("text") or "").split()[: dice.randrange(3, 30)])
    if dice.random() < 0.5:
        copy.pop("attrs", None)
    if row.get("ean"):
        copy["ean"] = [dice.choice((code, code.lstrip("0").zfill(12))) for code in row["ean"][:1]]
    return copy


def _translated_pairs() -> tuple[list[Document], list[Document], set[Found]]:
    english = [row for row in _read(DEMO) if row["lang"] == "en"]
    by_id = {row["id"]: row for row in english}
    with PAIRS.open(encoding="utf-8", newline="") as lines:
        pairs = list(csv.DictReader(lines, delimiter="\t"))
    right = []
    for pair in pairs:
        row = {"id": f"b-{pair['id']}", "lang": pair["language"], "title": pair["title"]}
        right.append(_document("b", {**row, "brand": by_id[pair["id"]]["brand"]}))
    truth = {(pair["id"], f"b-{pair['id']}") for pair in pairs}
    return [_document("a", row) for row in english], right, truth


def _vectorizer() -> Vectorize:
    """Return title vectors of the shipped embedder behind the demo's glossary and what dictionaries there are."""
    resources = load_resources(None)
    write_glossary(resources.folder, "demo", ROOT / "demo" / "glossary.tsv")
    translators = load_translators(resources)
    translators.prepare(("en", "de", "es", "fr"))
    return title_vectors(load_embedder(None), TranslationMemory(translators.translator()))


def _report(
    label: str,
    documents: Sequence[Document],
    truth: set[Found],
    config: FusionConfig,
    vectorize: Vectorize | None = None,
) -> None:
    started = time.perf_counter()
    fusion = Fusion(FusionRules(config), vectorize)
    for place in range(0, len(documents), 256):
        fusion.add(documents[place : place + 256])
    products = [one for part in fusion.products(256) for one in part.products]
    fusion.close()
    seconds = time.perf_counter() - started
    found = set(_pairs(products))
    right = len(found & truth)
    precision, recall = right / max(len(found), 1), right / len(truth)
    f1 = 2 * right / (len(found) + len(truth))
    by = ", ".join(f"{evidence} {count}" for evidence, count in fusion.tally.joined.most_common())
    click.echo(
        f"{label}: precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f};"
        f" {len(documents)} records, {len(truth)} true pairs, {len(documents) / seconds:.0f} records/s; joined by {by}"
    )


def _pairs(products: Iterable[Document]) -> Iterable[Found]:
    for product in products:
        ids = [(origin.source, origin.id) for origin in product.sources]
        yield from ((one[1], other[1]) for one, other in combinations(sorted(ids), 2))


if __name__ == "__main__":
    main()
