"""The OpenAPI 3.1 description of the service, with the limits it runs under."""

from importlib.metadata import version
from typing import Any

from rerank.service.embed_endpoint import PATHS as EMBEDDING_PATHS
from rerank.service.openapi_schemas import ERROR, answers, requests
from rerank.service.requests import Limits

Json = dict[str, Any]

ERRORS = {
    400: "The body is not a JSON object",
    401: "No valid bearer token",
    403: "The token may not do this",
    404: "There is no such model",
    408: "The body did not arrive in time",
    413: "Over a limit",
    422: "A value is missing or wrong",
    429: "Too much is waiting; see Retry-After",
    503: "Not ready, going down, or the model is being replaced; see Retry-After",
}

SUMMARIES = {
    "/understand": "Language, translations, model query and vector of a query",
    "/rerank": "Rerank, Cohere's shape (v2); with `texts` text-embeddings-inference's",
    "/v1/rerank": "Rerank, Cohere's shape (v1)",
    "/v2/rerank": "Rerank, Cohere's shape (v2)",
    "/jina/v1/rerank": "Rerank, Jina's shape",
    "/voyage/v1/rerank": "Rerank, Voyage's shape",
    "/tei/rerank": "Rerank, text-embeddings-inference's shape",
    "/embed": "Vectors, text-embeddings-inference's shape",
    **dict.fromkeys(EMBEDDING_PATHS, "Vectors, OpenAI's shape, which Voyage's and Jina's clients read"),
    "/translate": "Translate, LibreTranslate's shape",
    "/detect": "Tell the language, LibreTranslate's shape",
}
"""POST paths of the models."""


def openapi(limits: Limits, *, tokens: bool) -> Json:
    """Return the description; `tokens`: the service asks for bearer tokens and has admin endpoints."""
    bodies, results = requests(limits), answers()
    paths: Json = {
        path: {"post": _operation(summary, results[path], body=bodies[path])} for path, summary in SUMMARIES.items()
    }
    paths |= {
        "/languages": {
            "get": _operation("Languages and their targets", results["/languages"], errors=(503,), open_to_all=True)
        },
        "/models": {"get": _operation("The loaded models", results["/models"], errors=())},
        "/health": {"get": _operation("The process lives", results["/health"], errors=(), open_to_all=True)},
        "/ready": {"get": _operation("The models are warm", results["/health"], errors=(503,), open_to_all=True)},
        "/metrics": {"get": _metrics()},
    }
    if tokens:
        paths |= _admin(bodies, results)
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "polyrank model service", "version": version("polyrank")},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
    }
    if tokens:
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}]
        for item in paths.values():
            for operation in item.values():
                if "security" not in operation:
                    operation["responses"] |= {str(code): _error(ERRORS[code]) for code in (401, 403)}
    return document


def _operation(
    summary: str,
    answer: Json,
    *,
    body: Json | None = None,
    errors: tuple[int, ...] = (400, 408, 413, 422, 429, 503),
    status: int = 200,
    open_to_all: bool = False,
) -> Json:
    responses: Json = {str(status): {"description": "The answer", "content": {"application/json": {"schema": answer}}}}
    responses |= {str(code): _error(ERRORS[code]) for code in errors}
    operation: Json = {"summary": summary, "responses": responses}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if open_to_all:
        operation["security"] = []
    return operation


def _error(description: str) -> Json:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _metrics() -> Json:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {"summary": "Prometheus", "responses": {"200": {"description": "Metrics", "content": text}}}


def _admin(bodies: Json, results: Json) -> Json:
    model, errors = results["/admin/models"], (400, 404, 408, 413, 422, 503)
    parameters = [
        {"name": "task", "in": "path", "required": True, "schema": {"type": "string", "enum": ["embed", "rerank"]}},
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"}},
    ]
    load = _operation("Load a bundle", model, body=bodies["/admin/models"], errors=errors, status=201)
    again = _operation("Load a bundle again", model, errors=(404, 422)) | {"parameters": parameters}
    gone = _operation("Unload a model", results["unloaded"], errors=(404, 422)) | {"parameters": parameters}
    return {
        "/admin/models": {"post": load},
        "/admin/models/{task}/{name}/reload": {"post": again},
        "/admin/models/{task}/{name}": {"delete": gone},
    }
