"""The ASGI application: endpoints, each parse -> one lane -> answer."""

import json
import logging
import subprocess
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rerank.errors import PolyrankError
from rerank.service.faults import ClientLeft, MalformedRequest, NotReady, TooLarge, answer_error, answer_fault
from rerank.service.lane import Lane
from rerank.service.metrics import ServiceMetrics
from rerank.service.models import Models, score
from rerank.service.requests import Limits, RerankRequest, read_embed, read_json, read_question, read_rerank

log = logging.getLogger("rerank.service")
Handler = Callable[[Request], Awaitable[Response]]


class Service:
    """One running service: models, lanes, metrics and limits."""

    def __init__(self, models: Models, limits: Limits | None = None, *, access_log: bool = False) -> None:
        """Take loaded models; the application warms them up when it starts."""
        self.models = models
        self.limits = limits or Limits()
        self.metrics = ServiceMetrics()
        self.query_lane = Lane("query", workers=1, waiting=64)
        self.rerank_lane = Lane("rerank", workers=1, waiting=16)
        self.embed_lane = Lane("embed", workers=1, waiting=16)
        for lane in (self.query_lane, self.rerank_lane, self.embed_lane):
            self.metrics.pending.labels(lane.name).set_function(partial(getattr, lane, "pending"))
        self.failure: PolyrankError | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self._access_log = access_log
        self._compiling: subprocess.Popen[bytes] | None = None

    def app(self) -> Starlette:
        """Return the ASGI application."""
        post = {
            "/understand": self.understand,
            "/rerank": self.rerank,
            "/v1/rerank": self.rerank,
            "/v2/rerank": self.rerank,
            "/embed": self.embed,
        }
        get = {"/health": self.health, "/ready": self.ready, "/models": self.list_models, "/metrics": self.show_metrics}
        routes = [Route(path, self._observed(path, handler), methods=["POST"]) for path, handler in post.items()]
        routes += [Route(path, handler, methods=["GET"]) for path, handler in get.items()]
        handlers: Any = {HTTPException: _http_error, Exception: _defect}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        yield
        if self._compiling is not None:
            self._compiling.terminate()
            self._compiling.wait()
        for lane in (self.query_lane, self.rerank_lane, self.embed_lane):
            lane.close()

    def _warm_up(self) -> None:
        try:
            seconds = self.models.warm_up()
        except PolyrankError as error:
            self.failure = error
            self.on_failure()
            return
        log.info("ready after %.1f s", seconds)
        self._compiling = self.models.compile_dictionaries()

    def _observed(self, endpoint: str, handler: Handler) -> Handler:
        async def observed(request: Request) -> Response:
            started = time.perf_counter()
            try:
                response = await handler(request)
            except ClientDisconnect:
                response = answer_fault(ClientLeft("the caller hung up while sending"))
            except PolyrankError as error:
                response = answer_fault(error)
                if response.status_code == 500:
                    log.error("%s failed: %s", endpoint, error)
            seconds = time.perf_counter() - started
            self.metrics.requests.labels(endpoint, response.status_code).inc()
            self.metrics.request_seconds.labels(endpoint).observe(seconds)
            if self._access_log:
                line = {"endpoint": endpoint, "status": response.status_code, "ms": round(seconds * 1000, 2)}
                log.info(json.dumps(line))
            return response

        return observed

    async def _body(self, request: Request) -> Any:
        declared = request.headers.get("content-length", "0")
        limit = self.limits.body_bytes
        if declared.isdigit() and int(declared) > limit:
            raise TooLarge(f"the body may have {limit} bytes, got {declared}")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge(f"the body may have {limit} bytes")
        if not body:
            raise MalformedRequest("the body is empty; send JSON")
        return read_json(bytes(body))

    async def understand(self, request: Request) -> Response:
        """Answer POST /understand."""
        question = read_question(await self._body(request), self.limits)
        understander = self.models.understander
        if understander is None:
            raise NotReady("the models are warming up")
        found = await self.query_lane.run(lambda: understander.understand(question), request.is_disconnected)
        for stage, seconds in found.seconds.items():
            self.metrics.stage_seconds.labels(stage).observe(seconds)
        answer: dict[str, Any] = {
            "language": {"code": found.language.language, "confidence": round(found.language.confidence, 4)},
            "translations": {
                code: {"text": item.text, "engine": item.engine, "confidence": round(item.confidence, 4)}
                for code, item in found.translations.items()
            },
            "model_query": found.model_query,
            "expansion": [],
            "embedder": self.models.embedder.fingerprint,
        }
        if found.vector is not None:
            answer["vector"] = found.vector
        return JSONResponse(answer)

    async def rerank(self, request: Request) -> Response:
        """Answer POST /rerank, /v1/rerank and /v2/rerank."""
        body, reranker = await self._body(request), self.models.reranker
        if reranker is None:
            raise NotReady("this instance has no reranker; start it with --reranker BUNDLE")
        asked = read_rerank(body, reranker.template, self.limits)
        if self.models.understander is None:
            raise NotReady("the models are warming up")
        started = time.perf_counter()
        scores, tokens, seconds = await self.rerank_lane.run(
            lambda: score(reranker, asked.query, asked.texts), request.is_disconnected
        )
        self.metrics.stage_seconds.labels("rerank").observe(seconds)
        self.metrics.stage_seconds.labels("queue").observe(time.perf_counter() - started - seconds)
        self.metrics.pairs.inc(len(asked.texts))
        self.metrics.tokens.inc(tokens)
        version = "1" if request.url.path.startswith("/v1") else "2"
        meta = {
            "api_version": {"version": version},
            "billed_units": {"search_units": 1},
            "model": reranker.manifest.name,
            "fingerprint": reranker.fingerprint,
            "tokens": tokens,
            "ms": round(seconds * 1000, 2),
        }
        return JSONResponse({"id": str(uuid.uuid4()), "results": _results(asked, scores), "meta": meta})

    async def embed(self, request: Request) -> Response:
        """Answer POST /embed in the shape of text-embeddings-inference."""
        models = self.models
        asked = read_embed(await self._body(request), models.embedder.template, self.limits)
        if models.understander is None:
            raise NotReady("the models are warming up")
        rows = await self.embed_lane.run(lambda: models.embed(asked.inputs, asked.kind), request.is_disconnected)
        self.metrics.texts.inc(len(asked.inputs))
        return JSONResponse(rows)

    async def health(self, request: Request) -> Response:
        """Answer GET /health: the process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Answer GET /ready: 200 once the models are warm, 503 before."""
        if self.models.understander is None:
            return answer_fault(self.failure or NotReady("the models are warming up"))
        return JSONResponse({"status": "ready"})

    async def list_models(self, request: Request) -> Response:
        """Answer GET /models."""
        return JSONResponse({"models": self.models.describe()})

    async def show_metrics(self, request: Request) -> Response:
        """Answer GET /metrics in Prometheus' text format."""
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4")


def _results(asked: RerankRequest, scores: Any) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")[: asked.top_n]
    results: list[dict[str, Any]] = []
    for index in order.tolist():
        result = {"index": index, "relevance_score": round(float(scores[index]), 6)}
        if asked.return_documents:
            document = asked.documents[index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    return results


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path}: {getattr(error, 'detail', 'failed')}"
    return answer_error(status, "not_found" if status == 404 else "method_not_allowed", message)


async def _defect(request: Request, error: Exception) -> Response:
    return answer_error(500, "internal", "polyrank failed on this request; the service log has the details")
