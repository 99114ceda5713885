"""`rerank serve` as a process: port file, readiness, a graceful end, and one line for each user error."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.rerank.served import RERANK, wait_ready, wait_until
from tests.rerank.tiny import tiny_embedder, tiny_reranker


def test_serve_announces_itself_and_stops_on_sigterm(tmp_path: Path) -> None:
    tiny_embedder(tmp_path / "embedder")
    tiny_reranker(tmp_path / "reranker")
    port_file, log = tmp_path / "run" / "port", tmp_path / "log"
    command = [*RERANK, "serve", "--port", "0", "--port-file", str(port_file), "--threads", "1"]
    command += ["--embedder", str(tmp_path / "embedder"), "--reranker", str(tmp_path / "reranker")]
    with log.open("w") as output:
        environment = {**os.environ, "POLYRANK_HOME": str(tmp_path / "home")}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        wait_until(port_file.exists)
        with httpx.Client(base_url=f"http://127.0.0.1:{port_file.read_text().strip()}", timeout=60) as client:
            wait_ready(client)
            assert client.post("/rerank", json={"query": "usb", "documents": ["usb cable"]}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
        assert not port_file.exists()
    finally:
        process.kill()
        process.wait()


def failing(*arguments: str) -> str:
    done = subprocess.run([*RERANK, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in failing("serve", "--port", port)


@pytest.mark.parametrize("command", ["verify", "quantize"])
def test_a_folder_that_is_no_bundle_is_one_sentence(tmp_path: Path, command: str) -> None:
    more = [str(tmp_path / "out")] if command == "quantize" else []
    assert "manifest.json" in failing(command, str(tmp_path), *more)


def test_serving_needs_no_torch(tmp_path: Path) -> None:
    script = "import sys, rerank.cli, rerank.service.serve; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
