"""Training pairs from judgements: qrels with their queries, a BEIR folder, or JSON lines of judged pairs."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.data.documents import Documents, read_documents
from rerank.data.json_lines import read_json_lines
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_queries
from rerank.protocols import UNDETERMINED
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from rerank.understanding.vocabulary import singular, split_words

ATTEMPTS = 50
"""Draws of a random negative before a query is given up: its words are everywhere."""


@dataclass(frozen=True, slots=True)
class Built:
    """Training pairs, what was counted out (reason -> how many), and what else the data card should say."""

    pairs: Sequence[TrainingPair]
    left_out: Mapping[str, int]
    facts: Mapping[str, Any]


def judged_pairs(
    queries: Iterable[JudgedQuery],
    judgements: Iterable[Judgement],
    documents: Documents,
    *,
    random_negatives: int = 0,
    seed: int = 1,
) -> Built:
    """Join queries, judgements and documents; a query's pairs stand together, in the order of the queries.

    Args:
        queries: ids must be unique.
        judgements: negative relevance (TREC's "spam") counts as 0.
        documents: what the judged ids are looked up in.
        random_negatives: documents of grade 0 drawn for each query that share no word with it.
        seed: of the draw; a query's draw depends on its text alone.

    Raises:
        TrainingError: no judgement has both its query and its document.
    """
    by_query: dict[str, list[Judgement]] = defaultdict(list)
    for item in judgements:
        by_query[item.query_id].append(item)
    pairs: list[TrainingPair] = []
    languages: Counter[str] = Counter()
    missing = 0
    for query in queries:
        found = by_query.pop(query.query_id, [])
        own = [
            TrainingPair(query.text, documents[item.doc_id], max(item.relevance, 0))
            for item in found
            if item.doc_id in documents
        ]
        missing += len(found) - len(own)
        if own:
            languages[query.language] += 1
            pairs += [*own, *random_pairs(query.text, documents, random_negatives, seed)]
    if not pairs:
        raise TrainingError("no judgement has both its query and its document; do the three files belong together?")
    left_out = {"judgements without their document": missing, "judgements without their query": _total(by_query)}
    told = languages.keys() != {UNDETERMINED}
    return Built(pairs, left_out, {"languages": dict(languages)} if told else {})


def _total(by_query: Mapping[str, Sequence[Judgement]]) -> int:
    return sum(map(len, by_query.values()))


def random_pairs(query: str, documents: Documents, count: int, seed: int) -> list[TrainingPair]:
    """Draw up to `count` documents that share no word with the query, as pairs of grade 0.

    No retriever would bring them, yet a reranker must know them; those that share a word may well answer the query.
    """
    if not count:
        return []
    rng = random.Random(f"{seed} {query}")
    words = {singular(word) for word in split_words(query)}
    everything = list(documents)
    drawn: dict[str, None] = {}
    for doc_id in rng.choices(everything, k=ATTEMPTS * count):
        text = split_words(" ".join(documents[doc_id].values()))
        if words.isdisjoint(map(singular, text)):
            drawn[doc_id] = None
            if len(drawn) == count:
                break
    return [TrainingPair(query, documents[doc_id], 0) for doc_id in drawn]


def read_beir(folder: Path, split: str) -> tuple[list[JudgedQuery], list[Judgement], dict[str, dict[str, str]]]:
    """Read a BEIR folder: queries.jsonl, corpus.jsonl and qrels/SPLIT.tsv, each perhaps with .gz.

    Source: Thakur et al., 2021, arXiv:2104.08663 (the layout).

    Raises:
        JudgementError: a file is absent or cannot be read.
        TrainingError: a line of the queries or the corpus is not what it should be.
    """
    asked, judged, corpus = beir_files(folder, split)
    queries = []
    for where, row in read_json_lines(asked):
        try:
            queries.append(JudgedQuery(str(row["_id"]), str(row["text"])))
        except KeyError as error:
            raise TrainingError(f"{where}: a query needs `_id` and `text`") from error
    return queries, read_qrels(judged), read_documents(corpus)


def beir_files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Return where the queries, the judgements of a split and the corpus of a BEIR folder are."""
    queries, corpus = folder / "queries.jsonl", folder / "corpus.jsonl"
    return _plain_or_gz(queries), _plain_or_gz(folder / "qrels" / f"{split}.tsv"), _plain_or_gz(corpus)


def _plain_or_gz(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.is_file() else path


def read_judged_lines(path: Path) -> tuple[list[JudgedQuery], list[Judgement]]:
    """Read JSON lines of `query` (its text), `doc_id` and `relevance`; a query's text is its id.

    Raises:
        JudgementError: the file cannot be read.
        TrainingError: a line is no judged pair.
    """
    texts: dict[str, None] = {}
    judgements = []
    for where, row in read_json_lines(path):
        query, relevance = row.get("query"), row.get("relevance")
        if not isinstance(query, str) or not query.strip() or type(relevance) is not int or "doc_id" not in row:
            raise TrainingError(f"{where}: a judged pair needs `query`, `doc_id` and a whole `relevance`")
        texts[query] = None
        judgements.append(Judgement(query, str(row["doc_id"]), relevance))
    return [JudgedQuery(text, text) for text in texts], judgements


def judged_from_files(
    qrels: Path, queries: Path | None, documents: Documents, *, split: str | None, random_negatives: int, seed: int
) -> Built:
    """Build pairs from a qrels file and its queries, or from JSON lines of judged pairs when `queries` is None.

    Raises:
        JudgementError: a file cannot be read.
        TrainingError: the files do not belong together.
    """
    if queries is None:
        asked, judgements = read_judged_lines(qrels)
    else:
        asked, judgements = read_queries(queries, split=split), read_qrels(qrels)
    return judged_pairs(asked, judgements, documents, random_negatives=random_negatives, seed=seed)
