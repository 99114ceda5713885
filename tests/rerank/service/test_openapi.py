"""The OpenAPI description, and a fuzzer that holds the service to it: no 5xx, no undocumented answer."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rerank.service.app import ADMIN, ENDPOINTS, Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.openapi import openapi
from rerank.service.requests import Limits
from tests.rerank.served import served, wait_ready
from tests.rerank.tiny import tiny_embedder, tiny_reranker

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

HEALTH = list(HealthCheck)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("openapi")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "reranker")
    paths = ModelPaths((folder / "embedder",), (folder / "reranker",), folder / "none", dictionaries=folder / "none")
    with served(Service(Models(paths, Workers()))) as client:
        wait_ready(client)
        yield client


SCHEMA = schemathesis.openapi.from_dict(openapi(Limits(), tokens=False))
OPERATIONS = [(path, method.upper()) for path, item in SCHEMA.raw_schema["paths"].items() for method in item]


VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [(*operation, VALID) for operation in OPERATIONS]
CASES += [(path, method, INVALID) for path, method in OPERATIONS if method == "POST"]


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_no_request_breaks_the_service_or_its_description(
    client: httpx.Client, path: str, method: str, mode: GenerationMode
) -> None:
    operation = SCHEMA[path][method]

    @seed(1)
    @settings(max_examples=8, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=HEALTH)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=str(client.base_url).rstrip("/"), checks=CHECKS)

    ask()


def test_every_route_is_described(client: httpx.Client) -> None:
    paths = openapi(Limits(), tokens=True)["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert {(method, path) for method, path, _, _ in (*ENDPOINTS, *ADMIN)} <= described


def test_tokens_are_part_of_the_description() -> None:
    with_tokens, without = openapi(Limits(), tokens=True), openapi(Limits(), tokens=False)
    assert with_tokens["security"] == [{"bearer": []}]
    assert "401" in with_tokens["paths"]["/rerank"]["post"]["responses"]
    assert with_tokens["paths"]["/ready"]["get"]["security"] == []
    assert "security" not in without
    assert "/admin/models" not in without["paths"]
