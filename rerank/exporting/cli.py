"""`rerank verify` and `rerank export-onnx`: what makes and checks bundles."""

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from rerank.evaluation.command_options import candidate_options
from rerank.manifest import Task

JSON_HELP = "Print the result as JSON."


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--against", metavar="MODEL", help="Also compare with the torch model it came from: a folder or hub name."
)
@candidate_options("What --against compares on; default: built-in pairs.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify(
    bundle: Path, against: str | None, candidates: Path | None, queries: Path | None, qrels: Path | None, as_json: bool
) -> None:
    """Check every file of a model BUNDLE against the hashes in its manifest.

    With --against, its outputs too: a difference is refused with its cause, such as swapped inputs.
    """
    from rerank.bundle import load_bundle

    if candidates and against is None:
        raise click.UsageError("--candidates says what to compare on: give --against, too")
    manifest = load_bundle(bundle).manifest
    result = {"name": manifest.name, "task": manifest.task, "fingerprint": manifest.fingerprint, "verified": True}
    if against is not None:
        from rerank.evaluation.candidates import CandidateFiles
        from rerank.exporting.export import verify_against

        with Console(stderr=True).status(f"reading {against}") as status:
            texts = CandidateFiles(candidates, queries, qrels) if candidates else None
            result |= {"onnx_to_torch": verify_against(bundle, against, texts, report=status.update)}
    _print(result, as_json)


@click.command("export-onnx")
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--task",
    type=click.Choice(["embed", "rerank", "translate"]),
    help="What the model is for; default: as its files say.",
)
@click.option("--fp16", is_flag=True, help="For GPUs: fp16 with fused attention, measured against fp32.")
@candidate_options("Your own pairs, to compare with the original on; default: built-in ones.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def export_onnx(
    model: str,
    out: Path,
    task: Task | None,
    fp16: bool,
    candidates: Path | None,
    queries: Path | None,
    qrels: Path | None,
    as_json: bool,
) -> None:
    """Export MODEL as a bundle in OUT: a folder, a name on the hub, or with --fp16 an fp32 bundle.

    The ONNX model is compared with the original on real pairs: when they differ, nothing is written. Of Marian and
    NLLB models it makes bundles to translate, compared on built-in texts.
    """
    from rerank.bundle import MANIFEST, load_bundle, refuse_foreign_folder
    from rerank.errors import BundleError
    from rerank.evaluation.candidates import CandidateFiles
    from rerank.exporting.export import export
    from rerank.exporting.translator import is_translator
    from rerank.quantization.quantize import quantize

    refuse_foreign_folder(out)
    made = (Path(model) / MANIFEST).is_file()
    if made and not fp16:
        raise BundleError(f"{model} is a bundle already; give --fp16 for GPUs, or reduce it with `rerank quantize`")
    texts = CandidateFiles(candidates, queries, qrels) if candidates else None
    if fp16 and not made and is_translator(model):
        raise BundleError(f"{model} is a model to translate, of which no fp16 form is made; leave out --fp16")
    with Console(stderr=True).status(f"reading {model}") as status, tempfile.TemporaryDirectory() as scratch:
        if made:
            bundle = load_bundle(Path(model), task)
        else:
            bundle = export(model, Path(scratch) / "fp32" if fp16 else out, task, texts=texts, report=status.update)
        if fp16:
            lists = texts.read(bundle.manifest.template) if texts else None
            bundle = quantize(bundle.path, out, target="gpu", lists=lists, report=status.update)
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
