"""Texts of a hit in the caller's language, where the document has them."""

from collections.abc import Iterator

import pytest

from tests.node.engine_rig import Json, Rig, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title.en": "lamp"}}
TEXTS: Json = {"name": ["title.{lang}", "title.en"], "brand": ["brand"]}


@pytest.fixture(autouse=True)
def translated_shop(rig: Rig) -> Iterator[None]:
    titles = [{"en": "desk lamp", "de": "Schreibtischlampe"}, {"en": "lamp shade"}]
    documents = [{"_id": str(n), "title": title, "brand": "Flos"} for n, title in enumerate(titles)]
    rig.http.delete("/translated")
    for document in documents:
        rig.call("PUT", f"/translated/_doc/{document.pop('_id')}", document, refresh="true")
    pipeline = {
        "request_processors": [
            {
                "hybrid_rerank": {
                    "retrievers": [{"lexical": {}}],
                    "languages": ["en"],
                    "policy": {"language": {"prefer": ["query"]}},
                }
            }
        ],
        "response_processors": [{"polyrank_response": {"localized": TEXTS}}],
    }
    rig.call("PUT", "/_search/pipeline/shop", pipeline)
    yield
    rig.http.delete("/translated")


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("de", {"Schreibtischlampe", "lamp shade"}),
        ("de-AT", {"Schreibtischlampe", "lamp shade"}),
        ("en", {"desk lamp", "lamp shade"}),
    ],
)
def test_in_the_language_that_the_caller_names(rig: Rig, locale: str, names: set[str]) -> None:
    """And in the next of the pipeline's choices where the document lacks it."""
    found = told(rig.search({"query": LAMP, "ext": {"polyrank": {"locale": locale}}}, index="translated"))
    assert {hit["localized"]["name"] for hit in found["hits"]} == names
    assert all(hit["localized"]["brand"] == "Flos" for hit in found["hits"])


def test_in_the_querys_own_language_otherwise(rig: Rig) -> None:
    rig.service.language = {"code": "de", "confidence": 0.9}
    found = told(rig.search({"query": LAMP}, index="translated"))
    assert {hit["localized"]["name"] for hit in found["hits"]} == {"Schreibtischlampe", "lamp shade"}


def test_without_a_source_there_is_nothing_to_say(rig: Rig) -> None:
    found = told(rig.search({"query": LAMP, "_source": False}, index="translated"))
    assert found["hits"]
    assert all("localized" not in hit for hit in found["hits"])
