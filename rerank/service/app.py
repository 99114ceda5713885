"""The ASGI application: routes, who may use them, and what is counted and logged of each request."""

import logging
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rerank.errors import PolyrankError
from rerank.service import admin
from rerank.service.body import read_body_or_form
from rerank.service.embed_endpoint import PATHS as EMBEDDING_PATHS
from rerank.service.embed_endpoint import embed, embeddings
from rerank.service.faults import ClientLeft, NotReady, Unloaded, answer_error, answer_fault
from rerank.service.logs import AccessLog
from rerank.service.metrics import ServiceMetrics
from rerank.service.models import Models
from rerank.service.openapi import openapi
from rerank.service.requests import Limits
from rerank.service.rerank_dialects import PATHS as RERANK_PATHS
from rerank.service.rerank_endpoint import rerank
from rerank.service.score_cache import ScoreCache
from rerank.service.served import Served
from rerank.service.state import ServiceState
from rerank.service.tokens import Guard, Role
from rerank.service.traces import Tracer
from rerank.service.translate_endpoint import detect, languages, translate
from rerank.service.understand_endpoint import understand

log = logging.getLogger("rerank.service")

Endpoint = Callable[[ServiceState, Request], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]

Access = Role | Literal["all", "api_key"]
"""Which role a caller's token needs; `all`: none; `api_key`: use, and the token may also stand in the body."""

ENDPOINTS: tuple[tuple[str, str, Endpoint, Access], ...] = (
    ("POST", "/understand", understand, "use"),
    *(("POST", path, rerank, "use") for path in RERANK_PATHS),
    ("POST", "/embed", embed, "use"),
    *(("POST", path, embeddings, "use") for path in EMBEDDING_PATHS),
    ("POST", "/translate", translate, "api_key"),
    ("POST", "/detect", detect, "api_key"),
    ("GET", "/languages", languages, "all"),
)
"""Method, path, what answers, and who may ask. Admin endpoints are added where there are tokens."""

CACHE_BYTES = 32 * 1024 * 1024
"""180,000 scores: the first fifty products of 3,700 queries."""

REPLACED = 4
"""How often a request whose model was replaced or unloaded while it waited goes to what is there instead."""

ADMIN: tuple[tuple[str, str, Endpoint, Access], ...] = (
    ("POST", "/admin/models", admin.load, "admin"),
    ("POST", "/admin/models/{task}/{name}/reload", admin.reload, "admin"),
    ("DELETE", "/admin/models/{task}/{name}", admin.unload, "admin"),
)


class Service:
    """One running service: its state, who may use it, and what watches it."""

    def __init__(
        self,
        models: Models,
        limits: Limits | None = None,
        *,
        guard: Guard | None = None,
        access_log: bool = False,
        tracer: Tracer | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Take loaded models; the application warms them up when it starts. Without a `guard` everybody may ask."""
        metrics = ServiceMetrics()
        cache = ScoreCache(cache_bytes)
        self.state = ServiceState(models, limits or Limits(), metrics, cache)
        self.failure: PolyrankError | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self._guard = guard
        self._access_log = AccessLog() if access_log else None
        self._tracer = tracer or Tracer()
        self._compiling: subprocess.Popen[bytes] | None = None
        metrics.watch(self._pending)
        metrics.watch_cache(lambda: (cache.hits, cache.misses, cache.size_bytes))
        models.embedders.watch(self._count_batches)
        models.rerankers.watch(self._count_batches)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        endpoints = ENDPOINTS + (ADMIN if self._guard is not None else ())
        routes = [
            Route(path, self._observed(path, endpoint, access), methods=[method])
            for method, path, endpoint, access in endpoints
        ]
        routes += [
            Route("/models", self._guarded(self.list_models), methods=["GET"]),
            Route("/metrics", self._guarded(self.show_metrics), methods=["GET"]),
            Route("/openapi.json", self.show_openapi, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
        ]
        handlers: Any = {HTTPException: _http_error, Exception: _defect}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    async def health(self, request: Request) -> Response:
        """Answer GET /health: the process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Answer GET /ready: 200 once the models are warm, 503 before and while the service goes down."""
        if self.state.draining:
            return answer_fault(NotReady("the service is going down"))
        if not self.state.models.ready:
            return answer_fault(self.failure or NotReady("the models are warming up"))
        return JSONResponse({"status": "ready"})

    async def list_models(self, request: Request) -> Response:
        """Answer GET /models."""
        return JSONResponse({"models": self.state.models.describe()})

    async def show_metrics(self, request: Request) -> Response:
        """Answer GET /metrics in Prometheus' text format."""
        return Response(self.state.metrics.page(), media_type="text/plain; version=0.0.4")

    async def show_openapi(self, request: Request) -> Response:
        """Answer GET /openapi.json."""
        return JSONResponse(openapi(self.state.limits, tokens=self._guard is not None))

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        yield
        if self._compiling is not None:
            self._compiling.terminate()
            self._compiling.wait()
        self.state.query_lane.close()
        self.state.models.close()
        self._tracer.close()

    def _warm_up(self) -> None:
        models = self.state.models
        try:
            seconds = models.warm_up()
        except PolyrankError as error:
            self.failure = error
            self.on_failure()
            return
        log.info("ready after %.1f s", seconds)
        self._compiling = models.compile_dictionaries()
        if self._compiling is not None:
            self._compiling.wait()
        models.compiled()

    def _observed(self, path: str, endpoint: Endpoint, access: Access) -> Handler:
        """Return the handler: who asks, the answer or the error's, what is counted, traced and logged."""
        metrics = self.state.metrics

        async def observed(request: Request) -> Response:
            started, caller = time.perf_counter(), None
            request.state.stages = []
            with self._tracer.span(path, request.headers) as span:
                try:
                    caller = await self._caller(request, access)
                    response = await self._answer(endpoint, request)
                except ClientDisconnect:
                    response = answer_fault(ClientLeft("the caller hung up while sending"))
                except PolyrankError as error:
                    response = answer_fault(error, path)
                    span.fail(error)
                    if response.status_code == 500:
                        log.error("%s failed: %s", path, error)
                span.stages(request.state.stages)
                span.status(response.status_code)
            seconds = time.perf_counter() - started
            metrics.requests.labels(path, response.status_code).inc()
            metrics.request_seconds.labels(path).observe(seconds)
            if response.status_code == 429:
                metrics.degraded.labels(path, "shed").inc()
            if self.state.draining:
                response.headers["Connection"] = "close"
            if self._access_log is not None:
                self._access_log.write(request, path, response.status_code, seconds, caller)
            return response

        return observed

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        for _ in range(REPLACED):
            with suppress(Unloaded):
                return await endpoint(self.state, request)
        return await endpoint(self.state, request)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            try:
                await self._caller(request, "use")
            except PolyrankError as error:
                return answer_fault(error)
            return await handler(request)

        return guarded

    async def _caller(self, request: Request, access: Access) -> str | None:
        if self._guard is None or access == "all":
            return None
        authorization = request.headers.get("authorization")
        if access == "api_key" and authorization is None:
            authorization = f"Bearer {(await read_body_or_form(request, self.state.limits)).get('api_key', '')}"
        return self._guard.check(authorization, "admin" if access == "admin" else "use").name

    def _count_batches(self, model: Served) -> None:
        model.batcher.on_batch = self.state.metrics.batch(model.batcher.name)

    def _pending(self) -> dict[str, tuple[int, float]]:
        lane = self.state.query_lane
        models: list[Served] = [*self.state.models.embedders.all(), *self.state.models.rerankers.all()]
        queues = {model.batcher.name: (model.batcher.pending, model.batcher.wait_s()) for model in models}
        return {lane.name: (lane.pending, 0.0)} | queues


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path}: {getattr(error, 'detail', 'failed')}"
    return answer_error(status, "not_found" if status == 404 else "method_not_allowed", message)


async def _defect(request: Request, error: Exception) -> Response:
    return answer_error(500, "internal", "polyrank failed on this request; the service log has the details")
