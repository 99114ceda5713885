"""What the engine tests share: a scripted service behind the node, small indices, and one way to search them."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from tests.node.fake_service import FINGERPRINT, FakeService

Json = dict[str, Any]
DIMENSION = 8
COLOURS = ("red", "blue", "green")
BRANDS = ("Ikea", "Flos", "Artemide", "Anglepoise")


class Rig:
    """Speaks plain HTTP to the node, as any client would."""

    def __init__(self, url: str, service: FakeService) -> None:
        self.url = url
        self.service = service
        self.http = httpx.Client(base_url=url, timeout=60)

    def call(self, method: str, path: str, body: object = None, **params: Any) -> Json:
        """Send JSON, expect success, return the answer."""
        answer = self.http.request(method, path, json=body, params=params)
        assert answer.status_code < 300, answer.text
        found: Json = answer.json()
        return found

    def use(self, *urls: str, failures: int | None = None, cooldown: str | None = None) -> None:
        """Point the node at these model services, with closed breakers."""
        clear: Json = {"polyrank.service.urls": None}
        self.call("PUT", "/_cluster/settings", {"persistent": clear})
        settings = {
            "polyrank.service.urls": list(urls),
            "polyrank.service.breaker.failures": failures,
            "polyrank.service.breaker.cooldown": cooldown,
        }
        self.call("PUT", "/_cluster/settings", {"persistent": settings})

    def services(self) -> list[str]:
        """The model services the node is pointed at."""
        found = self.call("GET", "/_cluster/settings", flat_settings="true")["persistent"]
        return list(found.get("polyrank.service.urls", []))

    def pipeline(self, name: str = "shop", **changes: Any) -> str:
        """Install the tests' pipeline with these keys changed; None leaves a key out. Return its name."""
        config: Json = {
            "languages": ["en", "de"],
            "retrievers": [{"lexical": {}}, {"knn": {"field": "embedding"}}],
            "window": 50,
            "deadline_ms": 5000,
        }
        config |= changes
        config = {key: value for key, value in config.items() if value is not None}
        self.call("PUT", f"/_search/pipeline/{name}", pipeline_body(config))
        return name

    def search(self, body: Json, index: str = "shop", pipeline: str = "shop", **params: Any) -> Json:
        """Search through the pipeline; the answer must be a 200."""
        return self.call("POST", f"/{index}/_search", body, search_pipeline=pipeline, **params)

    def plain(self, body: Json, index: str = "shop", **params: Any) -> Json:
        """Search without any pipeline."""
        return self.search(body, index, "_none", **params)

    def index(self, name: str, documents: Iterable[Json], *, refresh_every: int = 0, **changes: Any) -> None:
        """Make an index anew and fill it; a document's `_id` is taken out of it."""
        self.http.delete(f"/{name}")
        self.call("PUT", f"/{name}", index_body(**changes))
        lines: list[str] = []
        for number, document in enumerate(documents, 1):
            fields = dict(document)
            lines += [json.dumps({"index": {"_id": fields.pop("_id")}}), json.dumps(fields)]
            if refresh_every and number % refresh_every == 0:
                self._bulk(name, lines)
                lines = []
        if lines:
            self._bulk(name, lines)

    def _bulk(self, name: str, lines: list[str]) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        content = "\n".join(lines) + "\n"
        answer = self.http.post(f"/{name}/_bulk", content=content, headers=headers, params={"refresh": "true"})
        assert not answer.json()["errors"], answer.text


def pipeline_body(config: Mapping[str, Any]) -> Json:
    """A search pipeline of ours."""
    return {
        "request_processors": [{"hybrid_rerank": dict(config)}],
        "response_processors": [{"polyrank_response": {}}],
    }


def index_body(
    *,
    shards: int = 3,
    fingerprint: str | None = FINGERPRINT,
    dimension: int = DIMENSION,
    picture_dimension: int = 4,
    vectors: bool = True,
) -> Json:
    """Settings and mapping of a small shop."""
    properties: Json = {
        "title": {"type": "text"},
        "title_de": {"type": "text"},
        "brand": {"type": "keyword"},
        "colour": {"type": "keyword"},
        "price": {"type": "double"},
        "family": {"type": "keyword"},
        "reviews": {"type": "nested", "properties": {"author": {"type": "keyword"}, "stars": {"type": "integer"}}},
    }
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    if vectors:
        properties["embedding"] = {"type": "knn_vector", "dimension": dimension, "method": method}
        properties["picture"] = {"type": "knn_vector", "dimension": picture_dimension, "method": method}
    named = {"fingerprint": fingerprint, "dimension": dimension}
    meta: Json = {"polyrank": {"vectors": {"embedding": named, "picture": named}}} if fingerprint else {}
    return {
        "settings": {"index": {"knn": True, "number_of_shards": shards, "number_of_replicas": 0}},
        "mappings": {"_meta": meta, "properties": properties},
    }


def lamps(count: int = 120, seed: int = 7) -> list[Json]:
    """Products: every second one says "lamp", one in three "desk", one in ten nothing that the tests search for."""
    draw = random.Random(seed)
    documents = []
    for i in range(count):
        words = [w for w, every in (("lamp", 2), ("desk", 3), ("reading", 5)) if i % every == 0] or ["chair"]
        documents.append(
            {
                "_id": str(i),
                "title": " ".join(words * (1 + i % 3) + ["item"] * (i % 7) + [f"number{i}"]),
                "title_de": "leuchte" if "chair" in words else "stuhl",
                "brand": BRANDS[i % len(BRANDS)],
                "colour": COLOURS[i % len(COLOURS)],
                "price": 10.0 + i,
                "family": f"family{i // 4}",
                "reviews": [{"author": f"author{i % 3}", "stars": i % 5}],
                "embedding": [draw.gauss(0, 1) for _ in range(DIMENSION)],
                "picture": [draw.gauss(0, 1) for _ in range(4)],
            }
        )
    return documents


def ids(answer: Json) -> list[str]:
    """The ids of the page."""
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def told(answer: Json) -> Json:
    """The section of polyrank in a response."""
    section: Json = answer["ext"]["polyrank"]
    return section


def knn(vector: list[float], k: int = 50, field: str = "embedding") -> Json:
    """A plain kNN query, to compare with."""
    return {"knn": {field: {"vector": vector, "k": k}}}


def fuse(rankings: Iterable[tuple[float, list[str]]], rank_constant: int = 60) -> dict[str, float]:
    """Reciprocal rank fusion by its formula, as an oracle: id to score, best first."""
    scores: dict[str, list[float]] = {}
    for weight, ranking in rankings:
        for rank, document in enumerate(ranking, 1):
            scores.setdefault(document, []).append(weight / (rank_constant + rank))
    sums = {document: math.fsum(shares) for document, shares in scores.items()}
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
