"""The service over real HTTP: the contract with the engine, Cohere's shape, and every way to be wrong."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from rerank.bundle import load_bundle
from rerank.cross_encoder import CrossEncoder
from rerank.protocols import Pair
from rerank.service.requests import Limits
from tests.rerank.served import served, tiny_service, wait_ready
from tests.rerank.tiny import DIMENSION, tiny_embedder, tiny_reranker

LIMITS = Limits(body_bytes=20_000, documents=50, inputs=50, query_characters=200)
RERANK_PATHS = ["/rerank", "/v1/rerank", "/v2/rerank"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "reranker")
    glossary = folder / "resources" / "glossary"
    glossary.mkdir(parents=True)
    (glossary / "shop.tsv").write_text("en\tde\nwireless\tkabellose\nheadphones\tkopfhörer\n", encoding="utf-8")
    synonyms = folder / "resources" / "synonyms"
    synonyms.mkdir()
    (synonyms / "de.txt").write_text("kopfhörer, ohrhörer\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    service = tiny_service(folder / "embedder", folder / "reranker", folder / "resources", LIMITS)
    with served(service) as client:
        wait_ready(client)
        yield client


def ask(client: httpx.Client, path: str, body: object) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_understand_tells_language_translation_and_vector(client: httpx.Client) -> None:
    found = ask(client, "/understand", {"query": "kabellose kopfhörer", "languages": ["en", "de"], "locale": "de"})
    assert found["language"]["code"] == "de"
    assert found["translations"]["en"]["text"] == "wireless headphones"
    assert found["model_query"] == "wireless headphones"
    assert found["expansion"] == []
    assert found["embedder"].startswith("sha256:")
    english = ask(client, "/embed", {"inputs": "wireless headphones"})
    assert found["vector"] == pytest.approx(english[0], abs=1e-6)


def test_an_english_query_is_read_as_it_is(client: httpx.Client) -> None:
    body = {"query": "wireless headphones with a usb cable", "languages": ["en", "de"], "locale": "en"}
    found = ask(client, "/understand", body)
    assert found["model_query"] == body["query"]
    assert len(found["vector"]) == DIMENSION
    assert np.linalg.norm(found["vector"]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("query", "read"), [("kabellose kopfhörer", 1.0), ("casque sans fil avec micro", 0.0)])
def test_it_tells_how_much_of_a_query_the_models_read(client: httpx.Client, query: str, read: float) -> None:
    body = {"query": query, "languages": ["en"], "want": ["language"]}
    assert ask(client, "/understand", body)["read"] == {"embedder": read, "reranker": read}


def test_attributes_and_expansions_come_when_they_are_asked_for(client: httpx.Client) -> None:
    body: dict[str, Any] = {"query": "Kopfhörer unter 50 €", "languages": ["en"], "locale": "de"}
    body |= {"expand": ["synonyms"], "want": ["language", "attributes"], "schema": {"price": "double"}}
    found = ask(client, "/understand", body)
    (price,) = found["attributes"]
    assert (price["text"], price["high"], price["currency"]) == ("unter 50 €", 50.0, "EUR")
    assert (price["use"], price["field"], price["reason"]) == ("filter", "price", None)
    assert price["clause"] == {"range": {"price": {"lte": 50.0}}}
    expected = {"text": "ohrhörer", "of": "kopfhörer", "language": "de", "source": "synonyms", "weight": 0.5}
    assert found["expansion"] == [expected]
    sure = ask(client, "/understand", body | {"min_confidence": 0.99})["attributes"][0]
    assert (sure["use"], sure["clause"]) == ("ignored", None)
    assert "0.95 is under 0.99" in sure["reason"]


def test_only_what_is_wanted_is_computed(client: httpx.Client) -> None:
    found = ask(client, "/understand", {"query": "usb cable", "languages": ["de"], "want": ["language"]})
    assert found["translations"] == {}
    assert "vector" not in found


@pytest.mark.parametrize("path", RERANK_PATHS)
def test_rerank_answers_in_cohere_s_shape(client: httpx.Client, folder: Path, path: str) -> None:
    documents = ["red shoes", "usb cable", {"title": "Garden hose", "brand": "red"}, ""]
    body = {"model": "rerank-v3.5", "query": "usb cable", "documents": documents}
    found = ask(client, path, body)
    assert {"id", "results", "meta"} == set(found)
    assert sorted(item["index"] for item in found["results"]) == [0, 1, 2, 3]
    assert [set(item) for item in found["results"]] == [{"index", "relevance_score"}] * 4
    scores = [item["relevance_score"] for item in found["results"]]
    assert scores == sorted(scores, reverse=True)
    model = CrossEncoder(load_bundle(folder / "reranker"))
    texts = ["red shoes", "usb cable", "Garden hose | red", ""]
    expected = model.score([Pair("usb cable", text) for text in texts])
    assert [item["relevance_score"] for item in found["results"]] == pytest.approx(sorted(expected)[::-1], abs=1e-6)


def test_requests_at_the_same_time_get_the_scores_they_get_alone(client: httpx.Client) -> None:
    words = ["wireless", "headphones", "usb", "cable", "red", "shoes", "garden", "hose"]
    bodies = [
        {"query": words[number % 8], "documents": [" ".join(words[: 1 + (number + i) % 8]) for i in range(number + 1)]}
        for number in range(24)
    ]
    alone = [ask(client, "/rerank", body)["results"] for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda body: ask(client, "/rerank", body)["results"], bodies))
    for one, other in zip(alone, together, strict=True):
        assert {item["index"]: item["relevance_score"] for item in one} == pytest.approx(
            {item["index"]: item["relevance_score"] for item in other}, abs=1e-5
        )


def test_scores_are_short_json_floats(client: httpx.Client) -> None:
    body = json.dumps({"query": "usb", "documents": ["", "usb cable"]})
    text = client.post("/rerank", content=body).text
    numbers = [part.split("}")[0].split(",")[0] for part in text.split('"relevance_score":')[1:]]
    assert "0.0" in numbers
    assert all("." in number and len(number) <= 8 for number in numbers), numbers


def test_top_n_and_return_documents(client: httpx.Client) -> None:
    documents = ["red shoes", {"title": "usb cable"}, "garden hose"]
    body = {"query": "usb", "documents": documents, "top_n": 2, "return_documents": True}
    found = ask(client, "/v1/rerank", body)["results"]
    assert len(found) == 2
    for item in found:
        sent = documents[item["index"]]
        assert item["document"] == (sent if isinstance(sent, dict) else {"text": sent})


def test_embed_takes_one_text_several_or_fields(client: httpx.Client) -> None:
    one, several = ask(client, "/embed", {"inputs": "usb"}), ask(client, "/embed", {"inputs": ["usb", "red shoes"]})
    assert several[0] == one[0]
    assert ask(client, "/embed", {"inputs": []}) == []
    fields = {"inputs": [{"title": "usb", "brand": "red"}], "kind": "document"}
    text = {"inputs": ["usb | red"], "kind": "document"}
    assert ask(client, "/embed", fields) == ask(client, "/embed", text)


def test_models_and_metrics_say_what_runs(client: httpx.Client) -> None:
    models = client.get("/models").json()["models"]
    assert [model["task"] for model in models] == ["embed", "rerank"]
    ask(client, "/rerank", {"query": "usb", "documents": ["red shoes", "usb cable"]})
    page = client.get("/metrics").text
    for name in (
        "polyrank_pairs_total",
        "polyrank_tokens_total",
        'polyrank_stage_seconds_bucket{le="0.001",stage="embed"}',
    ):
        assert name in page
    assert client.get("/health").json() == {"status": "ok"}


WRONG_RERANKS: list[tuple[object, int, str]] = [
    ({}, 422, "query"),
    ({"query": "usb"}, 422, "documents"),
    ({"query": "usb", "documents": []}, 422, "documents"),
    ({"query": "usb", "documents": "red shoes"}, 422, "documents"),
    ({"query": "usb", "documents": [1]}, 422, "documents[0]"),
    ({"query": "usb", "documents": ["a", None]}, 422, "documents[1]"),
    ({"query": "usb", "documents": [{"title": 3}]}, 422, "title"),
    ({"query": "usb", "documents": [{"price": "3"}]}, 422, "none of the fields"),
    ({"query": 7, "documents": ["a"]}, 422, "query"),
    ({"query": " \t", "documents": ["a"]}, 422, "blank"),
    ({"query": "a\0b", "documents": ["a"]}, 422, "NUL"),
    ({"query": "usb", "documents": ["a\0b"]}, 422, "NUL"),
    ({"query": "usb", "documents": ["a"], "top_n": 0}, 422, "top_n"),
    ({"query": "usb", "documents": ["a"], "top_n": True}, 422, "top_n"),
    ({"query": "usb", "documents": ["a"], "top_n": 1.5}, 422, "top_n"),
    ({"query": "usb", "documents": ["a"], "return_documents": "yes"}, 422, "return_documents"),
    ({"query": "usb", "documents": ["a"], "rank_fields": ["nonsense", 1]}, 422, "rank_fields"),
    ({"query": "q" * 201, "documents": ["a"]}, 413, "query"),
    ({"query": "usb", "documents": ["a"] * 51}, 413, "documents"),
    ({"query": "usb", "documents": ["a" * 30_000]}, 413, "bytes"),
    ([], 400, "object"),
    ("usb", 400, "object"),
    (None, 400, "empty"),  # httpx sends no body at all
]


@pytest.mark.parametrize(("body", "status", "named"), WRONG_RERANKS)
def test_a_wrong_rerank_is_told_what_is_wrong(client: httpx.Client, body: object, status: int, named: str) -> None:
    response = client.post("/rerank", json=body)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"code", "message"})
    assert named in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"query": "usb", "languages": "en"},
        {"query": "usb", "languages": ["../en"]},
        {"query": "usb", "languages": [""]},
        {"query": "usb", "want": ["everything"]},
        {"query": "usb", "locale": 3},
        {"query": "usb", "vocabulary": "../../etc/passwd"},
        {"query": "usb", "vocabulary": ".hidden"},
        {"query": "usb", "expand": ["guesses"]},
        {"query": "usb", "schema": ["price"]},
        {"query": "usb", "schema": {"price": 3}},
        {"query": "usb", "min_confidence": 2},
        {"query": "usb", "min_confidence": True},
    ],
)
def test_a_wrong_question_is_refused(client: httpx.Client, body: object) -> None:
    assert client.post("/understand", json=body).status_code == 422


RAW = [
    b"",
    b"{",
    b"\xff\xfe",
    b"\0",
    b'{"query": NaN}',
    b'{"query": "a", "documents": [' + b"[" * 8000 + b"]" * 8000 + b"]}",
    b'{"query": ' + b"9" * 6000 + b"}",
]


@pytest.mark.parametrize("body", RAW, ids=range(len(RAW)))
@pytest.mark.parametrize("path", ["/understand", "/rerank", "/embed"])
def test_bytes_that_are_no_json_get_a_400(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/understand", "/rerank", "/embed"])
def test_half_a_surrogate_pair_is_no_text(client: httpx.Client, path: str) -> None:
    body = rb'{"query": "usb \ud800", "documents": ["\udfff"], "inputs": ["\ud800"]}'
    response = client.post(path, content=body)
    assert response.status_code == 422
    assert "surrogate" in response.json()["error"]["message"]


def test_a_body_without_a_declared_length_is_limited_too(client: httpx.Client) -> None:
    response = client.post("/rerank", content=(b" " * 1000 for _ in range(30)))
    assert response.status_code == 413


def test_unknown_paths_and_methods_answer_in_json(client: httpx.Client) -> None:
    missing, wrong = client.get("/nothing"), client.get("/rerank")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("query", ["🙂", "!!!", "a" * 200, "\u202e\u0000"[:1] + "usb", "İ", "usb " * 50])
def test_odd_queries_are_understood(client: httpx.Client, query: str) -> None:
    found = ask(client, "/understand", {"query": query, "languages": ["de", "ja"]})
    assert len(found["vector"]) == DIMENSION
