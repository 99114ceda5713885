"""Hard negatives: what the engine ranked high for a query and nobody judged, unless it is too like an answer."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rerank.data.documents import Documents
from rerank.data.journal import Remember, forget
from rerank.data.judged import Built
from rerank.embedder import SentenceEmbedder
from rerank.evaluation.judgements import JudgedQuery
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """How negatives are chosen.

    `count` for each query, from the ranks `first` to `last` of the run (from 1), nearest to the top first. A document
    whose cosine with the query exceeds `margin` times the mean cosine of the query's answers (pairs of grade
    `relevant` or more) may be an answer that nobody judged: it is passed over.
    """

    count: int = 4
    first: int = 1
    last: int = 100
    margin: float = 0.95
    relevant: int = 2


def mine(
    pairs: Sequence[TrainingPair],
    queries: Sequence[JudgedQuery],
    run: Mapping[str, Mapping[str, float]],
    documents: Documents,
    embedder: SentenceEmbedder,
    options: MiningOptions | None = None,
    *,
    advance: Callable[[int], None] = lambda done: None,
    remember: Remember = forget,
) -> Built:
    """Return the pairs followed by mined pairs of grade 0, query by query.

    Documents that a query is judged on already, and copies of them, are never mined, whatever their grade. A query
    without an answer has nothing to measure the margin by and gets no negative.

    Source: Moreira et al., 2024, arXiv:2407.15831 (negatives under a share of the positive's score).

    Args:
        pairs: judged pairs; their query texts are looked up among `queries`.
        queries: with the ids of the run.
        run: query id -> document id -> score, best first, as `read_run` returns.
        documents: the catalogue that was searched.
        embedder: gives the cosines.
        options: how many and which.
        advance: called with the number of queries done since the last call.
        remember: keeps what was found for each query; see `Journal`.

    Raises:
        TrainingError: no query of the pairs is in the run.
    """
    options = options or MiningOptions()
    ids = {query.text: query.query_id for query in queries if query.query_id in run}
    by_query: dict[str, list[TrainingPair]] = defaultdict(list)
    for pair in pairs:
        by_query[pair.query].append(pair)
    if not by_query.keys() & ids.keys():
        raise TrainingError("no query of the pairs is in the run; do pairs, queries and run belong together?")
    mined: list[TrainingPair] = []
    left_out: Counter[str] = Counter()
    for query, judged in by_query.items():
        if query not in ids:
            left_out["queries that the run lacks"] += 1
        elif not any(pair.relevance >= options.relevant for pair in judged):
            left_out["queries without an answer"] += 1
        else:
            candidates = list(run[ids[query]])[options.first - 1 : options.last]
            find = partial(_negatives, judged, candidates, documents, embedder, options)
            doc_ids, counts = remember(query, find)
            mined += [TrainingPair(query, documents[doc_id], 0) for doc_id in doc_ids]
            left_out.update(counts)
        advance(1)
    return Built([*pairs, *mined], dict(left_out), {"mined": len(mined)})


def _negatives(
    judged: Sequence[TrainingPair],
    candidates: Sequence[str],
    documents: Documents,
    embedder: SentenceEmbedder,
    options: MiningOptions,
) -> tuple[list[str], dict[str, int]]:
    """Return the ids of one query's negatives, and how many hits were left out for which reason."""
    render = embedder.template.render
    known = {render(pair.fields) for pair in judged}
    answers = [render(pair.fields) for pair in judged if pair.relevance >= options.relevant]
    found = {render(documents[doc_id]): doc_id for doc_id in reversed(candidates) if doc_id in documents}
    texts = [text for text in reversed(found) if text not in known]
    vector = embedder.embed_queries([judged[0].query])[0]
    cosines = embedder.embed_documents([*answers, *texts]) @ vector
    likeness = float(np.mean(cosines[: len(answers)]))
    bound = likeness - (1.0 - options.margin) * abs(likeness)
    kept = [text for text, cosine in zip(texts, cosines[len(answers) :], strict=True) if cosine <= bound]
    left_out = {
        "hits that the catalogue lacks": sum(doc_id not in documents for doc_id in candidates),
        "hits too like an answer": len(texts) - len(kept),
    }
    return [found[text] for text in kept[: options.count]], left_out
