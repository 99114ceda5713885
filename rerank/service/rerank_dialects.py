"""How each vendor's clients ask for a reranking, and what they want to read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.service.requests import RerankKeys, RerankRequest


@dataclass(frozen=True, slots=True)
class Reranked:
    """A scored request. `scores`: float32 (n,), 0..1; `scored`: bool (n,), False where time was up before;
    `cached`: how many scores were given before."""

    id: str
    request: RerankRequest
    scores: NDArray[np.float32]
    scored: NDArray[np.bool_]
    model: str
    fingerprint: str
    tokens: int
    ms: float
    cached: int

    def order(self) -> list[int]:
        """Return the places of the scored documents, best first, at most `top_n`."""
        ranked = np.argsort(-self.scores, kind="stable").tolist()
        return [place for place in ranked if self.scored[place]][: self.request.top_n]

    def score(self, place: int) -> float:
        """Return a score short enough for JSON."""
        return round(float(self.scores[place]), 6)

    def text(self, place: int) -> str:
        """Return a document as text: as it came, or as the model read its fields."""
        document = self.request.documents[place]
        return document if isinstance(document, str) else self.request.texts[place]


@dataclass(frozen=True, slots=True)
class RerankDialect:
    """One vendor's shape."""

    name: str
    write: Callable[[Reranked], Any]
    keys: RerankKeys = field(default_factory=RerankKeys)


def _cohere(version: str) -> Callable[[Reranked], Any]:
    def write(found: Reranked) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for place in found.order():
            result: dict[str, Any] = {"index": place, "relevance_score": found.score(place)}
            if found.request.return_documents:
                document = found.request.documents[place]
                result["document"] = {"text": document} if isinstance(document, str) else document
            results.append(result)
        meta: dict[str, Any] = {
            "api_version": {"version": version},
            "billed_units": {"search_units": 1},
            "model": found.model,
            "fingerprint": found.fingerprint,
            "tokens": found.tokens,
            "ms": found.ms,
            "cached": found.cached,
        }
        if not found.scored.all():
            meta["partial"] = {"scored": int(found.scored.sum()), "of": len(found.scored)}
        return {"id": found.id, "results": results, "meta": meta}

    return write


def _jina(found: Reranked) -> dict[str, Any]:
    results = [
        {"index": place, "relevance_score": found.score(place)}
        | ({"document": {"text": found.text(place)}} if found.request.return_documents else {})
        for place in found.order()
    ]
    usage = {"total_tokens": found.tokens, "prompt_tokens": found.tokens}
    return {"model": found.model, "object": "list", "usage": usage, "results": results}


def _voyage(found: Reranked) -> dict[str, Any]:
    data = [
        {"index": place, "relevance_score": found.score(place)}
        | ({"document": found.text(place)} if found.request.return_documents else {})
        for place in found.order()
    ]
    return {"object": "list", "data": data, "model": found.model, "usage": {"total_tokens": found.tokens}}


def _tei(found: Reranked) -> list[dict[str, Any]]:
    return [
        {"index": place, "score": found.score(place)}
        | ({"text": found.text(place)} if found.request.return_documents else {})
        for place in found.order()
    ]


COHERE_1 = RerankDialect("cohere-v1", _cohere("1"))
COHERE_2 = RerankDialect("cohere-v2", _cohere("2"))
JINA = RerankDialect("jina", _jina)
VOYAGE = RerankDialect("voyage", _voyage, RerankKeys(top_n="top_k"))
TEI = RerankDialect("tei", _tei, RerankKeys(documents="texts", top_n=None, return_documents="return_text"))

PATHS = {
    "/rerank": COHERE_2,
    "/v1/rerank": COHERE_1,
    "/v2/rerank": COHERE_2,
    "/jina/v1/rerank": JINA,
    "/voyage/v1/rerank": VOYAGE,
    "/tei/rerank": TEI,
}
"""Which dialect a path speaks. `/rerank` with `texts` in place of `documents` is TEI's as well."""


def dialect_of(path: str, data: Any) -> RerankDialect:
    """Return the dialect of a request to one of `PATHS`."""
    if path == "/rerank" and "texts" in data and "documents" not in data:
        return TEI
    return PATHS[path]
