"""A real HTTP server of one file, with ETag, ranges, and faults to order."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server gives, and what it was asked. `faults`: one a request: a status, or a number of bytes after
    which the connection breaks (negative). `moved_to`: another address to ask."""

    body: bytes
    etag: str | None = '"v1"'
    faults: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    moved_to: str | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def do_GET(self) -> None:
        served = self.served
        served.asked.append(dict(self.headers.items()))
        fault = served.faults.pop(0) if served.faults else 0
        if served.moved_to:
            self._answer(302, b"", {"Location": served.moved_to})
            return
        if fault > 0:
            self._answer(fault, b"", {"Retry-After": "0"})
            return
        if served.etag and self.headers.get("If-None-Match") == served.etag:
            self._answer(304, b"", {})
            return
        validators = {"ETag": served.etag} if served.etag else {}
        wanted, body, status = self.headers.get("Range"), served.body, 200
        if wanted and self.headers.get("If-Range") == served.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            body, status = served.body[start:], 206
            validators["Content-Range"] = f"bytes {start}-{len(served.body) - 1}/{len(served.body)}"
        self._answer(status, body, validators, cut=-fault or None)

    def _answer(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def serving(served: Served, path: str = "/feed.jsonl") -> Iterator[Served]:
    """Serve on a free loopback port."""
    handler = type("Handler", (_Handler,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}{path}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
