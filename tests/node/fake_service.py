"""A model service on loopback that answers as a test scripts it: real HTTP, no models.

Understands with a table of vectors and translations, reranks by a scoring function; each path can be told to misbehave.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]
Behaviour = Callable[[BaseHTTPRequestHandler, Json], None]

FINGERPRINT = "sha256:test-embedder"


def reply(payload: object, *, status: int = 200) -> Behaviour:
    """Answer with this JSON."""
    return raw(json.dumps(payload).encode(), status=status)


def raw(body: bytes, *, status: int = 200) -> Behaviour:
    """Answer with these bytes."""

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        _send(handler, status, body, len(body))

    return behave


def truncated(body: bytes) -> Behaviour:
    """Promise twice the bytes that come, and hang up."""

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        _send(handler, 200, body, 2 * len(body))
        handler.close_connection = True

    return behave


def dripping(*, every_s: float = 0.05, for_s: float = 3.0) -> Behaviour:
    """Send the headers at once and then a byte now and then: a body that never ends in time."""

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        _send(handler, 200, b"{", 100_000)
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            time.sleep(every_s)
            handler.wfile.write(b" ")
            handler.wfile.flush()
        handler.close_connection = True

    return behave


def slow(seconds: float, then: Behaviour) -> Behaviour:
    """Wait, then behave."""

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        time.sleep(seconds)
        then(handler, request)

    return behave


def hung_up(asked: threading.Event, noticed: threading.Event, *, within_s: float = 10.0) -> Behaviour:
    """Never answer; tell when a question came, and when its caller closes the connection."""

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        asked.set()
        handler.connection.settimeout(within_s)
        try:
            closed = handler.connection.recv(1) == b""
        except OSError as error:
            closed = isinstance(error, ConnectionResetError)
        if closed:
            noticed.set()
        handler.close_connection = True

    return behave


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, length: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


@dataclass
class Call:
    """One request that came, with its headers (names in lower case), and when (seconds of the monotonic clock)."""

    path: str
    body: Json
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class FakeService:
    """Start with `with FakeService() as service`; `service.url` is its address."""

    def __init__(self, dimension: int = 8) -> None:
        self.dimension = dimension
        self.fingerprint = FINGERPRINT
        self.language: Json = {"code": "en", "confidence": 0.9}
        self.vectors: dict[str, list[float]] = {}
        self.translations: dict[str, dict[str, str]] = {}
        self.model_queries: dict[str, str] = {}
        self.read: Json | None = None
        self.attributes: list[Json] = []
        self.expansions: list[Json] = []
        self.relevance: Callable[[str, Json], float] = lambda query, document: 0.5
        self.behaviours: dict[str, Behaviour] = {}
        self.calls: list[Call] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body go out in two writes: 40 ms each otherwise

            def do_GET(self) -> None:
                _send(self, 200, b"{}", 2)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.calls.append(Call(self.path, body, headers))
                behaviour = service.behaviours.get(self.path) or service.well
                try:
                    behaviour(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def well(self, handler: BaseHTTPRequestHandler, request: Json) -> None:
        """Answer as a healthy service does."""
        answers = {"/understand": self.understand, "/rerank": self.rerank, "/translate": self.translate}
        answer = answers[handler.path](request)
        body = json.dumps(answer).encode()
        _send(handler, 200, body, len(body))

    def understand(self, request: Json) -> Json:
        """The healthy answer of /understand."""
        query = request["query"]
        answer: Json = {
            "language": self.language,
            "translations": {
                language: {"text": text, "engine": "table", "confidence": 0.8}
                for language, text in self.translations.get(query, {}).items()
            },
            "model_query": self.model_queries.get(query, query),
            "expansion": [one for one in self.expansions if one["source"] in request.get("expand", [])],
            "embedder": self.fingerprint,
        }
        if self.read is not None:
            answer["read"] = self.read
        if "vector" in request["want"]:
            answer["vector"] = self.vectors.get(query) or [1.0] + [0.0] * (self.dimension - 1)
        if "attributes" in request["want"]:
            answer["attributes"] = self.attributes
        return answer

    def rerank(self, request: Json) -> Json:
        """The healthy answer of /rerank, best first as Cohere has it."""
        scores = [(self.relevance(request["query"], document), i) for i, document in enumerate(request["documents"])]
        scores.sort(key=lambda pair: (-pair[0], pair[1]))
        return {"id": "1", "results": [{"index": i, "relevance_score": round(float(s), 6)} for s, i in scores]}

    def translate(self, request: Json) -> Json:
        """The healthy answer of /translate: what `translations` has, the rest as it was."""
        made = [self.translations.get(text, {}).get(request["target"]) for text in request["q"]]
        return {
            "translatedText": [text or given for text, given in zip(made, request["q"], strict=True)],
            "engine": ["table" if text else "keep" for text in made],
        }

    def paths(self) -> list[str]:
        """The paths that were called, in order."""
        return [call.path for call in self.calls]
