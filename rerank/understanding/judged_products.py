"""From judged or clicked products to what expansions learn from: queries with the titles of their relevant products."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from rerank.evaluation.judgements import JudgedQuery, Judgement, JudgementError, open_text, read_qrels, read_queries
from rerank.protocols import UNDETERMINED
from rerank.understanding.expansion import Associations, learn_associations

RELEVANT = 2
"""The grade from which a product teaches: grade 1 is something else that a shopper might take too."""


def read_titles(path: Path) -> dict[str, str]:
    """Read `id` and `title` of a feed of JSON lines, plain or gzipped.

    Raises:
        JudgementError: a line is no JSON object with an id; the message names it.
    """
    titles: dict[str, str] = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                item = json.loads(line)
                titles[str(item["id"])] = str(item.get("title") or "")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise JudgementError(f"{path}, line {number}: no JSON object with an id: {error}") from error
    return titles


def judged_titles(
    judgements: Iterable[Judgement], titles: Mapping[str, str], relevant: int = RELEVANT
) -> dict[str, list[str]]:
    """Return, by query id, the titles of the products judged `relevant` or more."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in judgements:
        if item.relevance >= relevant and titles.get(item.doc_id):
            found[item.query_id].append(titles[item.doc_id])
    return found


def learn_from_files(
    queries: Path, qrels: Path, corpus: Path, default_language: str, relevant: int = RELEVANT
) -> dict[str, Associations]:
    """Learn associations by language of the queries; those that name none are in `default_language`.

    Raises:
        JudgementError: a file cannot be read.
    """
    products = judged_titles(read_qrels(qrels), read_titles(corpus), relevant)
    pairs: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for query in read_queries(queries):
        if query.query_id in products:
            pairs[_language(query, default_language)].append((query.text, products[query.query_id]))
    return {language: learn_associations(judged, language) for language, judged in sorted(pairs.items())}


def _language(query: JudgedQuery, default: str) -> str:
    return default if query.language == UNDETERMINED else query.language
