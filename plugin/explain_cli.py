"""`plugin explain`: parse, call one function, print."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from plugin.client import connect
from plugin.explain import Explanation, as_html
from plugin.explain import explain as run_explanation


@click.command()
@click.argument("text", metavar="QUERY")
@click.argument("doc_id", metavar="ID")
@click.option("--index", required=True, help="Index or alias to search.")
@click.option("--pipeline", help="Search pipeline; default: the one named like the index.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this file too.")
@click.option("--url", help="Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def explain(
    text: str, doc_id: str, index: str, pipeline: str | None, html: Path | None, url: str | None, as_json: bool
) -> None:
    """Say why product ID stands where it does for QUERY: each stage, each rule, and the words that count."""
    found = run_explanation(connect(url), index, text, doc_id, pipeline=pipeline)
    if html:
        html.write_text(as_html(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
        return
    _print(found)


def _print(found: Explanation) -> None:
    console = Console()
    table = Table("stage", "rank", "score", title=escape(f"{found.query}: {found.doc_id}"))
    for name, rank, score in found.stages():
        table.add_row(escape(name), str(rank), "-" if score is None else f"{score:.4f}")
    console.print(table)
    for rule, effect in found.hit.get("policy", {}).items():
        console.print(f"policy {escape(rule)}: {escape(effect)}", highlight=False)
    for field, effect in found.fields.items():
        console.print(f"without {escape(field)}: {-effect:+.4f}", highlight=False)
    strongest = sorted(found.words, key=lambda word: -abs(word["effect"]))[:10]
    for word in strongest:
        console.print(
            f"  {escape(word['field'])} [bold]{escape(word['word'])}[/bold] {word['effect']:+.4f}", highlight=False
        )
    for key in ("degraded", "unread", "rerank_skipped", "skipped"):
        if found.section.get(key):
            console.print(f"[yellow]{key}: {escape(str(found.section[key]))}[/yellow]")
