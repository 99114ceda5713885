"""`rerank verify` and `rerank export-onnx`: what makes and checks bundles."""

import json
from pathlib import Path
from typing import Any

import click

JSON_HELP = "Print the result as JSON."


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify(bundle: Path, as_json: bool) -> None:
    """Check every file of a model BUNDLE against the hashes in its manifest."""
    from rerank.bundle import load_bundle

    manifest = load_bundle(bundle).manifest
    result = {"name": manifest.name, "task": manifest.task, "fingerprint": manifest.fingerprint, "verified": True}
    _print(result, as_json)


@click.command("export-onnx")
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--task", type=click.Choice(["embed", "rerank"]), help="What the model is for; default: as its files say."
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def export_onnx(model: str, out: Path, task: str | None, as_json: bool) -> None:
    """Export MODEL (a folder, or a model's name on the hub) as a bundle in OUT.

    The ONNX model is compared with the original: when they differ, nothing is written.
    """
    from rerank.export import export

    bundle = export(model, out, task)
    _print(_made(bundle.path, bundle.manifest.metrics, bundle.fingerprint), as_json)


def _made(path: Path, metrics: Any, fingerprint: str) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in path.iterdir())
    return {"bundle": str(path), "bytes": size, "fingerprint": fingerprint, **metrics}


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {json.dumps(value) if isinstance(value, dict) else value}")
