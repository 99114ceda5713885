"""Several bundles at once: routed per request and language, loaded and unloaded while requests run."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rerank.manifest import Calibration
from rerank.service.app import Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.tokens import Guard, new_token
from tests.rerank.served import served, wait_ready
from tests.rerank.tiny import tiny_embedder, tiny_reranker

BODY = {"query": "usb cable", "documents": ["red shoes", "usb cable"]}


@dataclass(frozen=True)
class Shop:
    client: httpx.Client
    folder: Path
    admin: dict[str, str]
    use: dict[str, str]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    tiny_embedder(tmp_path / "embedder")
    tiny_reranker(tmp_path / "english")
    tiny_reranker(tmp_path / "german", languages=("de",), calibration=Calibration(2.0, 0.5))
    (tmp_path / "shelf").mkdir()
    tiny_reranker(tmp_path / "shelf" / "third", calibration=Calibration(1.0, -1.0))
    tokens = tmp_path / "tokens.json"
    admin, use = ({"Authorization": f"Bearer {new_token(tokens, name, name)}"} for name in ("admin", "use"))
    paths = ModelPaths(
        (tmp_path / "embedder",),
        (tmp_path / "english", tmp_path / "german"),
        tmp_path / "resources",
        dictionaries=tmp_path / "none",
        shelf=tmp_path / "shelf",
    )
    service = Service(Models(paths, Workers(threads=2)), guard=Guard(tokens))
    with served(service) as client:
        wait_ready(client)
        yield Shop(client, tmp_path, admin, use)


def model(shop: Shop, **more: Any) -> str:
    answer = shop.client.post("/rerank", json=BODY | more, headers=shop.use)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["meta"]["model"]
    return name


def names(shop: Shop) -> list[str]:
    models = shop.client.get("/models", headers=shop.use).json()["models"]
    return [item["name"] for item in models if item["task"] == "rerank"]


def test_a_request_gets_the_model_it_names_or_the_one_of_its_language(shop: Shop) -> None:
    assert model(shop) == "english"
    assert model(shop, model="rerank-v3.5") == "english", "a vendor's name is no error"
    assert model(shop, model="german") == "german"
    assert model(shop, language="de-AT") == "german"
    assert model(shop, language="fr") == "english"
    assert model(shop, model="english", language="de") == "english"


def test_models_come_and_go_while_requests_run(shop: Shop) -> None:
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=shop.client.base_url, headers=shop.use) as client:
            while not stop.is_set():
                answer = client.post("/rerank", json=BODY | {"model": "third"})
                if answer.status_code != 200:
                    failures.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            loaded = shop.client.post("/admin/models", json={"bundle": "third"}, headers=shop.admin)
            assert (loaded.status_code, loaded.json()["name"]) == (201, "third")
            assert model(shop, model="third") == "third"
            again = shop.client.post("/admin/models/rerank/third/reload", headers=shop.admin)
            assert again.status_code == 200, again.text
            gone = shop.client.delete("/admin/models/rerank/third", headers=shop.admin)
            assert gone.json() == {"unloaded": "third"}
            assert names(shop) == ["english", "german"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_loaded_model_can_become_the_default(shop: Shop) -> None:
    shop.client.post("/admin/models", json={"bundle": "third", "default": True}, headers=shop.admin)
    assert names(shop) == ["third", "english", "german"]
    assert model(shop) == "third"


def test_a_reload_that_fails_leaves_the_model(shop: Shop) -> None:
    shop.client.post("/admin/models", json={"bundle": "third"}, headers=shop.admin)
    (shop.folder / "shelf" / "third" / "model.onnx").write_bytes(b"broken")
    answer = shop.client.post("/admin/models/rerank/third/reload", headers=shop.admin)
    assert (answer.status_code, "changed" in answer.json()["error"]["message"]) == (422, True)
    assert model(shop, model="third") == "third"
    shutil.rmtree(shop.folder / "shelf" / "third")
    assert model(shop, model="third") == "third"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/admin/models", {"bundle": "nothing"}, 404),
        ("POST", "/admin/models", {"bundle": "../english"}, 422),
        ("POST", "/admin/models", {"bundle": ".."}, 422),
        ("POST", "/admin/models", {"bundle": 3}, 422),
        ("POST", "/admin/models", {"bundle": "third", "default": "yes"}, 422),
        ("POST", "/admin/models/rerank/nothing/reload", None, 404),
        ("DELETE", "/admin/models/translate/english", None, 404),
        ("DELETE", "/admin/models/embed/embedder", None, 422),
    ],
)
def test_a_wrong_admin_request_is_told_what_is_wrong(
    shop: Shop, method: str, path: str, body: object, status: int
) -> None:
    answer = shop.client.request(method, path, json=body, headers=shop.admin)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_only_an_admin_may_load(shop: Shop) -> None:
    body = {"bundle": "third"}
    assert shop.client.post("/admin/models", json=body).status_code == 401
    refused = shop.client.post("/admin/models", json=body, headers=shop.use)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
