"""Tuning finds the better retriever, never ships what measures worse, and skips what reranking harms."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from plugin.errors import ClusterError
from plugin.patience import Patience
from plugin.pipelines import processor_of
from plugin.tune import rewritten, tune
from plugin.tune_candidates import QueryCandidates, gather, retriever_names, wide_open
from plugin.tune_groups import compare_needs
from plugin.tune_ranking import Blend, Fusion, fused, value
from plugin.tune_settings import deal, installed_setting, isotonic
from plugin.tune_steps import measure_steps
from rerank.evaluation.judgements import JudgedQuery, Judgement, JudgementError

PIPELINE = {
    "request_processors": [
        {
            "hybrid_rerank": {
                "retrievers": [{"lexical": {"weight": 1.0}}, {"knn": {"field": "embedding", "weight": 0.0}}],
                "combination": {"technique": "min_max"},
                "rerank": {
                    "window": 20,
                    "weight": 0.5,
                    "normalization": "none",
                    "document_fields": {"title": ["title"]},
                },
                "policy": {"caps": [{"field": "brand"}]},
            }
        }
    ]
}


def question(
    number: int, *, vector_knows: bool = True, reranker: str = "knows", language: str = "en"
) -> QueryCandidates:
    """Twenty candidates, three of them relevant; words know nothing, the vector and the reranker as told."""
    draw = np.random.default_rng(number)
    gains = np.zeros(20)
    gains[draw.choice(20, 3, replace=False)] = (1, 2, 3)
    noise = draw.random(20)
    vector = gains + 2.5 * noise if vector_knows else noise
    believed = {"knows": gains, "errs": 3 - gains, "guesses": 3 * draw.random(20)}[reranker]
    relevance = np.clip(believed / 3 * 0.9 + 0.05 * draw.random(20), 0, 1)
    scores = np.stack([draw.random(20), vector], axis=1)
    judged = gains[gains > 0]
    return QueryCandidates(str(number), language, "short", scores, relevance, gains, judged, str(number))


def test_fusion_by_its_formulas() -> None:
    scores = np.array([[4.0, np.nan], [2.0, 0.5], [np.nan, 0.25]])
    one = QueryCandidates("1", "en", "short", scores, np.full(3, np.nan), np.zeros(3), np.ones(1), "1")
    assert fused(one, Fusion("rrf", (1, 2))) == pytest.approx([1 / 61, 1 / 62 + 2 / 61, 2 / 62])
    assert fused(one, Fusion("min_max", (1, 2))) == pytest.approx([1, 0.001 + 2, 0.002])
    assert fused(one, Fusion("convex", (0.5, 0.5))) == pytest.approx([0.5, 0.25 + 0.5, 0.25])
    assert fused(one, Fusion("z_score", (1, 0))) == pytest.approx([2, 0.001, 0])


def test_the_blend_reorders_its_window_alone() -> None:
    one = question(1)
    scores = -np.arange(20.0)
    everything = value(one, scores, Blend(1.0), window=20, rerank_window=20)
    assert everything == pytest.approx(1.0)
    assert value(one, scores, Blend(1.0), window=20, rerank_window=1) == value(
        one, scores, None, window=20, rerank_window=1
    )


def test_what_the_models_do_not_read_is_fused_with_less_of_the_vector_and_not_reranked() -> None:
    one = replace(question(1), vectors=(False, True), reranked=False)
    assert fused(one, Fusion("rrf", (1, 2), 0.25)) == pytest.approx(fused(question(1), Fusion("rrf", (1, 0.5))))
    scores = -np.arange(20.0)
    alone = value(one, scores, None, window=20, rerank_window=20)
    assert value(one, scores, Blend(1.0), window=20, rerank_window=20) == alone < 1


def test_the_retriever_that_knows_gets_the_weight_and_held_out_queries_gain() -> None:
    outcome = tune(PIPELINE, [question(number) for number in range(30)])
    assert outcome.chosen.fusion.weights[1] > outcome.chosen.fusion.weights[0]
    assert outcome.helps
    assert outcome.tuned_vs_installed.p_permutation < 0.01
    assert outcome.means["tuned"] > outcome.means["installed"]
    perhaps = replace(outcome, tuned_vs_installed=replace(outcome.tuned_vs_installed, p_permutation=0.07))
    assert not perhaps.helps, "a gain that may be chance is not installed"


def test_noise_is_no_gain() -> None:
    """Where nothing knows anything, a setting chosen on other queries is no better than what is installed."""
    blind = [question(number, vector_knows=False, reranker="guesses") for number in range(40)]
    assert tune(PIPELINE, blind).tuned_vs_installed.p_permutation > 0.05


def test_a_language_that_reranking_harms_is_skipped() -> None:
    candidates = [question(number) for number in range(20)]
    candidates += [question(100 + number, reranker="errs", language="fi") for number in range(6)]
    outcome = tune(PIPELINE, candidates)
    harmed = {group.name: group for group in outcome.groups if group.kind == "language"}
    assert harmed["fi"].skipped
    assert not harmed["en"].skipped
    processor = outcome.pipeline["request_processors"][0]["hybrid_rerank"]
    assert processor["rerank"]["skip"] == {"languages": ["fi"]}
    assert processor["policy"] == {"caps": [{"field": "brand"}]}, "what tuning does not know stays"


def test_a_language_that_another_retriever_knows_gets_weights_of_its_own() -> None:
    """Words know nothing in English, the vector nothing in Finnish."""
    candidates = [question(number) for number in range(30)]
    swapped = [question(100 + number, reranker="guesses", language="fi") for number in range(30)]
    candidates += [replace(one, scores=one.scores[:, ::-1].copy()) for one in swapped]
    outcome = tune(PIPELINE, candidates)
    assert [(one.kind, one.name) for one in outcome.own][:1] == [("language", "en")]
    assert {one.name for one in outcome.own} == {"en", "fi"}
    weights = {one.name: one.weights for one in outcome.own}
    assert weights["en"][1] > weights["en"][0]
    assert weights["fi"][0] > weights["fi"][1]
    assert all(one.gain.p_permutation < 0.05 for one in outcome.own)
    processor = outcome.pipeline["request_processors"][0]["hybrid_rerank"]
    assert [one["languages"] for one in processor["combination"]["overrides"]] == [["en"], ["fi"]]
    assert processor["combination"]["overrides"][1]["weights"] == {
        "lexical": weights["fi"][0],
        "knn.embedding": weights["fi"][1],
    }
    again = tune(outcome.pipeline, candidates)
    assert again.means["installed"] >= outcome.means["tuned"] - 0.02, "what is installed is measured with its overrides"
    assert "overrides" not in wide_open(outcome.pipeline, 30)["request_processors"][0]["hybrid_rerank"]["combination"]
    assert again.as_json()["own"][0]["name"] == "en"


def test_languages_that_are_alike_get_no_weights_of_their_own() -> None:
    candidates = [question(number, language="fi" if number % 2 else "en") for number in range(60)]
    assert tune(PIPELINE, candidates).own == []


def test_isotonic_points_rise() -> None:
    points = isotonic([question(number) for number in range(10)])
    xs, ys = zip(*points, strict=True)
    assert list(xs) == sorted(set(xs))
    assert list(ys) == sorted(ys)
    assert ys[0] < 0.1 < 0.9 < ys[-1]


def test_what_is_installed_stays_whole_when_rewritten_with_its_own_setting() -> None:

    assert rewritten(PIPELINE, installed_setting(PIPELINE), []) == PIPELINE


def test_the_wide_open_pipeline_cuts_nothing_off() -> None:
    processor = wide_open(PIPELINE, 30)["request_processors"][0]["hybrid_rerank"]
    assert processor["window"] == 1000
    assert [one["window"] for entry in processor["retrievers"] for one in entry.values()] == [100, 100]
    assert processor["rerank"]["window"] == 30
    assert "policy" not in processor
    assert retriever_names(PIPELINE) == ["lexical", "knn.embedding"]


def test_too_few_queries() -> None:
    with pytest.raises(JudgementError, match="too few for 5 folds"):
        tune(PIPELINE, [question(1)])


def test_each_step_adds_what_it_knows() -> None:
    """Words know nothing, vectors something, the reranker nearly everything; figures are of held-out queries."""
    candidates = [question(number, language="en" if number % 2 else "de") for number in range(30)]
    languages = {one.query_id: one.language for one in candidates}
    found = measure_steps(PIPELINE, candidates, languages)
    by_name = {step.name: step for step in found.steps}
    assert list(by_name) == ["lexical", "+ knn.embedding", "+ tuned fusion", "+ rerank", "+ blend"]
    assert by_name["lexical"].gain is None
    assert by_name["lexical"].mean < by_name["+ knn.embedding"].mean < by_name["+ tuned fusion"].mean
    rerank = by_name["+ rerank"].gain
    assert rerank is not None
    assert rerank.p_permutation < 0.01
    assert found.by_language == {"de": 15, "en": 15}
    assert found.worse == {}


def test_a_language_that_ends_worse_is_named() -> None:
    candidates = [question(number) for number in range(20)]
    candidates += [question(100 + number, reranker="errs", language="fi") for number in range(6)]
    found = measure_steps(PIPELINE, candidates, {one.query_id: one.language for one in candidates})
    first, last = found.steps[0].by_language["fi"], found.steps[-1].by_language["fi"]
    assert found.worse == ({"fi": last - first} if last < first else {})
    assert found.steps[3].by_language["fi"] < first


def test_translations_of_one_query_share_a_fold() -> None:
    candidates = [replace(question(number), need=f"n{number // 3}") for number in range(30)]
    folds = deal(candidates, 5, 13).reshape(10, 3)
    assert (folds == folds[:, :1]).all()
    assert sorted(folds[:, 0].tolist()) == sorted(list(range(5)) * 2)


class Answering:
    """A client whose node ranks relevant documents first, as a reranker would, though no retriever does."""

    def __init__(self, said: Mapping[str, str] | None = None, *, shed: int = 0) -> None:
        self.said = said or {}
        self.shed = shed

    def search(self, index: str, body: dict[str, Any]) -> dict[str, Any]:
        self.shed -= 1
        places = [(3, "a"), (2, "b"), (1, "c")]  # rank by words; the page's order is a, b, c
        hits = [
            {
                "_id": name,
                "ranks": {"lexical": rank},
                "scores": {"lexical": 4.0 - rank},
                "fused": {"rank": rank, "score": 1 / rank},
                "rerank": {"rank": place, "score": 1 / place},
            }
            for place, (rank, name) in enumerate(places, 1)
        ]
        section = {"hits": hits, "language": {"code": "en"}, "query_class": "short", "degraded": None, **self.said}
        if self.shed >= 0:
            section["degraded"] = "rerank: /rerank answered HTTP 429"
        return {"ext": {"polyrank": section}}


def test_candidates_do_not_come_in_the_rerankers_order() -> None:
    """Weights under which every score is equal would inherit it, and measure as well as the reranker."""
    judged = [Judgement("q", "a", 3)]
    (query,) = gather(cast(Any, Answering()), "i", PIPELINE, [JudgedQuery("q", "lamp")], judged, depth=50)
    assert query.gains.tolist() == [0, 0, 3]
    nothing = fused(query, Fusion("rrf", (0.0, 1.0)))
    assert value(query, nothing, None, window=3, rerank_window=3) == pytest.approx(0.5)


def test_the_answer_says_of_a_query_that_the_models_do_not_read_it() -> None:
    judged = [Judgement("q", "a", 3)]
    said = {"unread": "the embedder reads 0 % of the query", "rerank_skipped": "the reranker reads 0 % of the query"}
    client = cast(Any, Answering(said))
    (query,) = gather(client, "i", PIPELINE, [JudgedQuery("q", "lampa")], judged, depth=50)
    assert (query.vectors, query.reranked) == ((False, True), False)
    (read,) = gather(cast(Any, Answering()), "i", PIPELINE, [JudgedQuery("q", "lamp")], judged, depth=50)
    assert (read.vectors, read.reranked) == ((), True)
    assert installed_setting(PIPELINE).fusion.knn_factor == 0.15, "the engine's default"
    own = copy.deepcopy(PIPELINE)
    processor_of(own)["unread"] = {"knn_factor": 0}
    assert installed_setting(own).fusion.knn_factor == 0
    assert processor_of(wide_open(own, 30))["unread"]["knn_factor"] > 0, "with 0 the vectors would not be asked"
    assert processor_of(own)["unread"] == {"knn_factor": 0}


@pytest.mark.parametrize("vector_knows", [True, False])
def test_what_the_vectors_of_unread_queries_count_is_tuned(vector_knows: bool) -> None:
    """Words and vector know something each; of unread queries the vector does, or does not."""
    candidates = [question(number, vector_knows=number < 30 or vector_knows) for number in range(60)]
    for place, one in enumerate(candidates):
        words = one.gains + 2.5 * np.random.default_rng(1000 + place).random(20)
        scores = np.stack([words, one.scores[:, 1]], axis=1)
        candidates[place] = replace(one, scores=scores, vectors=(False, True) if place >= 30 else (), reranked=False)
    pipeline = copy.deepcopy(PIPELINE)
    processor_of(pipeline)["retrievers"][1]["knn"]["weight"] = 1.0
    outcome = tune(pipeline, candidates)
    assert outcome.unread == 30
    factor = processor_of(outcome.pipeline).get("unread", {}).get("knn_factor", 0.15)
    assert factor == outcome.chosen.fusion.knn_factor
    assert factor > 0.5 if vector_knows else factor <= 0.15
    few = tune(pipeline, candidates[:45])
    assert few.chosen.fusion.knn_factor == 0.15, "fifteen queries are too few to say"


def test_of_equal_settings_the_nearest_to_what_is_installed_is_chosen() -> None:
    """Any weight of a retriever that found nothing measures the same; what it finds one day would count unmeasured."""
    pipeline = copy.deepcopy(PIPELINE)
    retrievers = processor_of(pipeline)["retrievers"]
    retrievers.insert(1, {"translated": {"weight": 0.3, "fields": ["title.{lang}"]}})
    retrievers[0]["lexical"]["weight"], retrievers[2]["knn"]["weight"] = 0.6, 0.1
    candidates = [question(number, vector_knows=False) for number in range(20)]
    nothing = np.full(20, np.nan)
    known = [np.stack([one.gains, nothing, one.scores[:, 1]], axis=1) for one in candidates]
    candidates = [replace(one, scores=scores) for one, scores in zip(candidates, known, strict=True)]
    outcome = tune(pipeline, candidates)
    assert outcome.means["fused"] == pytest.approx(1.0)
    assert outcome.chosen.fusion == installed_setting(pipeline).fusion


def test_translations_of_one_need_count_as_one() -> None:
    """Ten copies of four needs are no forty witnesses."""
    candidates = [replace(question(number), need=str(number % 4)) for number in range(40)]
    worse = np.linspace(0.1, 0.4, 40)
    better = worse + 0.1 + np.random.default_rng(1).random(40) / 100
    found = compare_needs(candidates, better, worse)
    assert (found.queries, found.wins, found.losses) == (4, 4, 0)
    assert found.delta == pytest.approx(float(np.mean(better - worse)))
    assert found.p_permutation >= 0.1


def test_an_answer_that_lost_a_stage_is_asked_for_again_while_patience_lasts() -> None:
    judged, queries = [Judgement("q", "a", 3)], [JudgedQuery("q", "lamp")]
    patient = Patience(60, sleep=lambda seconds: None)
    (query,) = gather(cast(Any, Answering(shed=2)), "i", PIPELINE, queries, judged, depth=50, patience=patient)
    assert (query.gains.tolist(), patient.waits) == ([0, 0, 3], 2)
    with pytest.raises(ClusterError, match="query q was answered without a stage: rerank: /rerank answered HTTP 429"):
        gather(cast(Any, Answering(shed=1)), "i", PIPELINE, queries, judged, depth=50)
