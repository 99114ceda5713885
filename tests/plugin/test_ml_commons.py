"""The requests for a stock distribution: complete, safe by default, and in the shape that our service answers."""

import json
import re

import pytest
from click.testing import CliRunner

from plugin.cli import main
from plugin.ml_commons import MlCommons
from plugin.pipelines import PipelineError


def printed(*options: str) -> list[dict[str, object]]:
    """What the command prints."""
    done = CliRunner().invoke(main, ["pipelines", "bodies", "shop", "--flavor", "ml-commons", *options])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_the_requests_in_their_order() -> None:
    paths = [request["path"] for request in printed("--service", "http://10.0.0.5:8808")]
    assert paths == [
        "/_cluster/settings",
        "/_plugins/_ml/connectors/_create",
        "/_plugins/_ml/models/_register?deploy=true",
        "/_search/pipeline/shop",
    ]


def test_nodes_may_call_that_address_and_no_other() -> None:
    persistent = MlCommons("http://10.0.0.5:8808").settings()["persistent"]
    (pattern,) = persistent["plugins.ml_commons.trusted_connector_endpoints_regex"]
    assert re.match(pattern, "http://10.0.0.5:8808/v1/rerank")
    for other in (
        "http://10.0.0.5:88080/x",
        "http://10.0.0.50:8808/x",
        "http://10a0b0c5:8808/x",
        "https://10.0.0.5:8808/x",
    ):
        assert not re.match(pattern, other)


def test_an_address_in_brackets_is_no_class_of_characters() -> None:
    (pattern,) = MlCommons("http://[fd00::5]:8808").settings()["persistent"][
        "plugins.ml_commons.trusted_connector_endpoints_regex"
    ]
    assert re.match(pattern, "http://[fd00::5]:8808/v1/rerank")
    assert not re.match(pattern, "http://f:8808/v1/rerank")


def test_the_body_is_what_the_service_reads() -> None:
    """With values in place of the parameters it is JSON in Cohere's shape."""
    body = MlCommons("http://h:1").connector()["actions"][0]["request_body"]
    values = {"model": "m", "query": "lamp", "documents": '["a", "b"]', "top_n": "2"}
    for name, value in values.items():
        body = body.replace("${parameters." + name + "}", value)
    assert json.loads(body) == {"model": "m", "query": "lamp", "documents": ["a", "b"], "top_n": 2}


def test_a_token_is_a_credential_and_never_in_the_header_itself() -> None:
    connector = MlCommons("http://h:1", token="s3cret").connector()
    assert connector["credential"] == {"service_token": "s3cret"}
    assert "s3cret" not in json.dumps(connector["actions"])
    assert "credential" not in MlCommons("http://h:1").connector()


def test_a_dead_reranker_is_not_a_dead_search() -> None:
    (processor,) = MlCommons("http://h:1").pipeline()["response_processors"]
    assert processor["rerank"]["ignore_failure"] is True


@pytest.mark.parametrize("address", ["10.0.0.5:8808", "ftp://h/x", ""])
def test_a_wrong_address(address: str) -> None:
    with pytest.raises(PipelineError, match="write it like http"):
        MlCommons(address).requests("shop")


def test_the_address_is_needed() -> None:
    done = CliRunner().invoke(main, ["pipelines", "bodies", "shop"])
    assert done.exit_code == 2
    assert "--service" in done.output
