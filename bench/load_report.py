"""What a load run says: degraded answers and times by period, how long a loss was felt, and the run as a drawing."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WINDOW_S = 3.0
"""Length of the sliding window whose share of degraded answers tells whether a loss is still felt."""
STEP_S = 0.25
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for (seconds since the start), how long it took, whether it was degraded."""

    at_s: float
    wall_ms: float
    degraded: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, in seconds since the start."""

    at_s: float
    what: str


def quantiles(values: Sequence[float]) -> Json:
    """p50, p95 and p99; empty for less than two values."""
    if len(values) < 2:
        return {"n": len(values)}
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "p99": round(cuts[98], 1), "n": len(values)}


def share(answers: Sequence[Answer], begin_s: float, end_s: float) -> float | None:
    """The share of degraded ones among what was asked for from `begin_s` to before `end_s`; None when nothing was."""
    told = [answer.degraded for answer in answers if begin_s <= answer.at_s < end_s]
    return sum(told) / len(told) if told else None


def level_before(answers: Sequence[Answer], events: Sequence[Event]) -> float:
    """The highest share that a window before the first event has: what is not a loss's doing."""
    first = min((event.at_s for event in events), default=0.0)
    return max(_shares(answers, 0.0, first), default=0.0)


def recovered_s(answers: Sequence[Answer], event_s: float, end_s: float, level: float) -> float | None:
    """Seconds from `event_s` to where all windows up to `end_s` are at `level` or under; None when the last is not."""
    begins = _begins(event_s, end_s)
    shares = _shares(answers, event_s, end_s)
    over = [number for number, value in enumerate(shares) if value > level]
    if not shares or (over and over[-1] == len(shares) - 1):
        return None
    if not over:
        return 0.0
    return round(begins[over[-1]] + WINDOW_S - event_s, 1)


def _begins(begin_s: float, end_s: float) -> list[float]:
    count = int((end_s - WINDOW_S - begin_s) / STEP_S + 1e-9) + 1
    return [begin_s + STEP_S * number for number in range(max(0, count))]


def _shares(answers: Sequence[Answer], begin_s: float, end_s: float) -> list[float]:
    """Shares of the windows that lie within these times; 1 for one without answers: nothing recovered there."""
    found = [share(answers, at, at + WINDOW_S) for at in _begins(begin_s, end_s)]
    return [1.0 if value is None else value for value in found]


def periods(answers: Sequence[Answer], events: Sequence[Event], seconds: float) -> list[Json]:
    """What was between two events; `recovered_s` counts from there, to the level before the first event."""
    level = level_before(answers, events)
    bounds = [Event(0.0, "start"), *sorted(events, key=lambda event: event.at_s), Event(seconds, "end")]
    found = []
    for event, following in itertools.pairwise(bounds):
        inside = [answer for answer in answers if event.at_s <= answer.at_s < following.at_s]
        period: Json = {
            "after": event.what,
            "from_s": round(event.at_s, 1),
            "queries_per_s": round(len(inside) / max(1e-9, following.at_s - event.at_s), 1),
            "degraded": round(sum(answer.degraded for answer in inside) / max(1, len(inside)), 4),
            "wall_ms": quantiles([answer.wall_ms for answer in inside]),
        }
        if event.what != "start":
            period["recovered_s"] = recovered_s(answers, event.at_s, following.at_s, level)
        found.append(period)
    return found


def draw(answers: Sequence[Answer], events: Sequence[Event], seconds: float) -> str:
    """Plot the degraded share, searches a second and p95 (by sliding window) over the run as SVG, with the events."""

    def across(at_s: float) -> float:
        return round(60 + 600 * at_s / seconds, 1)

    def line(points: Sequence[tuple[float, float]], top: float, colour: str) -> str:
        placed = " ".join(f"{across(at)},{round(330 - 300 * value / top, 1)}" for at, value in points)
        return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

    middles = [at + WINDOW_S / 2 for at in _begins(0.0, seconds)]
    windows = [[a for a in answers if abs(a.at_s - middle) <= WINDOW_S / 2] for middle in middles]
    rates = [len(window) / WINDOW_S for window in windows]
    late = [sorted(a.wall_ms for a in window)[int(0.95 * (len(window) - 1))] if window else 0.0 for window in windows]
    shares = [sum(a.degraded for a in window) / len(window) if window else 0.0 for window in windows]
    curves = [("degraded share", shares, 1.0, "#b16"), ("queries/s", rates, max(rates, default=1), "#16b")]
    curves.append(("p95, ms", late, max(late, default=1), "#1b6"))
    parts = []
    for number, (name, values, top, colour) in enumerate(curves):
        parts.append(line(list(zip(middles, values, strict=True)), top or 1.0, colour))
        parts.append(f'<text x="670" y="{40 + 20 * number}" fill="{colour}">{name}, to {top:.4g}</text>')
    for number, event in enumerate(events):
        at, height = across(event.at_s), 20 + 14 * number
        parts.append(f'<path d="M{at} {height}V330" stroke="#999" stroke-dasharray="3 3"/>')
        parts.append(f'<text x="{at}" y="{height}" font-size="11">{event.what}</text>')
    for step in range(7):
        at = seconds * step / 6
        parts.append(f'<text x="{across(at)}" y="348" text-anchor="middle">{at:.0f}</text>')
    parts.append('<path d="M60 330H660" stroke="#333"/><text x="360" y="368" text-anchor="middle">seconds</text>')
    frame = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 380" font-family="sans-serif" font-size="13">'
    return frame + "".join(parts) + "</svg>\n"
