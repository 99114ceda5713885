"""Judged queries on disk: query files, qrels files and TREC runs, read into frozen types."""

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from rerank.errors import PolyrankError

QRELS_COLUMNS = ("query_id", "doc_id", "relevance")
BEIR_COLUMNS = ("query-id", "corpus-id", "score")


class JudgementError(PolyrankError):
    """A query or qrels file cannot be read; the message names file, line and reason."""


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query with the identifier that qrels use. `language` is BCP 47, "und" when the file names none;
    `base`: the query it is a translation of, if it is one; `same_as_base`: both are spelled alike."""

    query_id: str
    text: str
    language: str = "und"
    split: str = ""
    base: str = ""
    same_as_base: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a document answers a query: `relevance` 0 (not at all) upwards."""

    query_id: str
    doc_id: str
    relevance: int


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gunzipping `.gz`. A byte order mark is dropped.

    Raises:
        JudgementError: the file is absent or not readable as text.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with cast(TextIO, opener(path, "rt", encoding="utf-8-sig", newline="")) as handle:
            yield handle
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise JudgementError(f"cannot read {path}: {error}; is it the right file?") from error


def read_queries(path: Path, *, split: str | None = None) -> list[JudgedQuery]:
    """Read queries from JSON lines (`id`, `text`, optional `lang`, `split`) or tab-separated `id<TAB>text`.

    Args:
        path: `.jsonl`, `.tsv`, either gzipped.
        split: keep only the queries of this split; all when None.

    Returns:
        The queries in file order.

    Raises:
        JudgementError: the file or a line is unreadable, or no query is left.
    """
    parse = _query_from_json if ".jsonl" in path.suffixes else _query_from_tsv
    queries = []
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                queries.append(parse(line))
            except (KeyError, TypeError, ValueError) as error:
                raise JudgementError(
                    f"{path} line {number}: {error}; a query needs `id` and `text` as JSON, or id<TAB>text"
                ) from error
    kept = [query for query in queries if split is None or query.split == split]
    if not kept:
        wanted = "" if split is None else f" of split {split!r}"
        raise JudgementError(f"{path} holds no query{wanted}; check the file and --split")
    return kept


def _query_from_json(line: str) -> JudgedQuery:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    text, query_id = record["text"], record["id"]
    if not isinstance(text, str):
        raise ValueError("`text` is not a string")
    return JudgedQuery(
        str(query_id),
        text,
        str(record.get("lang", "und")),
        str(record.get("split", "")),
        str(record.get("base", "")),
        bool(record.get("same_as_en", False)),
    )


def _query_from_tsv(line: str) -> JudgedQuery:
    query_id, text = line.rstrip("\r\n").split("\t", 1)
    return JudgedQuery(query_id, text)


def read_qrels(path: Path) -> list[Judgement]:
    """Read judgements: tab-separated with a header (`query_id`, `doc_id`, `relevance`, or BEIR's `query-id`,
    `corpus-id`, `score`; other columns are ignored), or TREC's four columns without one.

    Raises:
        JudgementError: a column is missing or a relevance is not a whole number.
    """
    with open_text(path) as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows, [])
        if names := next((names for names in (QRELS_COLUMNS, BEIR_COLUMNS) if set(names) <= set(header)), None):
            columns = [header.index(name) for name in names]
            numbered: Iterable[tuple[int, list[str]]] = enumerate(rows, start=2)
        elif len(header := (header[0].split() if len(header) == 1 else header)) == 4:
            columns = [0, 2, 3]
            numbered = enumerate([header, *(row[0].split() if len(row) == 1 else row for row in rows)], start=1)
        else:
            raise JudgementError(f"{path}: the header lacks {', '.join(QRELS_COLUMNS)}; is it a qrels file?")
        judgements = []
        for number, row in numbered:
            try:
                query_id, doc_id, relevance = (row[column] for column in columns)
                judgements.append(Judgement(query_id, doc_id, int(relevance)))
            except (IndexError, ValueError) as error:
                raise JudgementError(f"{path} line {number}: {error}; expected {QRELS_COLUMNS}") from error
    if not judgements:
        raise JudgementError(f"{path} holds no judgement; check the file")
    return judgements


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """Read a TREC run: query id -> document id -> score, in file order, which is rank order as `write_run` writes it.

    Raises:
        JudgementError: the file or a line cannot be read, or there is no line.
    """
    hits: dict[str, dict[str, float]] = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                query_id, _, doc_id, _, score, *_ = line.split()
                hits.setdefault(query_id, {})[doc_id] = float(score)
            except ValueError as error:
                raise JudgementError(f"{path} line {number}: {error}; expected `query Q0 doc rank score`") from error
    if not hits:
        raise JudgementError(f"{path} holds no hit; is it a TREC run?")
    return hits


def write_run(path: Path, system: str, ranking: Mapping[str, Sequence[tuple[str, float]]]) -> None:
    """Write one system's ranking in TREC run format: `query Q0 doc rank score system`, ranks from 1."""
    with path.open("w", encoding="utf-8") as out:
        for query_id, hits in ranking.items():
            for rank, (doc_id, score) in enumerate(hits, start=1):
                out.write(f"{query_id} Q0 {doc_id} {rank} {score:.6g} {system}\n")
