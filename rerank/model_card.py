"""The model card: what a bundle is, for people. Written from its manifest, so that both say the same."""

import json

from rerank.manifest import Manifest

_TASKS = {
    "embed": "Turns a query or a document into one unit vector; near vectors mean alike.",
    "rerank": "Reads a query and a document together and says how probable it is that the document answers the query.",
}


def model_card(manifest: Manifest) -> str:
    """Return the text of README.md."""
    fields = ", ".join(
        field.name + (f" ({field.max_tokens} tokens)" if field.max_tokens else "") for field in manifest.template.fields
    )
    lines = [
        f"# {manifest.name}",
        "",
        _TASKS[manifest.task],
        "",
        f"- Base model: {manifest.base_model}",
        f"- Licence: {manifest.licence}",
        f"- Languages: {', '.join(manifest.languages)}",
        f"- Reads: {fields}; {manifest.max_length} word pieces in all",
        f"- Precision: {manifest.precision}",
    ]
    if manifest.training:
        lines += ["", "## Training", "", "```json", json.dumps(dict(manifest.training), indent=2), "```"]
    if manifest.metrics:
        lines += ["", "## Measured", "", "```json", json.dumps(dict(manifest.metrics), indent=2), "```"]
    return "\n".join(lines) + "\n"
