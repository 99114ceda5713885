"""A proxy before a real node that lets bulk requests fail: storms of 429, lost connections, refused items."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FAULTS = ("busy", "unavailable", "dropped", "unanswered", "busy items", "pass")


@dataclass
class Flaky:
    """What goes wrong: `faults` one a bulk request, "pass" when they are used up; `refused` says which documents are
    refused for good. `done` counts what went wrong."""

    node: str
    faults: list[str] = field(default_factory=list)
    refused: Callable[[str], bool] = lambda doc_id: False
    done: dict[str, int] = field(default_factory=dict)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    flaky: Flaky

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/_bulk" not in self.path:
            self._answer(*self._forward(body))
            return
        fault = self.flaky.faults.pop(0) if self.flaky.faults else "pass"
        self.flaky.done[fault] = self.flaky.done.get(fault, 0) + 1
        if fault in ("busy", "unavailable"):
            status = 429 if fault == "busy" else 503
            self._answer(status, json.dumps({"error": {"reason": f"{fault}, by the proxy"}, "status": status}).encode())
        elif fault == "dropped":
            self.close_connection = True
        elif fault == "unanswered":  # written, but nobody is told
            self._forward(body)
            self.close_connection = True
        else:
            self._bulk(body, busy=fault == "busy items")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _any  # noqa: N815  (names that the base class asks for)

    def _bulk(self, body: bytes, *, busy: bool) -> None:
        """Pass on what is not refused; answer in the order of the request."""
        answers: list[dict[str, Any] | None] = []
        passed: list[bytes] = []
        lines = iter(body.splitlines(keepends=True))
        for place, line in enumerate(lines):
            ((kind, meta),) = json.loads(line).items()
            action = line if kind == "delete" else line + next(lines)
            if busy and place % 3 == 0:
                answers.append({kind: _refusal(429, "rejected_execution_exception")})
            elif self.flaky.refused(meta["_id"]):
                answers.append({kind: _refusal(400, "mapper_parsing_exception")})
            else:
                answers.append(None)
                passed.append(action)
        done: Iterator[dict[str, Any]] = iter(())
        if passed:
            status, answer = self._forward(b"".join(passed))
            if status != 200:
                self._answer(status, answer)
                return
            done = iter(json.loads(answer)["items"])
        items = [next(done) if one is None else one for one in answers]
        self._answer(200, json.dumps({"items": items}).encode())

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.flaky.node).netloc, timeout=60)
        try:
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 503, json.dumps({"error": {"reason": "the node is away"}, "status": 503}).encode()
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def _refusal(status: int, kind: str) -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": f"{kind}: by the proxy"}}


@contextmanager
def flaky_cluster(node: str, **given: Any) -> Iterator[Flaky]:
    """Put a proxy before the node at this address, on a free loopback port."""
    flaky = Flaky(node, **given)
    handler = type("Handler", (_Handler,), {"flaky": flaky})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        flaky.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield flaky
        finally:
            server.shutdown()
            thread.join()
