import pytest

from plugin.pipelines import PipelineConfig, PipelineError, Rerank, config_for, variant

BODY = PipelineConfig(("en", "de"), vocabulary="shop").body()


def processor(body: dict[str, list[dict[str, dict[str, object]]]]) -> dict[str, object]:
    return body["request_processors"][0]["hybrid_rerank"]


def test_the_body_names_retrievers_fusion_and_reranking() -> None:
    found = processor(BODY)
    assert found["languages"] == ["en", "de"]
    assert found["vocabulary"] == "shop"
    assert [next(iter(one)) for one in found["retrievers"]] == ["lexical", "translated", "knn"]  # type: ignore[attr-defined]
    assert found["combination"] == {"technique": "min_max"}
    by_rank = processor(PipelineConfig(technique="rrf").body())
    assert by_rank["combination"] == {"technique": "rrf", "rank_constant": 60}
    assert BODY["phase_results_processors"] == [{"polyrank_page": {}}]
    assert BODY["response_processors"] == [{"polyrank_response": {}}]


def test_documents_are_read_in_the_model_s_language_first() -> None:
    fields = Rerank(model_languages=("en",)).body(["de", "en", "ja"])["document_fields"]
    assert fields["title"] == ["title.en", "title.de", "title.ja", "title.und"]
    assert fields["brand"] == ["brand"]


def test_min_max_has_no_rank_constant() -> None:
    assert processor(PipelineConfig(technique="min_max").body())["combination"] == {"technique": "min_max"}


def test_variants_leave_stages_out_and_the_original_as_it_is() -> None:
    knn, hybrid, reranked = (processor(variant(BODY, system)) for system in ("knn", "hybrid", "reranked"))
    assert [next(iter(one)) for one in knn["retrievers"]] == ["knn"]  # type: ignore[attr-defined]
    assert "rerank" not in knn
    assert "rerank" not in hybrid
    assert hybrid["retrievers"] == reranked["retrievers"]
    assert reranked == processor(BODY)
    assert "rerank" in processor(BODY)


def test_a_knn_variant_needs_vectors_and_a_foreign_pipeline_is_refused() -> None:
    with pytest.raises(PipelineError, match="no knn retriever"):
        variant(PipelineConfig(vector_fields=()).body(), "knn")
    with pytest.raises(PipelineError, match="no hybrid_rerank processor"):
        variant({"request_processors": [{"filter_query": {}}]}, "hybrid")


def test_the_default_pipeline_of_an_index_comes_from_its_meta() -> None:
    config = config_for({"languages": ["fr"], "vectors": {"embedding": {}, "image": {}}}, "shop")
    assert (config.languages, config.vector_fields, config.vocabulary) == (("fr",), ("embedding", "image"), "shop")
    with pytest.raises(PipelineError, match="not made by polyrank"):
        config_for({}, "shop")
