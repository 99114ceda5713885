"""Bodies for a stock distribution without our plugin: ML Commons' connector and model, and neural-search's pipeline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from plugin.pipelines import PipelineError

STOCK_FIELDS = ("title.en", "text.en")
"""What the reranker reads unless told otherwise."""


@dataclass(frozen=True, slots=True)
class MlCommons:
    """What the bodies are made for.

    `service_url` is the model service as the nodes reach it; `fields` are the source paths its reranker reads, glued by
    ML Commons in this order; `token` is sent as a bearer token when it is not empty.
    """

    service_url: str
    fields: Sequence[str] = STOCK_FIELDS
    model: str = "polyrank"
    token: str = ""

    def requests(self, name: str) -> list[dict[str, Any]]:
        """Return the HTTP requests, in order: `method`, `path`, `body`.

        `<connector_id>` and `<model_id>` stand for what the answers of the requests before say.

        Raises:
            PipelineError: the address is not http or https.
        """
        if urlsplit(self.service_url).scheme not in ("http", "https") or not urlsplit(self.service_url).netloc:
            raise PipelineError(f"the service's address is [{self.service_url}]: write it like http://10.0.0.5:8808")
        return [
            {"method": "PUT", "path": "/_cluster/settings", "body": self.settings()},
            {"method": "POST", "path": "/_plugins/_ml/connectors/_create", "body": self.connector()},
            {"method": "POST", "path": "/_plugins/_ml/models/_register?deploy=true", "body": self.registration()},
            {"method": "PUT", "path": f"/_search/pipeline/{name}", "body": self.pipeline()},
        ]

    def settings(self) -> dict[str, Any]:
        """Return the settings that let nodes call this address, and no other, and private ones if it is one."""
        address = urlsplit(self.service_url)
        return {
            "persistent": {
                "plugins.ml_commons.only_run_on_ml_node": False,
                "plugins.ml_commons.connector.private_ip_enabled": True,
                "plugins.ml_commons.trusted_connector_endpoints_regex": [
                    f"^{address.scheme}://{re.escape(address.netloc)}/.*$"
                ],
            }
        }

    def connector(self) -> dict[str, Any]:
        """Return a connector in Cohere's dialect, which ML Commons reads without a script of ours."""
        headers = {"Content-Type": "application/json"}
        credential = {"service_token": self.token} if self.token else {}
        if credential:
            headers["Authorization"] = "Bearer ${credential.service_token}"
        return {
            "name": "polyrank rerank",
            "description": "polyrank's model service, Cohere's shape",
            "version": "1",
            "protocol": "http",
            **({"credential": credential} if credential else {}),
            "parameters": {"endpoint": self.service_url.rstrip("/"), "model": self.model},
            "actions": [
                {
                    "action_type": "predict",
                    "method": "POST",
                    "url": "${parameters.endpoint}/v1/rerank",
                    "headers": headers,
                    "request_body": (
                        '{"model": "${parameters.model}", "query": "${parameters.query}",'
                        ' "documents": ${parameters.documents}, "top_n": ${parameters.top_n}}'
                    ),
                    "pre_process_function": "connector.pre_process.cohere.rerank",
                    "post_process_function": "connector.post_process.cohere.rerank",
                }
            ],
        }

    def registration(self) -> dict[str, Any]:
        """Return the registration of the remote model."""
        return {
            "name": "polyrank rerank",
            "function_name": "remote",
            "description": "polyrank's model service",
            "connector_id": "<connector_id>",
        }

    def pipeline(self) -> dict[str, Any]:
        """Return the search pipeline; a dead reranker leaves the search as it is."""
        rerank = {
            "ml_opensearch": {"model_id": "<model_id>"},
            "context": {"document_fields": list(self.fields)},
            "ignore_failure": True,
        }
        return {
            "description": "polyrank's reranker behind ML Commons",
            "response_processors": [{"rerank": rerank}],
        }
