import pytest

from plugin.analyzers import BUILT_IN, LIGHT_STEMMERS, STOP_WORDS, analysis_settings, analyzer_name
from plugin.index import (
    ALIAS_NAME,
    DEFAULT_LANGUAGES,
    IndexConflictError,
    IndexSpec,
    VectorField,
    _behind_alias,
    check_alias_name,
)

VECTOR = VectorField("sha256:ab", 384, "minilm")


def test_every_served_language_has_a_sub_field_with_an_analyzer_that_exists() -> None:
    body = IndexSpec(vector=VECTOR).body()
    defined = set(body["settings"]["analysis"]["analyzer"])
    for field in ("title", "text", "attributes"):
        sub_fields = body["mappings"]["properties"][field]["properties"]
        assert list(sub_fields) == [*DEFAULT_LANGUAGES, "und"]
        for sub_field in sub_fields.values():
            assert sub_field["analyzer"] in defined | set(BUILT_IN.values())


def test_each_analyzer_uses_filters_that_are_defined_or_built_in() -> None:
    settings = analysis_settings()
    built_in = {"lowercase", "asciifolding", "german_normalization", "cjk_width"}
    for analyzer in settings["analyzer"].values():
        assert set(analyzer["filter"]) <= set(settings["filter"]) | built_in
    assert LIGHT_STEMMERS.keys() == STOP_WORDS.keys()


def test_a_language_without_an_analyzer_gets_that_of_und() -> None:
    assert analyzer_name("sw") == analyzer_name("und") == "polyrank_und"
    assert analyzer_name("ja") == "cjk"


def test_meta_names_schema_languages_and_vectors() -> None:
    assert IndexSpec(("en",), VECTOR).meta() == {
        "schema_version": 1,
        "languages": ["en"],
        "vectors": {"embedding": {"fingerprint": "sha256:ab", "dimension": 384, "bundle": "minilm"}},
    }
    assert IndexSpec(("en",)).meta()["vectors"] == {}
    assert "embedding" not in IndexSpec(("en",)).mapping()["properties"]


def test_shards_and_replicas() -> None:
    assert IndexSpec(shards=3).body()["settings"]["index"]["auto_expand_replicas"] == "0-1"
    assert IndexSpec(replicas=2).body()["settings"]["index"]["number_of_replicas"] == 2


@pytest.mark.parametrize("name", ["products", "shop-de_2", "商品", "a.b"])
def test_names_that_opensearch_takes(name: str) -> None:
    check_alias_name(name)
    assert ALIAS_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "Products", "-a", "_a", "a b", "a/b", "a*", ".hidden", "a,b", "a:b"])
def test_names_that_opensearch_refuses(name: str) -> None:
    with pytest.raises(IndexConflictError, match="lower-case"):
        check_alias_name(name)


def test_of_several_indices_behind_an_alias_the_write_index_is_taken() -> None:
    two = {"a-1": {"aliases": {"a": {}}}, "a-2": {"aliases": {"a": {"is_write_index": True}}}}
    assert _behind_alias("a", two) == "a-2"
    assert _behind_alias("a", {"a-1": {"aliases": {"a": {}}}}) == "a-1"
    with pytest.raises(IndexConflictError, match="is_write_index"):
        _behind_alias("a", {name: {"aliases": {"a": {}}} for name in ("a-1", "a-2")})
