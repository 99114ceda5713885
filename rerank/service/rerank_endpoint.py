"""POST /rerank in every dialect: read, tokenize, share batches, answer."""

import asyncio
import time
import uuid
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rerank.service.body import leaving, read_body
from rerank.service.faults import Overloaded
from rerank.service.requests import RerankRequest, read_rerank, read_route
from rerank.service.rerank_dialects import Reranked, dialect_of
from rerank.service.score_cache import ScoreCache
from rerank.service.served import ServedReranker
from rerank.service.state import ServiceState
from rerank.service.waiting import finish
from rerank.service.work import nothing_read
from rerank.tokenize import Tokens

NO_CACHE = ScoreCache(0)


async def rerank(state: ServiceState, request: Request) -> Response:
    """Answer a rerank request within its deadline.

    Raises:
        RequestError: as the table in `faults` says.
    """
    arrived = time.monotonic()
    data = await read_body(request, state.limits)
    dialect, route = dialect_of(request.url.path, data), read_route(data)
    model = state.models.rerankers.choose(route.model, route.language)
    asked = read_rerank(data, model.template, state.limits, dialect.keys)
    state.models.language()  # not before everything is warm
    return JSONResponse(dialect.write(await _score(state, request, model, asked, arrived)))


async def _score(
    state: ServiceState, request: Request, model: ServedReranker, asked: RerankRequest, arrived: float
) -> Reranked:
    deadline = None if asked.deadline_ms is None else arrived + asked.deadline_ms / 1000
    cache = state.cache if asked.cache else NO_CACHE
    try:
        model.admit(deadline)
    except Overloaded:
        if not (asked.anytime and await asyncio.to_thread(_asked_before, cache, model, asked)):
            raise
    places, tokens = await asyncio.to_thread(model.tokenize, asked.query, asked.texts)
    until = arrived + state.limits.answer_s
    pairs = _known(cache, model.fingerprint, places, tokens)
    try:
        work = model.submit(pairs.tokens, deadline, anytime=asked.anytime)
    except Overloaded:
        if not (asked.anytime and pairs.known):
            raise
        outcome = nothing_read(len(pairs.tokens))
    else:
        end = until if deadline is None else min(deadline, until)
        outcome = await finish(model.batcher, work, leaving(request), end)
    request.state.stages += [("queue", outcome.queue_s), ("rerank", outcome.busy_s)]
    scores, scored = np.zeros(len(asked.texts), np.float32), np.ones(len(asked.texts), np.bool_)
    scores[list(pairs.known)] = list(pairs.known.values())
    scores[pairs.places], scored[pairs.places] = outcome.rows, outcome.scored
    done = np.flatnonzero(outcome.scored).tolist()
    read = sum(len(pairs.tokens[index]) for index in done)
    if cache.enabled:
        cache.keep([pairs.keys[index] for index in done], outcome.rows[done].tolist())
    state.metrics.reranked(model.manifest.name, outcome.rows[done], read, outcome)
    return Reranked(
        id=str(uuid.uuid4()),
        request=asked,
        scores=scores,
        scored=scored,
        model=model.manifest.name,
        fingerprint=model.fingerprint,
        tokens=read,
        ms=round(outcome.busy_s * 1000, 2),
        cached=len(pairs.known),
    )


def _asked_before(cache: ScoreCache, model: ServedReranker, asked: RerankRequest) -> bool:
    """Say whether the first document's score is known: a repeated search sends the same one first."""
    if not cache.enabled:
        return False
    _, tokens = model.tokenize(asked.query, asked.texts[:1])
    return any(map(cache.holds, cache.keys(model.fingerprint, tokens)))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """`known`: place of a document to its score from the cache; the rest, in order, is to be read."""

    known: dict[int, float]
    places: list[int]
    tokens: list[Tokens]
    keys: list[bytes]


def _known(cache: ScoreCache, fingerprint: str, places: list[int], tokens: list[Tokens]) -> _Pairs:
    if not cache.enabled:
        return _Pairs({}, places, tokens, [])
    keys = cache.keys(fingerprint, tokens)
    pairs = _Pairs({}, [], [], [])
    for place, item, key, score in zip(places, tokens, keys, cache.find(keys), strict=True):
        if score is not None:
            pairs.known[place] = score
        else:
            pairs.places.append(place)
            pairs.tokens.append(item)
            pairs.keys.append(key)
    return pairs
