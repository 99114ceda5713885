"""POST /understand: what the engine asks before it searches."""

import time
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rerank.service.body import read_body
from rerank.service.question import read_question
from rerank.service.requests import read_optional, read_route, read_whole
from rerank.service.state import ServiceState
from rerank.understanding.proposals import Proposal
from rerank.understanding.understand import ATTRIBUTES, Understanding


async def understand(state: ServiceState, request: Request) -> Response:
    """Answer with language, translations, the text the models read, and its vector.

    Raises:
        RequestError: as the table in `faults` says.
    """
    arrived = time.monotonic()
    data = await read_body(request, state.limits)
    question = read_question(data, state.limits)
    deadline_ms = read_whole(data, "deadline_ms")
    until = None if deadline_ms is None else arrived + deadline_ms / 1000
    embedder = state.models.embedders.choose(read_route(data).model)
    understander = state.models.understander(embedder)
    found = await state.query_lane.run(lambda: understander.understand(question), request.is_disconnected, until)
    state.metrics.understood(found, embedder.languages)
    request.state.stages += found.seconds.items()
    answer: dict[str, Any] = {
        "language": {"code": found.language.language, "confidence": round(found.language.confidence, 4)},
        "translations": {
            code: {"text": item.text, "engine": item.engine, "confidence": round(item.confidence, 4)}
            for code, item in found.translations.items()
        },
        "model_query": found.model_query,
        "expansion": [asdict(item) for item in found.expansion],
        "embedder": embedder.fingerprint,
        "read": _read(found, state, embedder.languages, question.text, read_optional(data, "reranker")),
    }
    if ATTRIBUTES in question.want:
        answer["attributes"] = [_proposal(item) for item in found.attributes]
    if found.vector is not None:
        answer["vector"] = found.vector
    return JSONResponse(answer)


def _read(
    found: Understanding, state: ServiceState, languages: Collection[str], query: str, reranker: str | None
) -> dict[str, float]:
    """The share of the query that each model reads; the reranker is the one that such a query is routed to."""
    read = {"embedder": found.read_by(languages)}
    if state.models.rerankers.all():
        language = found.language.language if found.model_query == query else None
        chosen = state.models.rerankers.choose(reranker, language)
        read["reranker"] = found.read_by(chosen.manifest.languages)
    return read


def _proposal(item: Proposal) -> dict[str, Any]:
    """One attribute: what was recognised without what is unknown, and what to do with it."""
    apart = ("field", "variants")
    named = {key: value for key, value in asdict(item.attribute).items() if value is not None and key not in apart}
    return named | {"use": item.use, "field": item.field, "clause": item.clause, "reason": item.reason}
