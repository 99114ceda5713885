"""Why one product stands where it does for one query: each stage's rank and score, and what carried the score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from plugin.client import OpenSearch, cluster_errors
from plugin.errors import ClusterError
from plugin.pipelines import processor_of, read_pipeline
from plugin.search import plain_query

DEADLINE_MS = 20_000
"""Leaving words out one by one means many readings: more time than a shopper would wait."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`hit` is the product's entry in `ext.polyrank.hits`, `section` the rest of it; see docs/pipeline.md."""

    query: str
    doc_id: str
    hit: Mapping[str, Any]
    section: Mapping[str, Any]
    source: Mapping[str, Any]

    @property
    def words(self) -> Sequence[Mapping[str, Any]]:
        """`field`, `word` and `effect` of each word that was left out, in reading order."""
        found: Sequence[Mapping[str, Any]] = self.hit.get("occlusion", {}).get("words", [])
        return found

    @property
    def fields(self) -> Mapping[str, float]:
        """Field -> what the model's score loses without it."""
        found: Mapping[str, float] = self.hit.get("occlusion", {}).get("fields", {})
        return found

    def stages(self) -> list[tuple[str, int | None, float | None]]:
        """Return (stage, rank, score) in the order of the pipeline."""
        ranks, scores = self.hit.get("ranks", {}), self.hit.get("scores", {})
        rows: list[tuple[str, int | None, float | None]] = [(name, ranks[name], scores.get(name)) for name in ranks]
        for stage, name in (
            ("fused", "fused"),
            ("rerank", "cross-encoder"),
            ("business", "business"),
            ("final", "final"),
        ):
            entry = self.hit.get(stage)
            if entry:
                rows.append((name, entry["rank"], entry["score"]))
        return rows


def explain(client: OpenSearch, index: str, text: str, doc_id: str, *, pipeline: str | None = None) -> Explanation:
    """Search as a shopper would and explain one product of the window.

    Args:
        client: as `plugin.client.connect` returns.
        index: index or alias.
        text: the shopper's words.
        doc_id: the product's `_id`.
        pipeline: the search pipeline; the one named like the index when None.

    Raises:
        ClusterError: the product is not in the window, or the cluster refuses the search.
    """
    name = pipeline or index
    window = processor_of(read_pipeline(client, name)).get("window", 100)
    body = {
        "query": plain_query(text),
        "size": window,
        "_source": ["title", "brand"],
        "ext": {"polyrank": {"explain": [doc_id], "deadline_ms": DEADLINE_MS}},
    }
    with cluster_errors(f"search {index}"):
        answer = client.search(index=index, body=body, params={"search_pipeline": name})
    section = dict(answer.get("ext", {}).get("polyrank", {}))
    entries = {hit["_id"]: hit for hit in section.pop("hits", [])}
    found = {hit["_id"]: hit.get("_source", {}) for hit in answer["hits"]["hits"]}
    if doc_id not in entries:
        raise ClusterError(
            f"product {doc_id} is not among the first {window} hits for [{text}]; `plugin search` lists them"
        )
    return Explanation(text, doc_id, entries[doc_id], section, found[doc_id])


def as_html(explanation: Explanation) -> str:
    """Draw an explanation as one page that needs nothing else: words that carried the score green, others red."""
    strongest = max((abs(word["effect"]) for word in explanation.words), default=0) or 1
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{rank}</td><td>{'' if score is None else f'{score:.4f}'}</td></tr>"
        for name, rank, score in explanation.stages()
    )
    fields = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:+.4f}</td></tr>" for name, value in explanation.fields.items()
    )
    policy = "".join(
        f"<tr><td>{escape(rule)}</td><td>{escape(effect)}</td></tr>"
        for rule, effect in explanation.hit.get("policy", {}).items()
    )
    texts = "".join(
        f"<p><b>{escape(field)}</b> {_marked(explanation, field, strongest)}</p>"
        for field in dict.fromkeys(word["field"] for word in explanation.words)
    )
    title = f"{explanation.query}: {explanation.doc_id}"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>"
        "<style>body{font:15px sans-serif;margin:2em;max-width:60em}td,th{padding:.2em 1em;text-align:left}</style>"
        f"<h1>{escape(title)}</h1>"
        f"<h2>Stages</h2><table><tr><th>stage<th>rank<th>score</tr>{rows}</table>"
        f"<h2>Policy</h2><table>{policy or '<tr><td>no rule touched it</td></tr>'}</table>"
        f"<h2>What the model's score loses without it</h2><table>{fields}</table>{texts}</html>\n"
    )


def _marked(explanation: Explanation, field: str, strongest: float) -> str:
    return " ".join(_word(word, strongest) for word in explanation.words if word["field"] == field)


def _word(word: Mapping[str, Any], strongest: float) -> str:
    share = word["effect"] / strongest
    colour = f"rgba({'0,140,60' if share > 0 else '200,30,30'},{abs(share):.2f})"
    return f"<span style='background:{colour}' title='{word['effect']:+.4f}'>{escape(word['word'])}</span>"
