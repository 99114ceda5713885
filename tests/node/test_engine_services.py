"""Several services behind one node: balance, another try, circuit breakers and their recovery; warm from the start."""

import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from tests.node.engine_rig import Json, Rig, told
from tests.node.fake_service import FakeService, raw, reply, slow

pytestmark = pytest.mark.node
BODY: Json = {"query": {"match": {"title": "lamp"}}}


def test_calls_take_turns(rig: Rig, fake: FakeService) -> None:
    with FakeService() as other:
        rig.use(fake.url, other.url)
        for _ in range(10):
            rig.search(BODY)
        assert (len(fake.calls), len(other.calls)) == (5, 5)


def test_the_less_busy_service_is_asked(rig: Rig, fake: FakeService) -> None:
    with FakeService() as other:
        rig.use(fake.url, other.url)
        fake.behaviours["/understand"] = slow(4.0, fake.well)
        threads = [threading.Thread(target=rig.search, args=(BODY,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1.0)  # both searches are under way, also on a busy machine
        busy = len(fake.calls)
        for _ in range(6):
            rig.search(BODY)
        assert len(fake.calls) == busy
        for thread in threads:
            thread.join()


def test_another_service_answers_for_a_sick_one(rig: Rig, fake: FakeService) -> None:
    with FakeService() as sick:
        sick.behaviours["/understand"] = reply({}, status=503)
        rig.use(sick.url, fake.url)
        for _ in range(4):
            assert told(rig.search(BODY))["degraded"] is None
        assert sick.calls


def test_breaker_opens_and_recovers_without_a_restart(rig: Rig, fake: FakeService) -> None:
    rig.use(fake.url, failures=3, cooldown="700ms")
    fake.behaviours["/understand"] = raw(b"nonsense")
    for _ in range(3):
        assert "not a JSON object" in told(rig.search(BODY))["degraded"]
    fake.behaviours.clear()
    assert f"circuit breaker open: {fake.url} failed 3 times" in told(rig.search(BODY))["degraded"]
    assert len(fake.calls) == 3, "an open breaker lets no call pass"
    time.sleep(0.8)
    assert told(rig.search(BODY))["degraded"] is None
    assert told(rig.search(BODY))["degraded"] is None


def test_failed_probe_opens_the_breaker_again(rig: Rig, fake: FakeService) -> None:
    rig.use(fake.url, failures=1, cooldown="500ms")
    fake.behaviours["/understand"] = reply({}, status=500)
    rig.search(BODY)
    time.sleep(0.6)
    assert "HTTP 500" in told(rig.search(BODY))["degraded"]
    assert "circuit breaker open" in told(rig.search(BODY))["degraded"]
    assert len(fake.calls) == 2


def test_refused_requests_do_not_open_the_breaker(rig: Rig, fake: FakeService) -> None:
    rig.use(fake.url, failures=1)
    fake.behaviours["/understand"] = reply({}, status=422)
    for _ in range(3):
        assert "HTTP 422" in told(rig.search(BODY))["degraded"]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("polyrank.service.urls", ["ftp://x"], "neither http nor https"),
        ("polyrank.service.urls", ["http://"], "polyrank.service.urls"),
        ("polyrank.service.urls", ["http://x/?a=b"], "has a query"),
        ("polyrank.service.breaker.failures", 0, "polyrank.service.breaker.failures"),
        ("polyrank.service.breaker.cooldown", "1ms", "polyrank.service.breaker.cooldown"),
    ],
)
def test_settings_are_checked(rig: Rig, setting: str, value: object, says: str) -> None:
    answer = rig.http.put("/_cluster/settings", json={"persistent": {setting: value}})
    assert answer.status_code == 400
    assert says in answer.text


def test_addresses_below_a_path(rig: Rig, fake: FakeService) -> None:
    rig.use(fake.url + "/models/")

    def below(handler: BaseHTTPRequestHandler, request: Json) -> None:
        handler.path = "/understand"
        fake.well(handler, request)

    fake.behaviours["/models/understand"] = below
    assert told(rig.search(BODY))["degraded"] is None
    assert fake.paths() == ["/models/understand"]
