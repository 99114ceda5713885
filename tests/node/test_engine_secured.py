"""The engine and a real service that asks for a token and a certificate: `--tokens --tls-cert --client-ca`."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from plugin.capacity import PortWish, choose_ports
from plugin.errors import NodeError
from rerank.service.tokens import new_token
from tests.node.engine_rig import Json, Rig, told
from tests.node.fake_service import FakeService
from tests.node.own_node import OwnNode
from tests.rerank.served import RERANK, wait_until
from tests.rerank.tiny import tiny_embedder, tiny_reranker

pytestmark = pytest.mark.node
RERANKED: Json = {"document_fields": {"title": ["title"]}}
BODY: Json = {"query": {"match": {"title": "usb"}}}
TRACE = "0af7651916cd43dd8448eb211c80319c"


CERTIFICATE, KEY = "polyrank.service.tls.certificate", "polyrank.service.tls.key"


def pkcs8(certificate: trustme.LeafCert) -> bytes:
    """Its key as the node reads it; trustme writes the older form."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


class Secured:
    """A service behind mutual TLS and tokens, and a node that trusts it, is trusted by it and has a token."""

    def __init__(self, node: OwnNode, rig: Rig, url: str, secret: str, log: Path, authority: trustme.CA) -> None:
        self.node, self.rig, self.url, self.secret, self.log, self.authority = node, rig, url, secret, log, authority

    def search(self) -> Json:
        """Search with a trace; the section of polyrank."""
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        answer = self.rig.http.post("/shop/_search", json=BODY, params={"search_pipeline": "shop"}, headers=headers)
        assert answer.status_code == 200, answer.text
        return told(answer.json())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "reranker")
    authority, callers = trustme.CA(), trustme.CA()
    caller = callers.issue_cert("engine.shop.example")
    callers.cert_pem.write_to_path(folder / "callers.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    secret = new_token(folder / "tokens.json", "engine", "use")
    (port,) = choose_ports([PortWish(0)])
    command = [*RERANK, "serve", "--port", str(port), "--port-file", str(folder / "port"), "--threads", "1"]
    command += ["--embedder", str(folder / "embedder"), "--reranker", str(folder / "reranker")]
    command += ["--tls-cert", str(folder / "chain.pem"), "--tls-key", str(folder / "key.pem")]
    command += ["--client-ca", str(folder / "callers.pem")]
    command += ["--tokens", str(folder / "tokens.json"), "--access-log", "--log-format", "json"]
    with (folder / "log").open("w") as output:
        environment = {**os.environ, "POLYRANK_HOME": str(folder / "home")}
        service = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    settings = {"polyrank.service.tls.authorities": "service-ca.pem", CERTIFICATE: "node.pem", KEY: "node-key.pem"}
    node = OwnNode("secured", settings)
    try:
        node.keep_secret("polyrank.service.token", secret)
        (node.config.folder / "config" / "service-ca.pem").write_bytes(authority.cert_pem.bytes())
        (node.config.folder / "config" / "node.pem").write_bytes(
            b"".join(pem.bytes() for pem in caller.cert_chain_pems)
        )
        (node.config.folder / "config" / "node-key.pem").write_bytes(pkcs8(caller))
        node.start()
        wait_until(lambda: (folder / "port").exists() or service.poll() is not None)
        assert service.poll() is None, (folder / "log").read_text()
        with FakeService() as unused:
            rig = Rig(node.config.url, unused)
            rig.index("shop", [{"_id": str(n), "title": f"usb cable {n}"} for n in range(20)], vectors=False)
            rig.pipeline(rerank=RERANKED, retrievers=[{"lexical": {}}], languages=None)
            url = f"https://127.0.0.1:{port}"
            rig.use(url)
            secured = Secured(node, rig, url, secret, folder / "log", authority)
            wait_until(lambda: secured.search()["degraded"] is None, 60)
            yield secured
            rig.http.close()
    finally:
        node.remove()
        service.kill()
        service.wait()


def test_token_trace_and_tls_reach_the_service_and_the_secret_is_nowhere(secured: Secured) -> None:
    found = secured.search()
    assert found["reranked"] == 20
    lines = [line for line in secured.log.read_text().splitlines() if TRACE in line and '"status": 200' in line]
    assert any("/rerank" in line for line in lines)
    assert all('"caller": "engine"' in line for line in lines)
    paths = ("/_cluster/settings?include_defaults=true", "/_nodes/settings", "/_cluster/state")
    answers = [secured.rig.http.get(path).text for path in paths]
    assert secured.url in answers[0]
    for text in (*answers, secured.log.read_text(), secured.node.config.log.read_text()):
        assert secured.secret not in text


def test_without_a_certificate_the_same_service_answers_nobody(secured: Secured) -> None:
    trusting = ssl.create_default_context()
    secured.authority.configure_trust(trusting)
    with httpx.Client(verify=trusting) as client, pytest.raises(httpx.TransportError):
        client.get(f"{secured.url}/health")
    assert secured.search()["degraded"] is None, "the node shows one"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({CERTIFICATE: "mine"}, f"[{CERTIFICATE}] is of no use without [{KEY}]: set both or neither"),
        ({CERTIFICATE: "mine", KEY: "others"}, "it is not the key of the certificate"),
        ({CERTIFICATE: "mine", KEY: "old form"}, "openssl pkcs8 -topk8 -nocrypt"),
    ],
)
def test_a_node_does_not_start_with_an_identity_that_cannot_be_used(files: dict[str, str], says: str) -> None:
    authority = trustme.CA()
    mine, others = authority.issue_cert("engine"), authority.issue_cert("other")
    content = {
        "mine": mine.cert_chain_pems[0].bytes(),
        "others": pkcs8(others),
        "old form": mine.private_key_pem.bytes(),
    }
    node = OwnNode("misled", {setting: f"{name}.pem" for setting, name in files.items()})
    try:
        (node.config.folder / "config").mkdir()
        for name in files.values():
            (node.config.folder / "config" / f"{name}.pem").write_bytes(content[name])
        with pytest.raises(NodeError):
            node.start()
        assert says in node.config.log.read_text()
    finally:
        node.remove()


def test_another_token_counts_after_a_reload_without_a_restart(secured: Secured) -> None:
    secured.node.keep_secret("polyrank.service.token", "wrong")
    secured.rig.call("POST", "/_nodes/reload_secure_settings")
    assert secured.search()["degraded"] == "understand: /understand answered HTTP 401"
    secured.node.keep_secret("polyrank.service.token", secured.secret)
    secured.rig.call("POST", "/_nodes/reload_secure_settings")
    assert secured.search()["degraded"] is None


def test_a_certificate_of_another_authority_is_not_believed(rig: Rig, secured: Secured) -> None:
    """The shared node trusts what its JVM trusts, and no private authority."""
    rig.use(secured.url, failures=1000)
    lamp: Json = {"query": {"match": {"title": "lamp"}}}
    wait_until(lambda: "failed: " in told(rig.search(lamp))["degraded"], 60)  # a first handshake loads many classes
