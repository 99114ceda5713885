"""The data card beside a file of training pairs: what is in it, in which languages, and what it was made of."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rerank.bundle import file_hash
from rerank.protocols import Detector
from rerank.training.pairs import TrainingPair, provenance, write_pairs
from rerank.training.recipe import TrainingError

PAIRS = ".jsonl.gz"
CARD = ".card.json"


def card_path(pairs: Path) -> Path:
    """Return where the card of a file of pairs lies: pairs.jsonl.gz has pairs.card.json."""
    return pairs.with_name(pairs.name.removesuffix(PAIRS) + CARD)


def describe(pairs: Sequence[TrainingPair], detector: Detector) -> dict[str, Any]:
    """Return counts of pairs, queries, documents and grades, and of the queries by language as a detector says."""
    queries = list(dict.fromkeys(pair.query for pair in pairs))
    documents = {json.dumps(dict(pair.fields), sort_keys=True) for pair in pairs}
    languages = Counter(item.language for item in detector.detect(queries))
    grades = Counter(pair.relevance for pair in pairs)
    return {
        "pairs": len(pairs),
        "queries": len(queries),
        "documents": len(documents),
        "grades": {str(grade): grades[grade] for grade in sorted(grades)},
        "taught": sum(pair.teacher is not None for pair in pairs),
        "languages": dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
    }


def write_with_card(
    out: Path,
    pairs: Sequence[TrainingPair],
    detector: Detector,
    *,
    made_by: Mapping[str, Any],
    sources: Sequence[Path],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write pairs and their card; the same pairs, options and sources give the same bytes of both.

    Args:
        out: the file of pairs, NAME.jsonl.gz; its folder is made.
        pairs: what to write.
        detector: tells the languages of the queries, a guess for short ones.
        made_by: the command and its options.
        sources: files the pairs were made of: name and sha256 go into the card.
        more: further facts, such as what was left out.

    Returns:
        The card.

    Raises:
        TrainingError: a file cannot be written, or is not named as gzipped JSON lines.
    """
    if not out.name.endswith(PAIRS):
        raise TrainingError(f"{out} will hold gzipped JSON lines; give it a name that ends in {PAIRS}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_pairs(out, pairs)
        card = {
            "file": out.name,
            "sha256": file_hash(out),
            **describe(pairs, detector),
            **more,
            "made_by": dict(made_by),
            "sources": provenance(sources),
        }
        card_path(out).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
    return card
