"""Texts of a hit translated on the way out, when asked, within the deadline, and marked as such."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.node.conftest import RunningNode, RunningService
from tests.node.engine_rig import Json, Rig, ids, told
from tests.node.fake_service import reply, slow

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title.en": "lamp"}}
TEXTS: Json = {"name": ["title.{lang}", "title.en"], "brand": ["brand"]}
MADE = {"engine": "freedict", "version": "1", "confidence": 0.6, "source_hash": "x"}
DOCUMENTS: list[Json] = [
    {"title": {"en": "desk lamp", "de": "Schreibtischlampe"}, "brand": "Flos"},
    {"title": {"en": "lamp shade"}, "brand": "lamp shade"},
    {"title": {"en": "lamp 4711"}, "brand": "Ikea"},
    {"title": {"en": "lamp oil", "de": "Lampenöl"}, "translations": {"de": {"title": MADE}}},
]


def pipeline(**response: Any) -> Json:
    """A pipeline that tells texts in the reader's language."""
    policy = {"language": {"prefer": ["query"]}}
    processor = {"retrievers": [{"lexical": {}}], "languages": ["en"], "policy": policy, "deadline_ms": 5000}
    return {
        "request_processors": [{"hybrid_rerank": processor}],
        "response_processors": [{"polyrank_response": {"localized": TEXTS, **response}}],
    }


@pytest.fixture(autouse=True)
def shelf(rig: Rig) -> Iterator[Rig]:
    rig.http.delete("/shelf")
    for number, document in enumerate(DOCUMENTS):
        rig.call("PUT", f"/shelf/_doc/{number}", document, refresh="true")
    rig.call("PUT", "/_search/pipeline/shop", pipeline())
    rig.service.translations = {"lamp shade": {"de": "Lampenschirm"}}
    yield rig
    rig.http.delete("/shelf")


def ask(rig: Rig, **ext: Any) -> Json:
    return rig.search({"query": LAMP, "ext": {"polyrank": {"locale": "de", **ext}}}, index="shelf")


def by_id(answer: Json, key: str) -> dict[str, Json]:
    return {hit["_id"]: hit[key] for hit in told(answer)["hits"] if key in hit}


def test_what_is_not_in_the_readers_language_is_translated_when_asked(rig: Rig) -> None:
    """Neither brands, nor what has no translation; and what ingest had translated is marked, too."""
    found = ask(rig, translate=True)
    names = {document: texts["name"] for document, texts in by_id(found, "localized").items()}
    assert names == {"0": "Schreibtischlampe", "1": "Lampenschirm", "2": "lamp 4711", "3": "Lampenöl"}
    assert by_id(found, "localized")["1"]["brand"] == "lamp shade"
    assert by_id(found, "translated") == {
        "1": {"name": {"engine": "table", "from": "en"}},
        "3": {"name": {"engine": "freedict"}},
    }
    assert told(found)["degraded"] is None
    assert told(found)["timings_ms"]["translate"] > 0
    (call,) = [call for call in rig.service.calls if call.path == "/translate"]
    assert (call.body["source"], call.body["target"]) == ("en", "de")
    assert sorted(call.body["q"]) == ["lamp 4711", "lamp shade"]


def test_not_unless_asked(rig: Rig) -> None:
    assert by_id(ask(rig), "localized")["1"]["name"] == "lamp shade"
    assert "/translate" not in rig.service.paths()


def test_a_pipeline_may_ask_and_a_request_decline(rig: Rig) -> None:
    rig.call("PUT", "/_search/pipeline/shop", pipeline(translate=True))
    assert by_id(ask(rig), "localized")["1"]["name"] == "Lampenschirm"
    assert by_id(ask(rig, translate=False), "localized")["1"]["name"] == "lamp shade"


def test_a_reader_of_the_documents_language_needs_nothing(rig: Rig) -> None:
    ask(rig, locale="en-GB", translate=True)
    assert "/translate" not in rig.service.paths()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (slow(2.0, reply({})), "translate: "),
        (reply({}, status=500), "translate: /translate answered HTTP 500"),
        (reply({"translatedText": ["eins"], "engine": ["x"]}), "translatedText is not a list of 2 texts"),
        (reply({"translatedText": ["eins", "zwei"], "engine": "x"}), "engine is not a list of 2 texts"),
    ],
)
def test_without_a_translation_in_time_texts_stay_as_they_are(rig: Rig, behaviour: Any, reason: str) -> None:
    rig.service.behaviours["/translate"] = behaviour
    found = ask(rig, translate=True, deadline_ms=700)
    assert {hit["name"] for hit in by_id(found, "localized").values()} >= {"lamp shade", "lamp 4711"}
    assert reason in told(found)["degraded"]
    assert len(ids(found)) == len(DOCUMENTS)


def test_nothing_named_and_nothing_to_translate_is_refused(rig: Rig) -> None:
    body: Json = {"response_processors": [{"polyrank_response": {"translate": True}}]}
    answer = rig.http.put("/_search/pipeline/wrong", json=body)
    assert answer.status_code == 400
    assert "[localized] is missing" in answer.text
    answer = rig.http.post("/shelf/_search?search_pipeline=shop", json={"ext": {"polyrank": {"translate": "yes"}}})
    assert answer.status_code == 400


def test_by_the_real_service(node: RunningNode, service: RunningService, rig: Rig) -> None:
    """Whatever dictionaries it has: what is marked was translated, what is not marked was not."""
    rig.use(service.url)
    found = ask(rig, translate=True, deadline_ms=30_000)
    assert told(found)["degraded"] is None
    for document, texts in by_id(found, "localized").items():
        made = by_id(found, "translated").get(document, {}).get("name", {})
        if made.get("from") == "en":
            assert made["engine"] != "keep"
            assert texts["name"] != DOCUMENTS[int(document)]["title"]["en"]
        elif "de" not in DOCUMENTS[int(document)]["title"]:
            assert texts["name"] == DOCUMENTS[int(document)]["title"]["en"]
