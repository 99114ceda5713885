"""Tokens, TLS with certificates on both sides, limits of size and time, and what never gets into a log."""

import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from rerank.service.requests import Limits
from rerank.service.tokens import new_token
from tests.rerank.served import RERANK, served, tiny_service, wait_until
from tests.rerank.tiny import tiny_embedder, tiny_reranker

BODY = {"query": "usb cable", "documents": ["usb cable"]}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "reranker")
    return folder


@contextmanager
def process(bundles: Path, folder: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes], Path]]:
    """`rerank serve` with options: its port, itself, and its log."""
    port_file, log = folder / "port", folder / "log"
    command = [*RERANK, "serve", "--port", "0", "--port-file", str(port_file), "--threads", "1"]
    command += ["--embedder", str(bundles / "embedder"), "--reranker", str(bundles / "reranker"), *options]
    with log.open("w") as output:
        environment = {**os.environ, "POLYRANK_HOME": str(folder / "home")}
        running = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        wait_until(lambda: port_file.exists() or running.poll() is not None)
        assert running.poll() is None, log.read_text()
        yield int(port_file.read_text()), running, log
    finally:
        running.kill()
        running.wait()


def ready(client: httpx.Client) -> None:
    wait_until(lambda: client.get("/ready").status_code == 200)


def test_every_endpoint_but_health_asks_for_a_token_and_no_secret_reaches_the_log(
    bundles: Path, tmp_path: Path
) -> None:
    secret = new_token(tmp_path / "tokens.json", "engine", "use")
    options = ["--tokens", str(tmp_path / "tokens.json"), "--access-log", "--log-format", "json"]
    with (
        process(bundles, tmp_path, *options) as (port, _, log),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        ready(client)
        for method, path in [("POST", "/rerank"), ("POST", "/understand"), ("GET", "/models"), ("GET", "/metrics")]:
            answer = client.request(method, path, json=BODY if method == "POST" else None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        trace = "0af7651916cd43dd8448eb211c80319c"
        headers = {
            "Authorization": f"Bearer {secret}",
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
            "X-Opaque-Id": "shop-7",
        }
        assert client.post("/rerank", json=BODY | {"query": "private words"}, headers=headers).status_code == 200
        assert client.post("/rerank", json=BODY, headers={"Authorization": f"Bearer {secret}x"}).status_code == 401
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        found = [line for line in lines if line.get("status") == 200]
        assert [(line["endpoint"], line["caller"], line["trace_id"], line["request_id"]) for line in found] == [
            ("/rerank", "engine", trace, "shop-7")
        ]
        assert secret not in log.read_text()
        assert "private words" not in log.read_text()


def test_only_a_caller_with_a_certificate_gets_in(bundles: Path, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    server, caller, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("engine"), stranger.issue_cert("x")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(tmp_path / "chain.pem", append=number > 0)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = ["--tls-cert", str(tmp_path / "chain.pem"), "--tls-key", str(tmp_path / "key.pem")]

    def context(certificate: trustme.LeafCert | None) -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        if certificate is not None:
            certificate.configure_cert(made)
        return made

    with process(bundles, tmp_path, *options, "--client-ca", str(tmp_path / "ca.pem")) as (port, _, _):
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context(caller)) as client:
            ready(client)
            assert client.post("/rerank", json=BODY).status_code == 200
        for wrong in (None, other):
            with httpx.Client(verify=context(wrong)) as client, pytest.raises(httpx.TransportError):
                client.get(f"https://127.0.0.1:{port}/health")
        with httpx.Client() as client, pytest.raises(httpx.TransportError):
            client.get(f"http://127.0.0.1:{port}/health")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--tls-cert", "chain.pem"], 2, "--tls-key"),
        (["--tls-cert", "none.pem", "--tls-key", "none.pem"], 1, "certificate"),
        (["--tokens", "none.json"], 1, "rerank token new"),
        (["--device", "cuda"], 1, "CUDAExecutionProvider"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(bundles: Path, options: list[str], status: int, said: str) -> None:
    command = [*RERANK, "serve", "--port", "0", "--embedder", str(bundles / "embedder")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_drains_sends_callers_elsewhere_and_still_answers(bundles: Path, tmp_path: Path) -> None:
    with process(bundles, tmp_path, "--drain", "1.5") as (port, running, log):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            ready(client)
            running.send_signal(signal.SIGTERM)
            wait_until(lambda: client.get("/ready").status_code == 503)
            answer = client.post("/rerank", json=BODY)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert running.wait(60) == 0, log.read_text()


def test_requests_in_flight_end_well_when_the_service_is_told_to_stop(bundles: Path, tmp_path: Path) -> None:
    """Callers that send nothing more once `/ready` says 503, as a load balancer does, lose no request."""
    many = {"query": "usb cable", "documents": ["usb cable red shoes"] * 500}
    with process(bundles, tmp_path, "--drain", "3") as (port, running, log):
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url) as client:
            ready(client)
        statuses: list[int] = []
        told = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=url, timeout=60) as client:
                while not told.is_set():
                    statuses.append(client.post("/rerank", json=many).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(statuses) > 4)
        running.send_signal(signal.SIGTERM)
        with httpx.Client(base_url=url, timeout=60) as client:
            wait_until(lambda: client.get("/ready").status_code == 503)
        told.set()
        for thread in threads:
            thread.join()
        assert running.wait(60) == 0, log.read_text()
        assert set(statuses) == {200}


@pytest.fixture(scope="module")
def hasty(bundles: Path) -> Iterator[httpx.Client]:
    service = tiny_service(bundles / "embedder", bundles / "reranker", bundles / "none", Limits(body_s=0.3))
    with served(service) as client:
        wait_until(lambda: client.get("/ready").status_code == 200)
        yield client


def test_a_body_that_drips_is_cut_off(hasty: httpx.Client) -> None:
    address = (hasty.base_url.host, hasty.base_url.port or 0)
    with socket.create_connection(address, timeout=30) as slow:
        slow.sendall(b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert slow.recv(200).startswith(b"HTTP/1.1 408 ")


LARGE = {
    "a query of one megabyte": ({"query": "q" * 1_000_000, "documents": ["a"]}, 413),
    "ten thousand documents": ({"query": "usb", "documents": ["a"] * 10_000}, 413),
    "five megabytes": ({"query": "usb", "documents": ["a" * 5_000_000]}, 413),
    "a NUL byte": ({"query": "usb\0", "documents": ["a"]}, 422),
}


@pytest.mark.parametrize("name", LARGE)
def test_too_much_is_refused_quickly_and_clearly(hasty: httpx.Client, name: str) -> None:
    body, status = LARGE[name]
    answer = hasty.post("/rerank", json=body)
    assert answer.status_code == status
    assert len(answer.json()["error"]["message"]) < 200


def test_a_thousand_long_documents_are_read_to_the_model_s_length(hasty: httpx.Client) -> None:
    answer = hasty.post("/rerank", json={"query": "usb", "documents": ["usb cable " * 100] * 1000})
    assert answer.status_code == 200
    assert answer.json()["meta"]["tokens"] <= 1000 * 32


def test_what_cannot_be_in_time_is_refused(hasty: httpx.Client) -> None:
    many = {"query": "usb", "documents": ["usb cable " * 300] * 100, "deadline_ms": 1, "cache": False}
    refused = hasty.post("/rerank", json=many)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
