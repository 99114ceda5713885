"""Pull from a hub of this test's own, over real HTTP, each in a process: the client reads its settings once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rerank.bundle import file_hash, load_bundle
from tests.rerank.tiny import tiny_reranker

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves folders as repositories at one commit; `lost` files answer 404, `hashes` are said of files."""

    repositories: dict[str, Path]
    lost: set[str]
    hashes: dict[str, str]
    sent: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0].removeprefix("/")
        for name, folder in self.server.repositories.items():
            if path.startswith(f"api/models/{name}") and path.removeprefix(f"api/models/{name}") in (
                "",
                "/revision/main",
                "/revision/v1",
                f"/revision/{COMMIT}",
            ):
                files = [self._described(file, folder) for file in sorted(folder.rglob("*")) if file.is_file()]
                return self._send(json.dumps({"id": name, "sha": COMMIT, "siblings": files}).encode(), body=body)
            prefix = f"{name}/resolve/{COMMIT}/"
            file = path.removeprefix(prefix)
            if path.startswith(prefix) and (folder / file).is_file() and file not in self.server.lost:
                if body:
                    self.server.sent.append(file)
                return self._send((folder / path.removeprefix(prefix)).read_bytes(), body=body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def _described(self, file: Path, folder: Path) -> dict[str, object]:
        name, size = str(file.relative_to(folder)), file.stat().st_size
        found: dict[str, object] = {"rfilename": name, "size": size, "blobId": "0" * 40}
        if name in self.server.hashes:
            found["lfs"] = {"sha256": self.server.hashes[name], "size": size, "pointerSize": 130}
        return found

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        for name, value in {"ETag": f'"{hash(content)}"', "X-Repo-Commit": COMMIT}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    server.lost, server.hashes, server.sent = set(), {}, []
    server.repositories = {"shop/reranker": tiny_reranker(tmp_path / "hub" / "reranker").path}
    torch = tmp_path / "hub" / "torch"
    torch.mkdir()
    for name in ("config.json", "model.safetensors", "pytorch_model.bin", "modeling.py"):
        (torch / name).write_text("{}")
    server.repositories["shop/torch"] = torch
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(hub: Hub, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = str(hub.repositories["shop/torch"].parent / "home")
    settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": home,
    }
    command = [sys.executable, "-c", "from rerank.cli import main; main()", "pull", *arguments]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False)


def test_a_bundle_is_fetched_at_one_commit_and_verified(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, "shop/reranker", str(tmp_path / "out"), "--revision", "v1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kind"], found["commit"]) == ("bundle", COMMIT)
    original = load_bundle(hub.repositories["shop/reranker"])
    assert load_bundle(tmp_path / "out").fingerprint == original.fingerprint
    assert sorted(path.name for path in tmp_path.glob(".out*")) == []
    again = run(hub, "shop/reranker", str(tmp_path / "out"), "--fingerprint", original.fingerprint)
    assert again.returncode == 0, again.stderr


def test_a_torch_model_comes_with_its_hashes_and_without_pickles_and_code(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, "shop/torch", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "pulled.json",
    ]
    note = json.loads((tmp_path / "out" / "pulled.json").read_text())
    assert note["commit"] == COMMIT
    assert set(note["files"]) == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["shop/none"], "cannot pull shop/none"),
        (["shop/reranker", "--revision", "v9"], "cannot pull shop/reranker at v9"),
        (["shop/reranker", "--fingerprint", "sha256:00"], "has the fingerprint sha256:"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(hub: Hub, tmp_path: Path, arguments: list[str], reason: str) -> None:
    done = run(hub, arguments[0], str(tmp_path / "out"), *arguments[1:])
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_changed_on_the_hub_is_refused(hub: Hub, tmp_path: Path) -> None:
    (hub.repositories["shop/reranker"] / "tokenizer.json").write_text("{}")
    done = run(hub, "shop/reranker", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "was changed" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_pull_that_lost_the_hub_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.lost = {"model.safetensors"}
    done = run(hub, "shop/torch", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "run it again to go on" in done.stderr
    assert not (tmp_path / "out").exists()
    assert hub.sent == ["config.json"]
    hub.lost = set()
    done = run(hub, "shop/torch", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert hub.sent == ["config.json", "model.safetensors"]
    assert not list(tmp_path.glob(".out*"))


def test_a_large_file_must_have_the_hash_that_the_hub_has_of_it(hub: Hub, tmp_path: Path) -> None:
    weights = hub.repositories["shop/torch"] / "model.safetensors"
    hub.hashes = {"model.safetensors": "0" * 64}
    done = run(hub, "shop/torch", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "model.safetensors of shop/torch came with a sha256 that starts" in done.stderr
    assert not list(tmp_path.glob("*out*"))
    hub.hashes = {"model.safetensors": file_hash(weights)}
    assert run(hub, "shop/torch", str(tmp_path / "out")).returncode == 0
