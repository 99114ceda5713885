"""POST /embed (TEI's shape) and /v1/embeddings (OpenAI's, which Voyage's and Jina's clients read too)."""

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rerank.service.body import leaving, read_body
from rerank.service.faults import RefusedValue
from rerank.service.requests import EmbedRequest, read_embed, read_route
from rerank.service.served import ServedEmbedder
from rerank.service.state import ServiceState
from rerank.service.waiting import finish

Rows = NDArray[np.float32]

PATHS = ("/v1/embeddings", "/voyage/v1/embeddings", "/jina/v1/embeddings")
"""All in OpenAI's shape."""


async def embed(state: ServiceState, request: Request) -> Response:
    """Answer POST /embed: a list of vectors."""
    data = await read_body(request, state.limits)
    model, asked = _read(state, data, "inputs", data.get("kind", "query"))
    rows, _ = await _embed(state, request, model, asked)
    return JSONResponse(np.round(rows.astype(np.float64), 7).tolist())


async def embeddings(state: ServiceState, request: Request) -> Response:
    """Answer POST /v1/embeddings. Texts are documents unless `input_type` or `task` says query."""
    data = await read_body(request, state.limits)
    model, asked = _read(state, data, "input", _kind(data))
    size = data.get("dimensions", data.get("output_dimension"))
    if size is not None and size != model.dimension:
        raise RefusedValue(f"{model.manifest.name} gives {model.dimension} numbers; leave `dimensions` out")
    encoding = data.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise RefusedValue("`encoding_format` must be float or base64")
    rows, tokens = await _embed(state, request, model, asked)
    items = [
        {"object": "embedding", "index": place, "embedding": _base64(row) if encoding == "base64" else _list(row)}
        for place, row in enumerate(rows)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": items, "model": model.manifest.name, "usage": usage})


def _read(state: ServiceState, data: Mapping[str, Any], key: str, kind: Any) -> tuple[ServedEmbedder, EmbedRequest]:
    route = read_route(data)
    model = state.models.embedders.choose(route.model, route.language)
    asked = read_embed(data, model.template, state.limits, key, kind)
    state.models.language()  # not before everything is warm
    return model, asked


def _kind(data: Mapping[str, Any]) -> Literal["query", "document"]:
    said = f"{data.get('input_type') or ''} {data.get('task') or ''}"
    return "query" if "query" in said else "document"


async def _embed(state: ServiceState, request: Request, model: ServedEmbedder, asked: EmbedRequest) -> tuple[Rows, int]:
    tokens = await asyncio.to_thread(model.tokenize, asked.inputs, asked.kind)
    work = model.submit(tokens, None)
    until = time.monotonic() + state.limits.answer_s
    outcome = await finish(model.batcher, work, leaving(request), until)
    request.state.stages += [("queue", outcome.queue_s), ("embed_documents", outcome.busy_s)]
    state.metrics.embedded(model.manifest.name, len(asked.inputs), outcome)
    return outcome.rows.reshape(-1, model.dimension), sum(map(len, tokens))


def _list(row: Rows) -> list[float]:
    return [round(number, 7) for number in row.tolist()]


def _base64(row: Rows) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
