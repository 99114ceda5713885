import pytest

from plugin.evaluate import Evaluation, SystemResult
from rerank.evaluation.judgements import JudgedQuery, Judgement
from rerank.evaluation.metrics import MEASURES, compare, per_query

QUERIES = [JudgedQuery("tent", "tent", "en"), JudgedQuery("zelt", "Zelt", "de"), JudgedQuery("lamp", "lamp", "en")]
QRELS = [Judgement(query.query_id, "good", 3) for query in QUERIES]


def result(order: dict[str, list[str]]) -> SystemResult:
    ranking = {query_id: [(doc_id, 1.0) for doc_id in ids] for query_id, ids in order.items()}
    return SystemResult(ranking, per_query(order, QRELS), {"lamp": "rerank: late"} if "good" in order["tent"] else {})


@pytest.fixture
def evaluation() -> Evaluation:
    hybrid = result({"tent": ["bad"], "zelt": ["good"], "lamp": ["good"]})
    reranked = result({"tent": ["good"], "zelt": ["bad", "good"], "lamp": ["good"]})
    test = compare(reranked.values["nDCG@10"], hybrid.values["nDCG@10"])
    return Evaluation("shop", QUERIES, {"hybrid": hybrid, "reranked": reranked}, {"reranked vs hybrid": test})


def test_each_system_has_every_measure_under_its_own_key(evaluation: Evaluation) -> None:
    report = evaluation.as_json()
    assert set(report["reranked"]) == set(MEASURES)
    assert report["hybrid"]["nDCG@10"] == pytest.approx(2 / 3)
    assert report["queries"] == 3
    assert report["significance"]["reranked vs hybrid"]["wins"] == 1
    assert report["degraded"] == {"hybrid": {}, "reranked": {"lamp": "rerank: late"}}


def test_languages_are_averaged_apart(evaluation: Evaluation) -> None:
    table = evaluation.by_language()
    assert table["en"] == {"hybrid": pytest.approx(1 / 2), "reranked": pytest.approx(1.0)}
    assert table["de"]["reranked"] < table["de"]["hybrid"] == pytest.approx(1.0)


def test_queries_that_reranking_hurts_are_named(evaluation: Evaluation) -> None:
    assert [row["query_id"] for row in evaluation.hurt()] == ["zelt"]
