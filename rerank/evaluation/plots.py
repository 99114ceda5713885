"""Plots as SVG text, and a page that holds everything it shows: no script, no font and no image from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT, MARGIN = 640, 360, 56
COLOURS = ("#1b6ca8", "#c8553d", "#5b8e3e", "#7a5195", "#8a8a8a", "#d19a2a")

STYLE = """body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}
svg{max-width:100%;height:auto}text{font:12px sans-serif}"""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a scatter plot; `front` ones are joined by a line."""

    x: float
    y: float
    label: str
    front: bool = False


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> str:
    """Return a scatter plot with its axes; an empty one for no points."""
    xs, ys = [point.x for point in points] or [0.0], [point.y for point in points] or [0.0]
    left, right, low, high = 0.0, max(xs) * 1.15 or 1.0, min(ys), max(ys)
    pad = (high - low) * 0.15 or 0.05
    low, high = low - pad, high + pad

    def place(x: float, y: float) -> tuple[float, float]:
        across = MARGIN + (x - left) / (right - left) * (WIDTH - 2 * MARGIN)
        return round(across, 1), round(HEIGHT - MARGIN - (y - low) / (high - low) * (HEIGHT - 2 * MARGIN), 1)

    parts = [_axes(x_name, y_name, (left, right), (low, high))]
    front = sorted((point for point in points if point.front), key=lambda point: point.x)
    if len(front) > 1:
        path = " ".join(f"{x},{y}" for x, y in (place(point.x, point.y) for point in front))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[0]}" stroke-dasharray="4 3"/>')
    for number, point in enumerate(points):
        x, y = place(point.x, point.y)
        colour = COLOURS[0] if point.front else COLOURS[4]
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"><title>{escape(point.label)}</title></circle>')
        parts.append(f'<text x="{x + 8}" y="{y - 6 + 12 * (number % 2)}">{escape(point.label)}</text>')
    return _svg(parts)


def bars(values: Mapping[str, Mapping[str, float]], y_name: str) -> str:
    """Return grouped bars from zero: group -> series -> height."""
    series = list(dict.fromkeys(name for group in values.values() for name in group))
    high = max((height for group in values.values() for height in group.values()), default=1.0) or 1.0
    slot = (WIDTH - 2 * MARGIN) / max(len(values), 1)
    wide = slot * 0.8 / max(len(series), 1)
    parts = [_axes("", y_name, None, (0.0, high))]
    for place, (group, heights) in enumerate(values.items()):
        start = MARGIN + place * slot + slot * 0.1
        parts.append(f'<text x="{start:.1f}" y="{HEIGHT - MARGIN + 16}">{escape(group)}</text>')
        for number, name in enumerate(series):
            tall = heights.get(name, 0.0) / high * (HEIGHT - 2 * MARGIN)
            title = f"<title>{escape(name)}: {heights.get(name, 0.0):.4f}</title>"
            x, y = start + number * wide, HEIGHT - MARGIN - tall
            colour = COLOURS[number % len(COLOURS)]
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}">{title}</rect>'
            )
    for number, name in enumerate(series):
        x = MARGIN + number * 130
        parts.append(f'<rect x="{x}" y="8" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 14}" y="17">{escape(name)}</text>')
    return _svg(parts)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return an HTML table; the keys of the first row are its head."""
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{escape(str(key))}</th>" for key in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row.get(key, '')))}</td>" for key in rows[0]) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def page(title: str, sections: Mapping[str, str]) -> str:
    """Return a whole HTML page of headed sections, whose bodies are HTML."""
    content = "".join(f"<h2>{escape(head)}</h2>{body}" for head, body in sections.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{content}</body></html>\n"
    )


def _axes(x_name: str, y_name: str, x: tuple[float, float] | None, y: tuple[float, float]) -> str:
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    lines = f"M{MARGIN},{MARGIN / 2} V{bottom} H{right}"
    parts = [f'<path d="{lines}" fill="none" stroke="#444"/>']
    parts.append(f'<text x="{right}" y="{bottom + 34}" text-anchor="end">{escape(x_name)}</text>')
    parts.append(f'<text x="4" y="{MARGIN / 2 - 8 + 16}">{escape(y_name)}</text>')
    for step in range(5):
        share = step / 4
        height = bottom - share * (HEIGHT - 2 * MARGIN)
        parts.append(
            f'<text x="{MARGIN - 6}" y="{height + 4:.0f}" text-anchor="end">{y[0] + share * (y[1] - y[0]):.3g}</text>'
        )
        if x is not None:
            across = MARGIN + share * (WIDTH - 2 * MARGIN)
            number = x[0] + share * (x[1] - x[0])
            parts.append(f'<text x="{across:.0f}" y="{bottom + 16}" text-anchor="middle">{number:.3g}</text>')
    return "".join(parts)


def _svg(parts: Sequence[str]) -> str:
    inside = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">{inside}</svg>'
