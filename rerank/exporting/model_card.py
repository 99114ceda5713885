"""The model card: what a bundle is, for people. Written from its manifest, so that both say the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rerank.manifest import Manifest

_TASKS = {
    "embed-image": "Turns an image into one unit vector; near vectors mean alike.",
    "embed": "Turns a query or a document into one unit vector; near vectors mean alike.",
    "rerank": "Reads a query and a document together and says how probable it is that the document answers the query.",
    "translate": "Translates a text token by token.",
}


def model_card(manifest: Manifest) -> str:
    """Return the text of README.md."""
    lines = [
        f"# {manifest.name}",
        "",
        _TASKS[manifest.task],
        "",
        f"- Base model: {manifest.base_model}",
        f"- Licence: {manifest.licence}",
        f"- Languages: {', '.join(manifest.languages)}",
        *_reads(manifest),
        f"- Precision: {manifest.precision}",
    ]
    if manifest.training:
        lines += ["", "## Training", "", "```json", json.dumps(dict(manifest.training), indent=2), "```"]
    if manifest.metrics:
        plain = {key: _without_trials(value) for key, value in manifest.metrics.items()}
        lines += ["", "## Measured", "", "```json", json.dumps(plain, indent=2), "```"]
    for key, value in manifest.metrics.items():
        if isinstance(value, Mapping) and value.get("tried"):
            lines += ["", f"## Forms tried ({key})", "", *_trials(value["tried"], value["variant"])]
    return "\n".join(lines) + "\n"


def _reads(manifest: Manifest) -> list[str]:
    if manifest.task == "embed-image":
        return []
    if manifest.task == "translate":
        return [f"- Reads and writes: {manifest.max_length} word pieces at most"]
    fields = ", ".join(
        field.name + (f" ({field.max_tokens} tokens)" if field.max_tokens else "") for field in manifest.template.fields
    )
    return [f"- Reads: {fields}; {manifest.max_length} word pieces in all"]


def _without_trials(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != "tried"} if isinstance(value, Mapping) else value


def _trials(rows: Sequence[Mapping[str, Any]], chosen: str) -> list[str]:
    columns = ("variant", "megabytes", "cpu_ms_per_100", "ndcg_share", "tau", "cosine", "same_tokens")
    shown = [column for column in columns if column in rows[0]]
    lines = [f"| {' | '.join(shown)} | |", "|---" * (len(shown) + 1) + "|"]
    for row in rows:
        verdict = "chosen" if row["variant"] == chosen else row["refused"] or "kept the budget"
        lines.append(f"| {' | '.join(str(row[column]) for column in shown)} | {verdict} |")
    return lines
