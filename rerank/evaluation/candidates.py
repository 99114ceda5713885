"""Candidate lists on disk: what a reranker is to order, and the judgements to measure the order by."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.evaluation.judgements import JudgedQuery, Judgement, JudgementError, open_text, read_qrels, read_queries
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.protocols import Pair
from rerank.template import DocumentTemplate


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A query, its candidates in the order a retriever gave them, and their rendered texts.

    `grades` maps document id to relevance, judged documents that are no candidates included; None: not judged.
    """

    query: JudgedQuery
    doc_ids: tuple[str, ...]
    documents: tuple[str, ...]
    grades: Mapping[str, int] | None = None

    def pairs(self) -> list[Pair]:
        """Return the query beside each document."""
        return [Pair(self.query.text, document) for document in self.documents]


@dataclass(frozen=True, slots=True)
class CandidateFiles:
    """Candidate lists that are read when the model's template is known; see `read_candidates`."""

    candidates: Path
    queries: Path | None = None
    qrels: Path | None = None

    def read(self, template: DocumentTemplate) -> list[CandidateList]:
        """Read the lists; errors as of `read_candidates`."""
        return read_candidates(self.candidates, template, queries=self.queries, qrels=self.qrels)

    def count_left_out(self, lists: Sequence[CandidateList]) -> int:
        """Return how many queries of the query file have a relevant document but no candidate in `lists`."""
        if self.queries is None or self.qrels is None:
            return 0
        known = {query.query_id for query in read_queries(self.queries)}
        relevant = {item.query_id for item in read_qrels(self.qrels) if item.relevance > 0}
        return len(known & relevant - {item.query.query_id for item in lists})

    @property
    def paths(self) -> list[Path]:
        """The files that were named."""
        return [path for path in (self.candidates, self.queries, self.qrels) if path is not None]


def read_candidates(
    candidates: Path, template: DocumentTemplate, *, queries: Path | None = None, qrels: Path | None = None
) -> list[CandidateList]:
    """Read candidate lists.

    Args:
        candidates: JSON lines, `.gz` allowed, best candidate of a query first: `query_id`, `doc_id` and the document
            as `fields` (name to text) or `text`. Without `queries`, training pairs: `query` (the words), `fields`
            or `text`, and `relevance` if judged.
        template: how to render `fields`.
        queries: the query file; queries without candidates are left out.
        qrels: the judgements; None takes the candidates' own `relevance`, if they have it.

    Raises:
        JudgementError: a file or line cannot be read, or no query has candidates.
    """
    known = None if queries is None else {query.query_id: query for query in read_queries(queries)}
    rows = _rows(candidates, template, known)
    judged = _grades(read_qrels(qrels)) if qrels else _own_grades(rows)
    lists = []
    for query, documents in rows.values():
        grades = None if judged is None else judged.get(query.query_id)
        if qrels is not None and not grades:
            continue
        ids = dict.fromkeys(row["doc_id"] for row in documents)
        texts = {row["doc_id"]: row["rendered"] for row in documents}
        lists.append(CandidateList(query, tuple(ids), tuple(texts[doc_id] for doc_id in ids), grades))
    if not lists:
        raise JudgementError(f"{candidates} holds no candidate of a query{' that is judged' if qrels else ''}")
    return lists


def sample_lists() -> list[CandidateList]:
    """Return the built-in pairs, not judged."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for pair in SAMPLE_PAIRS:
        grouped[pair.query].append(pair.document)
    return [
        CandidateList(JudgedQuery(query, query, "en"), tuple(map(str, range(len(texts)))), tuple(texts))
        for query, texts in grouped.items()
    ]


def _rows(
    path: Path, template: DocumentTemplate, known: Mapping[str, JudgedQuery] | None
) -> dict[str, tuple[JudgedQuery, list[dict[str, Any]]]]:
    rows: dict[str, tuple[JudgedQuery, list[dict[str, Any]]]] = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                query = _query(row, known)
                if query is None:
                    continue
                text = row["text"] if "text" in row else template.render(row["fields"])
                if not isinstance(text, str):
                    raise ValueError("`text` is not a string")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise JudgementError(
                    f"{path} line {number}: {error}; a candidate needs `query_id` (or `query`), `doc_id` and `fields`"
                ) from error
            row |= {"rendered": text, "doc_id": str(row.get("doc_id", number))}
            rows.setdefault(query.query_id, (query, []))[1].append(row)
    return rows


def _query(row: Mapping[str, Any], known: Mapping[str, JudgedQuery] | None) -> JudgedQuery | None:
    if known is not None:
        if "doc_id" not in row:
            raise KeyError("doc_id")
        return known.get(str(row["query_id"]))
    text = row["query"]
    if not isinstance(text, str):
        raise ValueError("`query` is not a string")
    return JudgedQuery(str(row.get("query_id", text)), text, str(row.get("lang", "und")))


def _own_grades(
    rows: Mapping[str, tuple[JudgedQuery, Sequence[Mapping[str, Any]]]],
) -> dict[str, dict[str, int]] | None:
    own = {
        query_id: {row["doc_id"]: int(row["relevance"]) for row in documents if "relevance" in row}
        for query_id, (_, documents) in rows.items()
    }
    return own if all(own.values()) else None


def _grades(judgements: Sequence[Judgement]) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for item in judgements:
        grades[item.query_id][item.doc_id] = item.relevance
    return grades
