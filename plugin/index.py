"""The index behind an alias: mapping with one analyzed sub-field per language, and `_meta` that says which model's
vectors it holds. Vectors of two models are never mixed in one field: each model has a field of its own."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plugin.analyzers import UNDETERMINED, analysis_settings, analyzer_name
from plugin.client import OpenSearch, cluster_errors
from plugin.errors import ClusterError

SCHEMA_VERSION = 1
DEFAULT_LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt", "pl", "sv", "ja", "zh")
TEXT_FIELDS = ("title", "text", "attributes")
VECTOR_FIELD = "embedding"
IMAGE_FIELD = "image_embedding"
REPLACED_BY = "replaced_by"
"""Says in `_meta.polyrank.vectors` of a field that another model's field took its place."""
MAX_ATTRIBUTE_CHARS = 8000
"""A longer raw attribute is kept in `_source` and not indexed: a Lucene term ends at 32,766 bytes."""

ALIAS_NAME = re.compile(r"(?!\.{1,2}$)[^\W_A-Z\-+.][^\sA-Z\\/*?\"<>|,#:]{0,200}")


class IndexConflictError(ClusterError):
    """The name is taken by something that polyrank must not write to, or holds another model's vectors."""


@dataclass(frozen=True, slots=True)
class VectorField:
    """Where vectors come from: the fingerprint that a query's vector must have to be compared with them, their length,
    and the bundle's name for people.

    Of images: `encoder` is the fingerprint of what made them, empty when the feed brings them.
    """

    fingerprint: str
    dimension: int
    bundle: str
    of: Literal["text", "image"] = "text"
    encoder: str = ""

    def mapping(self) -> dict[str, Any]:
        """Return the mapping of the field that holds them."""
        method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"}
        return {"type": "knn_vector", "dimension": self.dimension, "method": method}

    def meta(self) -> dict[str, Any]:
        """Return what `_meta.polyrank.vectors` says of the field."""
        meta = {"fingerprint": self.fingerprint, "dimension": self.dimension, "bundle": self.bundle}
        return meta | ({"of": self.of, "encoder": self.encoder} if self.of == "image" else {})

    @property
    def name(self) -> str:
        """The name of the first field of its kind."""
        return IMAGE_FIELD if self.of == "image" else VECTOR_FIELD


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """What an index serves. `languages` BCP 47; `vector` and `image` (of the pictures) None: no vectors; `replicas`
    None: one where there is a second node, none otherwise."""

    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    vector: VectorField | None = None
    shards: int = 1
    replicas: int | None = None
    image: VectorField | None = None

    @property
    def vector_fields(self) -> list[VectorField]:
        """All vectors of a document, those of texts first."""
        return [one for one in (self.vector, self.image) if one is not None]

    def body(self) -> dict[str, Any]:
        """Return the body that creates the index: settings and mapping."""
        replicas = {"auto_expand_replicas": "0-1"} if self.replicas is None else {"number_of_replicas": self.replicas}
        settings = {"number_of_shards": self.shards, "knn": bool(self.vector_fields), **replicas}
        return {"settings": {"index": settings, "analysis": analysis_settings()}, "mappings": self.mapping()}

    def mapping(self) -> dict[str, Any]:
        """Return the mapping, `_meta.polyrank` included."""
        properties: dict[str, Any] = {field: _language_object(self.languages) for field in TEXT_FIELDS}
        for field in ("brand", "category"):
            keyword = {"type": "keyword", "ignore_above": 512}
            analyzer = analyzer_name(UNDETERMINED)
            properties[field] = {"type": "text", "analyzer": analyzer, "fields": {"keyword": keyword}}
        for field in ("currency", "gtin", "language", "measures", "mpn"):
            properties[field] = {"type": "keyword"}
        properties["price"] = {"type": "double"}
        properties["attrs"] = {"type": "flat_object"}
        properties["translations"] = {"type": "object", "enabled": False}
        properties |= {one.name: one.mapping() for one in self.vector_fields}
        return {"dynamic": False, "_meta": {"polyrank": self.meta()}, "properties": properties}

    def meta(self) -> dict[str, Any]:
        """Return what `_meta.polyrank` says of schema, languages and vectors."""
        vectors = {one.name: one.meta() for one in self.vector_fields}
        return {"schema_version": SCHEMA_VERSION, "languages": list(self.languages), "vectors": vectors}


def _language_object(languages: Sequence[str]) -> dict[str, Any]:
    codes = dict.fromkeys([*languages, UNDETERMINED])
    return {
        "type": "object",
        "dynamic": False,
        "properties": {code: {"type": "text", "analyzer": analyzer_name(code)} for code in codes},
    }


def ensure_index(
    client: OpenSearch, alias: str, spec: IndexSpec, *, tell: Callable[[str], None] = lambda message: None
) -> str:
    """Return the index behind `alias`, created as `alias-000001` when there is none.

    An index of ours is kept; languages it does not serve yet, and a vector field for a model that it has no vectors
    of, are added to its mapping. Does not touch documents.

    Args:
        client: as `plugin.client.connect` returns.
        alias: the name that clients search.
        spec: what the index must serve.
        tell: told that the model is another one now.

    Raises:
        IndexConflictError: the name is an index of its own or an alias of a foreign one, points at several indices,
            or the index has vectors and the spec none, or the other way round.
        ClusterError: the cluster cannot be reached or refuses.
    """
    check_alias_name(alias)
    with cluster_errors(f"open {alias}"):
        if client.indices.exists_alias(name=alias):
            concrete = _behind_alias(alias, client.indices.get_alias(name=alias))
            _extend(client, alias, concrete, spec, tell)
            return concrete
        if client.indices.exists(index=alias):
            raise IndexConflictError(
                f"{alias} is an index, not an alias; polyrank writes to {alias}-000001 behind an alias:"
                f" choose another --index name, or delete or rename the index {alias}"
            )
        concrete = f"{alias}-000001"
        if client.indices.exists(index=concrete):
            raise IndexConflictError(
                f"the index {concrete} exists but no alias {alias} points at it;"
                f" add the alias, delete the index, or choose another --index name"
            )
        client.indices.create(index=concrete, body={**spec.body(), "aliases": {alias: {"is_write_index": True}}})
    return concrete


def check_alias_name(alias: str) -> None:
    """Check that OpenSearch would take `alias` and `alias-000001` as names.

    Raises:
        IndexConflictError: it would not.
    """
    if not ALIAS_NAME.fullmatch(alias):
        raise IndexConflictError(
            f"{alias!r} cannot name an index: use lower-case letters, digits, - and _, a letter or digit first"
        )


def _behind_alias(alias: str, indices: Mapping[str, Any]) -> str:
    writable = [name for name, entry in indices.items() if entry["aliases"][alias].get("is_write_index")]
    candidates = writable or list(indices)
    if len(candidates) != 1:
        raise IndexConflictError(
            f"the alias {alias} points at {', '.join(sorted(indices))} and none is its write index;"
            f" set is_write_index on the one to fill"
        )
    return candidates[0]


def read_meta(client: OpenSearch, index: str) -> dict[str, Any]:
    """Return `_meta.polyrank` of an index or of the one index behind an alias; empty when it is not ours.

    Raises:
        ClusterError: there is no such index.
    """
    with cluster_errors(f"read the mapping of {index}"):
        answer = client.indices.get_mapping(index=index)
    meta = next(iter(answer.values()))["mappings"].get("_meta", {}).get("polyrank", {})
    return dict(meta)


def find_index(client: OpenSearch, alias: str) -> str | None:
    """Return the index behind `alias` that runs write to; None when there is no such alias.

    Raises:
        IndexConflictError: it points at several, and none is its write index.
    """
    check_alias_name(alias)
    with cluster_errors(f"open {alias}"):
        if not client.indices.exists_alias(name=alias):
            return None
        return _behind_alias(alias, client.indices.get_alias(name=alias))


def vector_field_of(meta: Mapping[str, Any], fingerprint: str) -> str | None:
    """Return the field that holds the vectors of an embedder's texts; None when `_meta.polyrank` names none."""
    texts = vectors_of(meta, "text")
    return next((name for name, one in texts.items() if one["fingerprint"] == fingerprint), None)


def vectors_of(meta: Mapping[str, Any], kind: Literal["text", "image"]) -> dict[str, Any]:
    """Return what `_meta.polyrank` says of the vector fields of texts, or of images."""
    return {name: one for name, one in meta.get("vectors", {}).items() if one.get("of", "text") == kind}


def image_field_of(meta: Mapping[str, Any], wanted: VectorField) -> str | None:
    """Return the field that holds image vectors of the wanted kind; None when `_meta.polyrank` names none."""
    return next((name for name, one in vectors_of(meta, "image").items() if _holds(one, wanted)), None)


def _extend(client: OpenSearch, alias: str, concrete: str, spec: IndexSpec, tell: Callable[[str], None]) -> None:
    """Check that the existing index can take the spec's documents; add the languages and the vector field it lacks."""
    meta = read_meta(client, concrete)
    if meta.get("schema_version") != SCHEMA_VERSION:
        found = f"schema {meta['schema_version']}" if meta else "no polyrank mapping"
        raise IndexConflictError(
            f"{concrete} behind {alias} has {found}, this polyrank writes schema {SCHEMA_VERSION};"
            f" choose another --index name, or delete {concrete} and ingest again"
        )
    _check_vectors(alias, concrete, vectors_of(meta, "text"), spec.vector)
    if spec.image is not None and not meta.get("vectors"):
        raise IndexConflictError(
            f"{concrete} behind {alias} was made without vectors and cannot take those of images; delete {concrete} or"
            f" choose another --index name, and ingest again"
        )
    served = meta["languages"]
    missing = [language for language in spec.languages if language not in served]
    grown: dict[str, Any] = {field: _language_object(missing) for field in TEXT_FIELDS} if missing else {}
    vectors = meta.get("vectors", {})
    for wanted in spec.vector_fields:
        vectors, field = _with_current(vectors, wanted)
        if field in meta["vectors"]:
            continue
        grown[field] = wanted.mapping()
        if wanted.of == "image" and field != IMAGE_FIELD:
            tell(f"image vectors are of {wanted.bundle} now and go to the field {field} of their own")
        elif wanted.of == "text":
            tell(
                f"the embedder is {wanted.bundle}, {concrete} holds vectors of another: its vectors go to the"
                f" field {field} of their own; once all is ingested and the model service has the new embedder,"
                f" `plugin pipelines install {alias}` makes searches use it"
            )
    if grown or vectors != meta.get("vectors", {}):
        changed = {**meta, "languages": [*served, *missing], "vectors": vectors}
        client.indices.put_mapping(index=concrete, body={"_meta": {"polyrank": changed}, "properties": grown})


def _with_current(vectors: Mapping[str, Any], wanted: VectorField) -> tuple[dict[str, Any], str]:
    """Return the vector fields with the wanted one, which replaces all others of its kind, and its name."""
    alike = vectors_of({"vectors": vectors}, wanted.of)
    known = next((name for name, one in alike.items() if _holds(one, wanted)), None)
    field = known or (f"{wanted.name}_{len(alike) + 1}" if alike else wanted.name)
    others = {
        name: {**one, REPLACED_BY: field} if name in alike else one for name, one in vectors.items() if name != field
    }
    current = {name: value for name, value in vectors.get(field, wanted.meta()).items() if name != REPLACED_BY}
    return {**others, field: current}, field


def _holds(meta: Mapping[str, Any], wanted: VectorField) -> bool:
    """Say whether the vectors of a field with this `meta` are of the wanted ones' model."""
    mine = wanted.meta()
    return all(meta.get(key) == mine.get(key) for key in ("fingerprint", "of", "encoder"))


def _check_vectors(alias: str, concrete: str, found: Mapping[str, Any], wanted: VectorField | None) -> None:
    if bool(found) == bool(wanted):
        return
    if not found:
        raise IndexConflictError(
            f"{concrete} behind {alias} was made without vectors; delete {concrete} or choose another --index name, and"
            f" ingest again, or use --no-embed"
        )
    bundles = ", ".join(str(one.get("bundle")) for one in found.values())
    raise IndexConflictError(
        f"{concrete} behind {alias} holds vectors of {bundles}, and documents without vectors would"
        f" not be found by them; leave out --no-embed"
    )
