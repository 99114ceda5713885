"""JSON schemas of what the service reads and answers, for the OpenAPI description."""

from typing import Any

from rerank.service.embed_endpoint import PATHS as EMBEDDING_PATHS
from rerank.service.question import MAX_LANGUAGES
from rerank.service.requests import LANGUAGE, Limits
from rerank.understanding.expansion import KINDS
from rerank.understanding.understand import ATTRIBUTES, WANTS

Json = dict[str, Any]

STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 1}
FLAG: Json = {"type": "boolean"}
CODE: Json = {"type": "string", "pattern": f"^{LANGUAGE.pattern}$"}
USES = ["filter", "boost", "ignored"]
NAMES: Json = {"type": "array", "items": STRING}
VECTOR: Json = {"type": "array", "items": NUMBER}

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "object", "required": ["code", "message"], "properties": {"code": STRING, "message": STRING}}
    },
}


def record(required: dict[str, Json], optional: dict[str, Json] | None = None) -> Json:
    """Return the schema of an object; other keys are allowed."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


def array(items: Json, **limits: int) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **limits}


def nullable(schema: Json) -> Json:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def requests(limits: Limits) -> dict[str, Json]:
    """Return the schema of each body."""
    query = {"type": "string", "minLength": 1, "maxLength": limits.query_characters}
    text = {"type": "string", "minLength": 1, "maxLength": limits.text_characters}
    fields = {"type": "object", "additionalProperties": STRING, "properties": {"title": STRING, "text": STRING}}
    documents = array({"anyOf": [STRING, fields]}, minItems=1, maxItems=limits.documents)
    route = {"model": nullable(STRING), "language": nullable(CODE)}
    ours = {
        "rank_fields": nullable(NAMES),
        "deadline_ms": nullable(COUNT),
        "anytime": nullable(FLAG),
        "cache": nullable(FLAG),
    }
    returned = {"return_documents": nullable(FLAG)}
    cohere = record({"query": query, "documents": documents}, {"top_n": nullable(COUNT), **returned, **ours, **route})
    voyage = record({"query": query, "documents": documents}, {"top_k": nullable(COUNT), **returned, **ours, **route})
    tei = record({"query": query, "texts": documents}, {"return_text": nullable(FLAG), **ours, **route})
    inputs = {"anyOf": [STRING, array({"anyOf": [STRING, fields]}, maxItems=limits.inputs)]}
    understand = {
        "languages": nullable(array(CODE, maxItems=MAX_LANGUAGES)),
        "want": nullable(array({"type": "string", "enum": [*WANTS, ATTRIBUTES]})),
        "expand": nullable(array({"type": "string", "enum": list(KINDS)})),
        "schema": nullable({"type": "object", "additionalProperties": STRING}),
        "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "locale": nullable(CODE),
        "vocabulary": nullable(STRING),
        "deadline_ms": nullable(COUNT),
        "model": nullable(STRING),
        "reranker": nullable(STRING),
    }
    encoding = {"enum": ["float", "base64"]}
    embeddings = record({"input": inputs}, {"encoding_format": encoding, "input_type": nullable(STRING), **route})
    return {
        "/understand": record({"query": query}, understand),
        "/rerank": {"anyOf": [cohere, tei]},
        "/v1/rerank": cohere,
        "/v2/rerank": cohere,
        "/jina/v1/rerank": cohere,
        "/voyage/v1/rerank": voyage,
        "/tei/rerank": tei,
        "/embed": record({"inputs": inputs}, {"kind": {"enum": ["query", "document"]}, **route}),
        **dict.fromkeys(EMBEDDING_PATHS, embeddings),
        "/translate": record(
            {"q": {"anyOf": [text, array(text, maxItems=limits.inputs)]}, "source": STRING, "target": CODE},
            {"format": {"enum": ["text"]}},
        ),
        "/detect": record({"q": text}),
        "/admin/models": record({"bundle": STRING}, {"default": FLAG}),
    }


def answers() -> dict[str, Json]:
    """Return the schema of each answer."""
    scored = record({"index": {"type": "integer"}, "relevance_score": NUMBER})
    cohere = record({"id": STRING, "results": array(scored), "meta": {"type": "object"}})
    jina = record({"model": STRING, "object": STRING, "usage": {"type": "object"}, "results": array(scored)})
    voyage = record({"model": STRING, "object": STRING, "usage": {"type": "object"}, "data": array(scored)})
    tei = array(record({"index": {"type": "integer"}, "score": NUMBER}))
    understanding = {
        "language": record({"code": STRING, "confidence": NUMBER}),
        "translations": {"type": "object"},
        "model_query": STRING,
        "expansion": array(
            record({"text": STRING, "of": STRING, "language": STRING, "source": STRING, "weight": NUMBER})
        ),
        "embedder": STRING,
        "read": record({"embedder": NUMBER}, {"reranker": NUMBER}),
    }
    proposal = record(
        {"name": STRING, "text": STRING, "value": STRING, "confidence": NUMBER, "use": {"enum": USES}},
        {"field": nullable(STRING), "clause": nullable({"type": "object"}), "reason": nullable(STRING)},
    )
    vector = {"anyOf": [VECTOR, STRING]}
    item = record({"object": STRING, "index": {"type": "integer"}, "embedding": vector})
    detected = record({"language": STRING, "confidence": NUMBER})
    usage = {"usage": {"type": "object"}}
    embeddings = record({"object": STRING, "data": array(item), "model": STRING, **usage})
    return {
        "/understand": record(understanding, {"vector": VECTOR, "attributes": array(proposal)}),
        "/rerank": {"anyOf": [cohere, tei]},
        "/v1/rerank": cohere,
        "/v2/rerank": cohere,
        "/jina/v1/rerank": jina,
        "/voyage/v1/rerank": voyage,
        "/tei/rerank": tei,
        "/embed": array(VECTOR),
        **dict.fromkeys(EMBEDDING_PATHS, embeddings),
        "/translate": record({key: {"anyOf": [STRING, NAMES]} for key in ("translatedText", "engine")}),
        "/detect": array(detected),
        "/languages": array(record({"code": STRING, "name": STRING, "targets": NAMES})),
        "/models": record({"models": {"type": "array"}}),
        "/health": record({"status": STRING}),
        "/admin/models": record({"name": STRING, "task": STRING, "fingerprint": STRING}),
        "unloaded": record({"unloaded": STRING}),
    }
