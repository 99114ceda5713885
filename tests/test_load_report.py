"""What a load run says of a loss: shares by period, and when it was no longer felt."""

import xml.etree.ElementTree as ElementTree

import pytest

from bench.load_report import Answer, Event, draw, level_before, periods, quantiles, recovered_s, share

LOST = Event(20.0, "lost")
BACK = Event(40.0, "restart")


def run(degraded_until: float, seconds: float = 60.0, every: float = 0.1) -> list[Answer]:
    """Ten answers a second; degraded from the loss to `degraded_until`, and once in ten seconds before it."""
    answers = []
    for number in range(int(seconds / every)):
        at = number * every
        degraded = (at < LOST.at_s and number % 100 == 50) or LOST.at_s <= at < degraded_until
        answers.append(Answer(at, 100.0 if degraded else 50.0, degraded))
    return answers


def test_the_level_before_is_that_of_the_worst_window() -> None:
    assert level_before(run(40.0), [LOST, BACK]) == pytest.approx(1 / 30)  # one of 30 answers in a window of 3 s


def test_recovered_is_when_all_windows_that_follow_are_at_the_level() -> None:
    answers, level = run(44.0), 1 / 30 + 1e-9
    found = recovered_s(answers, BACK.at_s, 60.0, level)
    assert found is not None
    assert 4.0 <= found <= 7.25  # degraded for 4 s, and a window may still hold the last of them
    assert recovered_s(run(0.0), BACK.at_s, 60.0, level) == 0.0
    assert recovered_s(answers, LOST.at_s, BACK.at_s, level) is None


def test_a_time_without_answers_is_no_recovery() -> None:
    answers = [answer for answer in run(0.0) if not 41.0 <= answer.at_s < 50.0]
    found = recovered_s(answers, BACK.at_s, 60.0, 1.0 - 1e-9)
    assert found is not None
    assert found >= 9.0


def test_periods_lie_between_the_events() -> None:
    found = periods(run(40.0), [BACK, LOST], 60.0)
    assert [period["after"] for period in found] == ["start", "lost", "restart"]
    assert [period["degraded"] for period in found] == [0.01, 1.0, 0.0]
    assert [period["queries_per_s"] for period in found] == [10.0, 10.0, 10.0]
    assert [period.get("recovered_s", "no event") for period in found] == ["no event", None, 0.0]
    assert found[1]["wall_ms"]["p50"] == 100.0


def test_small_numbers() -> None:
    assert share([], 0, 1) is None
    assert quantiles([1.0]) == {"n": 1}
    assert level_before([], []) == 0.0


def test_the_drawing_names_events_and_curves() -> None:
    root = ElementTree.fromstring(draw(run(44.0), [LOST, BACK], 60.0))
    texts = " ".join(element.text or "" for element in root.iter() if element.tag.endswith("text"))
    assert all(word in texts for word in ("lost", "restart", "degraded share", "p95"))
    assert sum(element.tag.endswith("polyline") for element in root.iter()) == 3
