"""Clicks: a simulated log gives the click model's own numbers back; what a log cannot say is counted out."""

import json
from pathlib import Path

import pytest

from recipe.click_model import ATTRACTIVENESS, Shoppers, simulate
from rerank.data.click_log import ClickLog, Impression, read_click_log
from rerank.data.clicks import clicked_pairs
from rerank.data.position_model import fit_position_model
from rerank.evaluation.judgements import JudgedQuery
from rerank.training.recipe import TrainingError

QUERIES = [JudgedQuery(str(number), f"query {number}") for number in range(12)]
DOCS = [f"d{number}" for number in range(8)]
GRADES = {
    (query.query_id, doc): (int(query.query_id) + 3 * place) % 4 for query in QUERIES for place, doc in enumerate(DOCS)
}
RUN = {query.query_id: {doc: 9.0 - place for place, doc in enumerate(DOCS)} for query in QUERIES}


def simulated(path: Path, shoppers: Shoppers) -> ClickLog:
    path.write_text("".join(json.dumps(record) + "\n" for record in simulate(QUERIES, GRADES, RUN, shoppers)))
    return read_click_log([path])


def test_the_position_model_finds_what_the_shoppers_do(tmp_path: Path) -> None:
    log = simulated(tmp_path / "log.jsonl", Shoppers(sessions=400, depth=8, eta=1.0))
    model = fit_position_model(log.impressions)
    for rank in range(1, 9):
        assert model.propensity[rank] == pytest.approx(1.0 / rank, abs=0.07)
    texts = {query.query_id: query.text for query in QUERIES}
    for grade, true in enumerate(ATTRACTIVENESS):
        found = [model.attractiveness[texts[key], doc] for (key, doc), given in GRADES.items() if given == grade]
        assert found == pytest.approx([true] * len(found), abs=0.3)
        assert sum(found) / len(found) == pytest.approx(true, abs=0.1)
    assert model.moved > 0.9


def test_the_grades_come_back_from_the_clicks_and_naive_rates_would_not_give_them(tmp_path: Path) -> None:
    log = simulated(tmp_path / "log.jsonl", Shoppers(sessions=400, depth=8))
    documents = {doc: {"title": doc} for doc in DOCS}
    built = clicked_pairs(log, documents)
    true = {(query.text, doc): GRADES[query.query_id, doc] for query in QUERIES for doc in DOCS}
    off = [abs(pair.relevance - true[pair.query, pair.fields["title"]]) for pair in built.pairs]
    shown, clicked = dict.fromkeys(true, 0), dict.fromkeys(true, 0)
    for item in log.impressions:
        shown[item.query, item.doc_id] += 1
        clicked[item.query, item.doc_id] += item.clicked
    naive = [abs(sum(clicked[key] / shown[key] >= bound for bound in (0.1, 0.3, 0.6)) - true[key]) for key in true]
    assert sum(off) < sum(naive) / 2
    assert all(0.0 <= (pair.teacher or 0.0) <= 1.0 for pair in built.pairs)
    assert built.facts["clicks"] == sum(clicked.values())


def test_the_same_seed_is_the_same_log() -> None:
    logs = [list(simulate(QUERIES, GRADES, RUN, Shoppers(sessions=3, seed=seed))) for seed in (1, 1, 2)]
    assert logs[0] == logs[1] != logs[2]


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def event(action: str, query_id: str, doc_id: str | None, ordinal: int | None = None) -> dict[str, object]:
    attributes: dict[str, object] = {} if doc_id is None else {"object": {"object_id": doc_id}}
    attributes |= {} if ordinal is None else {"position": {"ordinal": ordinal}}
    return {"action_name": action, "query_id": query_id, "event_attributes": attributes}


def test_records_in_any_order_and_two_files_are_one_log(tmp_path: Path) -> None:
    events = write(
        tmp_path / "events.jsonl",
        event("item_click", "a", "d2"),
        event("purchase", "b", "d1"),
        event("click", "a", "d9"),
        event("click", "c", "d1"),
        event("hover", "a", "d1"),
        event("click", "a", None),
        event("impression", "d", "d1", 4),
    )
    queries = write(
        tmp_path / "queries.jsonl",
        {"query_id": "a", "user_query": "Red Mouse", "query_response_hit_ids": ["d1", "d2"]},
        {"query_id": "b", "user_query": "red  mouse", "query_response_hit_ids": ["d1"]},
        {"query_id": "b2", "user_query": "red mouse"},
    )
    log = read_click_log([events, queries])
    assert log.impressions == [
        Impression("red mouse", "d1", 1, False, False),
        Impression("red mouse", "d2", 2, True, False),
        Impression("red mouse", "d1", 1, True, True),
    ]
    assert log.left_out == {
        "clicks on what was not shown": 2,
        "events of other kinds": 1,
        "events without an object": 1,
        "impressions of an unknown query": 1,
    }


def test_purchases_raise_the_grade_and_rare_documents_are_left_out() -> None:
    shown = [Impression("q", "d1", 1, number < 2, number < 1) for number in range(10)]
    shown += [Impression("q", "d2", 1, False, False)] * 10 + [Impression("q", "d3", 3, True, False)]
    shown += [Impression("other", "d1", 1, False, False)] * 10
    built = clicked_pairs(ClickLog(shown, {}), {"d1": {"title": "a"}, "d2": {"title": "b"}})
    assert [(pair.fields["title"], pair.relevance) for pair in built.pairs] == [("a", 2), ("b", 0)]
    assert built.left_out == {"documents of queries without a click": 1, "documents shown fewer than 5 times": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("nonsense", "line 1"),
        ('["a"]', "line 1"),
        ('{"user_query": "a"}', "query_id"),
        ('{"query_id": "a"}', "shows no"),
    ],
)
def test_a_broken_log_is_named(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        read_click_log([write(tmp_path / "log.jsonl", row)])


def test_a_log_without_clicks_and_falling_grades_are_refused() -> None:
    log = ClickLog([Impression("q", "d1", 1, False, False)] * 9, {})
    with pytest.raises(TrainingError, match="no training pair"):
        clicked_pairs(log, {"d1": {}})
    with pytest.raises(TrainingError, match="rising"):
        clicked_pairs(log, {"d1": {}}, grades=(0.5, 0.2))
