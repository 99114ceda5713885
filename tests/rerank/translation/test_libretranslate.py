"""The client against a real HTTP server that speaks LibreTranslate's API."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rerank.errors import TranslationError
from rerank.protocols import Translator
from rerank.translation.libretranslate import BATCH_CHARS, LibreTranslate
from tests.contracts import TranslatorContract

LANGUAGES = [{"code": "en", "name": "English", "targets": ["en", "de"]}, {"code": "de", "targets": ["de", "en"]}]


class Service:
    """What the server answers (`faults`: statuses first), and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.faults: list[int] = []
        self.answer: Any = None
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_GET(self) -> None:
        self._send(200, LANGUAGES)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.asked.append(body)
        if self.service.faults:
            self._send(self.service.faults.pop(0), {"error": "no"})
        else:
            made = {"translatedText": [f"{text} ({body['target']})" for text in body["q"]]}
            self._send(200, made if self.service.answer is None else self.service.answer)

    def _send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    service = Service()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service})) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}/"
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def service(running: Service) -> Service:
    running.asked, running.faults, running.answer = [], [], None
    return running


def client(service: Service, **options: Any) -> LibreTranslate:
    return LibreTranslate(service.url, backoff_s=0.0, **options)


class TestLibreTranslate(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _running(self, service: Service) -> None:
        self._service = service

    def translator(self) -> Translator:
        return client(self._service)


def test_batches_keys_and_pairs(service: Service) -> None:
    translator = client(service, api_key="secret")
    assert translator.pairs() == {("en", "de"), ("de", "en")}
    texts = ["a" * BATCH_CHARS, "lamp", " ", "chair"]
    made = translator.translate(texts, "en", "de")
    assert [one.text for one in made[1:]] == ["lamp (de)", " ", "chair (de)"]
    assert [one.engine for one in made] == ["libretranslate", "libretranslate", "keep", "libretranslate"]
    assert [len(body["q"]) for body in service.asked] == [1, 2]
    assert service.asked[0]["api_key"] == "secret"
    assert (service.asked[0]["source"], service.asked[0]["format"]) == ("en", "text")
    assert translator.version == client(service).version


def test_a_busy_service_is_asked_again_and_a_refusal_is_said(service: Service) -> None:
    service.faults = [503, 429]
    assert client(service).translate(["lamp"], "en", "de")[0].text == "lamp (de)"
    service.faults = [403]
    with pytest.raises(TranslationError, match="HTTP 403: no"):
        client(service).translate(["lamp"], "en", "de")
    service.faults = [503] * 9
    with pytest.raises(TranslationError, match="HTTP 503"):
        client(service, retries=1).translate(["lamp"], "en", "de")


@pytest.mark.parametrize(
    "answer", [{"translatedText": "lamp"}, {"translatedText": []}, {}, [1], {"translatedText": [3]}]
)
def test_an_answer_of_another_shape_is_refused(service: Service, answer: Any) -> None:
    service.answer = answer
    with pytest.raises(TranslationError, match="as many translations"):
        client(service).translate(["lamp"], "en", "de")


def test_a_dead_service_and_a_wrong_address_are_said() -> None:
    with pytest.raises(TranslationError, match="cannot be reached"):
        LibreTranslate("http://127.0.0.1:9", retries=0).pairs()
    with pytest.raises(TranslationError, match="http://"):
        LibreTranslate("file:///etc/passwd")
