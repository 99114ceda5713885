"""The search pipeline as data: what `hybrid_rerank` is told, its variants for evaluation, and how it is installed."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from plugin.analyzers import UNDETERMINED
from plugin.client import OpenSearch, cluster_errors
from plugin.errors import ClusterError
from plugin.index import DEFAULT_LANGUAGES, REPLACED_BY, VECTOR_FIELD, vectors_of

PROCESSOR = "hybrid_rerank"
Technique = Literal["rrf", "min_max", "z_score", "convex"]
Normalization = Literal["min_max", "none", "rrf"]
System = Literal["knn", "hybrid", "reranked"]


class PipelineError(ClusterError):
    """There is no such search pipeline, or it is not one of ours."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """How the cross-encoder takes part: final = weight * N(cross-encoder) + (1 - weight) * N(fused) over `window`."""

    window: int = 50
    weight: float = 0.3
    normalization: Normalization = "none"
    model_languages: tuple[str, ...] = ("en",)

    def body(self, languages: Sequence[str]) -> dict[str, Any]:
        """Return the `rerank` section; texts in the model's languages are read before all others."""
        order = dict.fromkeys([*self.model_languages, *languages, UNDETERMINED])
        fields: dict[str, list[str]] = {
            field: [f"{field}.{language}" for language in order] for field in ("title", "attributes", "text")
        }
        fields |= {"brand": ["brand"], "category": ["category"]}
        return {
            "window": self.window,
            "weight": self.weight,
            "normalization": self.normalization,
            "document_fields": fields,
        }


@dataclass(frozen=True, slots=True)
class Unread:
    """What becomes of a query of which a model reads less than the share `min_read`: it is in none of the model's
    languages and was not translated. The kNN weights are multiplied by `knn_factor`; it is not reranked."""

    min_read: float = 0.1
    knn_factor: float = 0.15
    rerank: bool = False


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """A search pipeline. Weights are relative; `k` and the windows count documents; `vector_fields` empty: no kNN;
    `rerank` None: fused order is final."""

    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    vocabulary: str | None = None
    lexical_weight: float = 0.4
    translated_weight: float = 0.4
    translated_fields: tuple[str, ...] = ("title.{lang}^1.5", "attributes.{lang}", "text.{lang}^1.5", "brand")
    vector_fields: tuple[str, ...] = (VECTOR_FIELD,)
    vector_weight: float = 0.6
    k: int = 100
    window: int = 100
    technique: Technique = "min_max"
    rank_constant: int = 60
    unread: Unread = Unread()
    rerank: Rerank | None = Rerank()
    deadline_ms: int = 500

    def body(self) -> dict[str, Any]:
        """Return the body of the search pipeline."""
        retrievers: list[dict[str, Any]] = [
            {"lexical": {"weight": self.lexical_weight}},
            {
                "translated": {
                    "weight": self.translated_weight,
                    "fields": list(self.translated_fields),
                    "type": "cross_fields",
                }
            },
        ]
        for field in self.vector_fields:
            retrievers.append({"knn": {"field": field, "weight": self.vector_weight, "k": self.k}})
        combination: dict[str, Any] = {"technique": self.technique}
        if self.technique == "rrf":
            combination["rank_constant"] = self.rank_constant
        processor = {
            "languages": list(self.languages),
            "retrievers": retrievers,
            "window": self.window,
            "combination": combination,
            "unread": asdict(self.unread),
            "deadline_ms": self.deadline_ms,
        }
        if self.vocabulary:
            processor["vocabulary"] = self.vocabulary
        if self.rerank:
            processor["rerank"] = self.rerank.body(self.languages)
        return {
            "description": "polyrank: hybrid, multilingual and reranked search",
            "request_processors": [{PROCESSOR: processor}],
            "phase_results_processors": [{"polyrank_page": {}}],
            "response_processors": [{"polyrank_response": {}}],
        }


def config_for(meta: Mapping[str, Any], vocabulary: str | None) -> PipelineConfig:
    """Return the default pipeline for an index.

    Args:
        meta: its `_meta.polyrank`; the languages and vector fields it names are searched, without fields of
            models that were replaced. Image vectors are searched when the text embedder shares their space: a query's
            vector says nothing of others.
        vocabulary: alias whose catalogue statistics choose among translations.

    Raises:
        PipelineError: `meta` is not that of an index polyrank made.
    """
    if "languages" not in meta:
        raise PipelineError("the index was not made by polyrank: its mapping has no _meta.polyrank; see `ingest run`")
    texts, images = (
        {name: one for name, one in vectors_of(meta, kind).items() if REPLACED_BY not in one}
        for kind in ("text", "image")
    )
    spaces = [one["fingerprint"] for one in texts.values() if "fingerprint" in one]
    fields = [*texts, *(name for name, one in images.items() if one["fingerprint"] in spaces)]
    return PipelineConfig(languages=tuple(meta["languages"]), vocabulary=vocabulary, vector_fields=tuple(fields))


def variant(body: Mapping[str, Any], system: System) -> dict[str, Any]:
    """Return a pipeline with stages left out, to be sent inline with a search.

    `knn` keeps only the kNN retrievers and does not rerank, `hybrid` does not rerank, `reranked` is the whole.

    Raises:
        PipelineError: the pipeline is not one of ours, or `knn` is asked of one without vectors.
    """
    reduced = copy.deepcopy(dict(body))
    processor = processor_of(reduced)
    if system == "reranked":
        return reduced
    processor.pop("rerank", None)
    if system == "knn":
        processor["retrievers"] = [one for one in processor["retrievers"] if "knn" in one]
        if not processor["retrievers"]:
            raise PipelineError("the search pipeline has no knn retriever, so there is no vector ranking to show")
    return reduced


def processor_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the pipeline's `hybrid_rerank`, to read or to change.

    Raises:
        PipelineError: the pipeline is not one of ours.
    """
    for entry in body.get("request_processors", []):
        if PROCESSOR in entry:
            processor: dict[str, Any] = entry[PROCESSOR]
            return processor
    raise PipelineError(f"the search pipeline has no {PROCESSOR} processor; `plugin pipelines install` writes one")


def install_pipeline(client: OpenSearch, name: str, config: PipelineConfig) -> None:
    """Write the search pipeline `name`, replacing any of that name.

    Raises:
        ClusterError: the cluster cannot be reached, or its nodes lack the polyrank plugin.
    """
    put_pipeline(client, name, config.body())


def put_pipeline(client: OpenSearch, name: str, body: Mapping[str, Any]) -> None:
    """Write a search pipeline's body as it is.

    Raises:
        ClusterError: the cluster cannot be reached, or refuses the body.
    """
    with cluster_errors(f"install the search pipeline {name}"):
        client.search_pipeline.put(id=name, body=dict(body))


def find_pipeline(client: OpenSearch, name: str) -> dict[str, Any] | None:
    """Return the body of a search pipeline, or None when there is none of that name."""
    with cluster_errors(f"read the search pipeline {name}"):
        found = client.search_pipeline.get(id=name, params={"ignore": 404}).get(name)
    return None if found is None else dict(found)


def read_pipeline(client: OpenSearch, name: str) -> dict[str, Any]:
    """Return the body of a search pipeline.

    Raises:
        PipelineError: there is none of that name.
    """
    body = find_pipeline(client, name)
    if body is None:
        raise PipelineError(f"there is no search pipeline {name}; `plugin pipelines install {name}` writes one")
    return body
