"""Click logs in the shape of OpenSearch's User Behavior Insights: queries with the hits they showed, and events.

A query record has `query_id`, `user_query` and `query_response_hit_ids` (or `query_response_object_ids`), best first.
An event has `action_name`, `query_id` and `event_attributes` with `object.object_id` and, for an impression that no
query record lists, `position.ordinal` (from 1) and `user_query`. One JSON object a line, both kinds in one file or in
several; ids that another line explains may come before it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from rerank.data.json_lines import read_json_lines
from rerank.training.recipe import TrainingError
from rerank.translation.words import fold

Action = Literal["impression", "click", "purchase"]

ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys(("impression", "item_impression", "product_impression", "view_search_results"), "impression"),
    **dict.fromkeys(("click", "item_click", "product_click", "click_through", "select_item"), "click"),
    **dict.fromkeys(("purchase", "product_purchase", "buy", "conversion"), "purchase"),
}
"""What shops call them; `add_to_cart`, hovers, scrolls and the like say less and are not read."""

HITS = ("query_response_hit_ids", "query_response_object_ids")


@dataclass(frozen=True, slots=True)
class Impression:
    """A document shown to somebody who asked: at which rank (from 1), and whether it was clicked and bought."""

    query: str
    doc_id: str
    position: int
    clicked: bool
    bought: bool


@dataclass(frozen=True, slots=True)
class ClickLog:
    """Impressions in the order of the log, and how many records said nothing usable, by reason."""

    impressions: Sequence[Impression]
    left_out: Mapping[str, int]


def read_click_log(paths: Sequence[Path]) -> ClickLog:
    """Read the records of all files as one log.

    Texts of one query up to case and spaces are one query, written as most people wrote it. A purchase implies the
    click. A click on what was never shown, or of an unknown query, is counted out: where it stood is not known.

    Raises:
        JudgementError: a file cannot be read.
        TrainingError: a line is no JSON object or lacks its `query_id`, or no impression is left.
    """
    texts: dict[str, str] = {}
    shown: dict[str, dict[str, int]] = defaultdict(dict)
    acted: list[tuple[str, str, Action]] = []
    left_out: Counter[str] = Counter()
    for where, record in chain.from_iterable(map(read_json_lines, paths)):
        query_id = _query_id(where, record)
        if isinstance(text := record.get("user_query"), str) and text.strip():
            texts.setdefault(query_id, text)
        if "action_name" not in record:
            for position, doc_id in enumerate(_hits(record), start=1):
                shown[query_id].setdefault(doc_id, position)
            continue
        action = ACTIONS.get(str(record["action_name"]).casefold())
        about, ordinal = _object(record)
        if action is None:
            left_out["events of other kinds"] += 1
        elif about is None:
            left_out["events without an object"] += 1
        else:
            if ordinal is not None:
                shown[query_id].setdefault(about, ordinal)
            if action != "impression":
                acted.append((query_id, about, action))
    return _joined(texts, shown, acted, left_out)


def _joined(
    texts: Mapping[str, str],
    shown: Mapping[str, Mapping[str, int]],
    acted: Iterable[tuple[str, str, Action]],
    left_out: Counter[str],
) -> ClickLog:
    clicked: set[tuple[str, str]] = set()
    bought: set[tuple[str, str]] = set()
    for query_id, doc_id, action in acted:
        if doc_id not in shown.get(query_id, {}):
            left_out["clicks on what was not shown"] += 1
            continue
        clicked.add((query_id, doc_id))
        if action == "purchase":
            bought.add((query_id, doc_id))
    spelling = _spelling(texts.values())
    impressions = []
    for query_id, positions in shown.items():
        if query_id not in texts:
            left_out["impressions of an unknown query"] += len(positions)
            continue
        query = spelling[fold(texts[query_id])]
        for doc_id, position in positions.items():
            key = (query_id, doc_id)
            impressions.append(Impression(query, doc_id, position, key in clicked, key in bought))
    if not impressions:
        raise TrainingError(
            "the click log shows no document to any query; it needs `query_response_hit_ids` or impressions"
        )
    return ClickLog(impressions, dict(left_out))


def _spelling(texts: Iterable[str]) -> dict[str, str]:
    """Return folded query -> its most frequent spelling, the first in the alphabet among equals."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        counts[fold(text)][" ".join(text.split())] += 1
    return {key: min(found, key=lambda text: (-found[text], text)) for key, found in counts.items()}


def _query_id(where: str, record: Mapping[str, Any]) -> str:
    query_id = record.get("query_id")
    if not isinstance(query_id, str | int) or isinstance(query_id, bool):
        raise TrainingError(f"{where}: a record of a click log needs a `query_id`")
    return str(query_id)


def _hits(record: Mapping[str, Any]) -> list[str]:
    found: list[object] = next((record[name] for name in HITS if isinstance(record.get(name), list)), [])
    return [str(doc_id) for doc_id in found]


def _object(record: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Return the id of an event's object and its rank; None for what it does not say."""
    attributes = record.get("event_attributes")
    if not isinstance(attributes, dict):
        return None, None
    about, position = attributes.get("object"), attributes.get("position")
    doc_id = about.get("object_id") if isinstance(about, dict) else None
    ordinal = position.get("ordinal") if isinstance(position, dict) else None
    known = isinstance(ordinal, int) and not isinstance(ordinal, bool) and ordinal >= 1
    return (None if doc_id is None else str(doc_id)), (ordinal if known else None)
