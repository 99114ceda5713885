"""`rerank pull`, `rerank card` and `rerank package`: bundles on their way in and out."""

import json
from pathlib import Path

import click
from rich.console import Console


@click.command()
@click.argument("repository")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--revision", help="Commit, tag or branch. Default: the main branch; the commit found is printed.")
@click.option("--fingerprint", help="What the bundle's fingerprint must be.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def pull(repository: str, out: Path, revision: str | None, fingerprint: str | None, as_json: bool) -> None:
    """Fetch REPOSITORY (owner/name on the model hub) into the folder OUT: a bundle, or a torch model to export.

    All files are of one commit; a bundle's hashes are checked. Pickles and code are not fetched.
    """
    from rerank.exporting.pull import pull as run

    with Console(stderr=True).status(f"asking for {repository}") as status:
        found = run(repository, out, revision=revision, fingerprint=fingerprint, advance=status.update)
    result = {"path": str(found.path), "kind": found.kind, "commit": found.commit, "files": found.files}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(f"{found.path}: {found.kind}, {len(found.files)} files of commit {found.commit}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def card(bundle: Path, as_json: bool) -> None:
    """Print the model card of BUNDLE, as its manifest has it."""
    from rerank.bundle import load_bundle
    from rerank.exporting.model_card import model_card

    manifest = load_bundle(bundle).manifest
    click.echo(json.dumps(manifest.to_json(), indent=2) if as_json else model_card(manifest), nl=as_json)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--for", "target", type=click.Choice(["ml-commons"]), required=True, help="Who takes it.")
@click.option("--cluster-version", help="The cluster's version, such as 3.5.0. Default: any.")
@click.option("--url", help="Where the cluster will fetch the zip.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def package(bundle: Path, out: Path, target: str, cluster_version: str | None, url: str | None, as_json: bool) -> None:
    """Write BUNDLE as a zip with its registration body into OUT, for a cluster without polyrank's plugin."""
    from rerank.bundle import SEARCH_TASKS, load_bundle
    from rerank.exporting.package import package_for_ml_commons

    made = package_for_ml_commons(load_bundle(bundle, SEARCH_TASKS), out, cluster_version=cluster_version, url=url)
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    result = {"for": target, "zip": str(made.archive), "warnings": list(made.warnings), "register": made.body}
    click.echo(json.dumps(result, indent=2) if as_json else f"{made.archive}\n{json.dumps(made.body, indent=2)}")
