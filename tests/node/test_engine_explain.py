"""What carried the cross-encoder's score, by leaving parts out, in the response and on the page that draws it."""

import json

import pytest
from click.testing import CliRunner

from plugin.cli import main
from tests.node.engine_rig import Json, Rig, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
RERANK: Json = {"window": 20, "document_fields": {"title": ["title"], "brand": ["brand"]}}


@pytest.fixture(autouse=True)
def scorer(rig: Rig) -> None:
    """.5 for the word desk, .25 for a brand."""
    rig.service.relevance = lambda query, document: (
        0.5 * ("desk" in document.get("title", "").split()) + 0.25 * bool(document.get("brand"))
    )
    rig.pipeline(rerank=RERANK)


def test_fields_and_words_by_what_the_score_loses(rig: Rig) -> None:
    plain = rig.search({"query": LAMP, "size": 20})
    titles = {hit["_id"]: hit["_source"]["title"] for hit in plain["hits"]["hits"]}
    once = next(i for i, title in titles.items() if title.split().count("desk") == 1)
    found = rig.search({"query": LAMP, "size": 20, "ext": {"polyrank": {"explain": [once]}}})
    assert found["hits"] == plain["hits"], "explaining changes no order"
    entries = {hit["_id"]: hit for hit in told(found)["hits"]}
    assert entries[once]["occlusion"]["fields"] == {"title": pytest.approx(0.5), "brand": pytest.approx(0.25)}
    effects = [(word["word"], word["effect"]) for word in entries[once]["occlusion"]["words"]]
    assert [word for word, _ in effects] == titles[once].split()
    assert {word for word, effect in effects if effect == pytest.approx(0.5)} == {"desk"}
    assert all("occlusion" not in hit for i, hit in entries.items() if i != once)


def test_an_explanation_that_fails_costs_nothing_but_itself(rig: Rig) -> None:
    plain = rig.search({"query": LAMP})
    calls: list[int] = []

    def behave(handler: object, request: Json) -> None:
        calls.append(1)
        if len(calls) == 1:
            rig.service.well(handler, request)  # type: ignore[arg-type]
        else:
            handler.send_error(400)  # type: ignore[attr-defined]

    rig.service.behaviours["/rerank"] = behave
    found = rig.search({"query": LAMP, "ext": {"polyrank": {"explain": [plain["hits"]["hits"][0]["_id"]]}}})
    assert found["hits"] == plain["hits"]
    assert told(found)["degraded"].startswith("explain: ")


def test_the_command_prints_and_draws(rig: Rig, tmp_path: object) -> None:
    query = {"multi_match": {"query": "lamp", "fields": ["title.*", "attributes.*", "text.*", "brand"]}}
    assert query
    rig.pipeline(retrievers=[{"lexical": {}}, {"match": {"fields": ["title"]}}], rerank=RERANK)
    top = rig.search({"query": LAMP})["hits"]["hits"][0]["_id"]
    page = f"{tmp_path}/why.html"
    options = ["explain", "lamp", top, "--index", "shop", "--url", rig.url]
    done = CliRunner().invoke(main, [*options, "--html", page, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["hit"]["occlusion"]["fields"].keys() == {"title", "brand"}
    with open(page, encoding="utf-8") as file:
        drawn = file.read()
    assert "<title>lamp: " + top in drawn
    assert "rgba(" in drawn
    table = CliRunner().invoke(main, options)
    assert "cross-encoder" in table.output
    missing = CliRunner().invoke(main, ["explain", "lamp", "nowhere", "--index", "shop", "--url", rig.url])
    assert missing.exit_code == 1
    assert "not among the first 50 hits" in missing.output


@pytest.mark.parametrize("value", [True, ["1"] * 21, [1]])
def test_wrong_requests(rig: Rig, value: object) -> None:
    answer = rig.http.post(
        "/shop/_search?search_pipeline=shop", json={"query": LAMP, "ext": {"polyrank": {"explain": value}}}
    )
    assert answer.status_code == 400
    assert "must be a list of at most 20 ids" in answer.text
