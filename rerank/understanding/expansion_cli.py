"""`rerank expansions`: what judged or clicked products teach."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path, exists=True)


@click.command()
@click.option("--queries", type=FILE, required=True, help="Queries: JSON lines or TSV.")
@click.option("--qrels", type=FILE, required=True, help="Judgements, or clicks as grades.")
@click.option("--corpus", type=FILE, required=True, help="The feed: JSON lines with id and title.")
@click.option("--index", "alias", required=True, help="Alias that is searched; names the file.")
@click.option("--language", default="en", show_default=True, help="Of queries that name none.")
@click.option(
    "--relevant", type=click.IntRange(1), default=2, show_default=True, help="Grade from which a product teaches."
)
@click.option("--resources", type=click.Path(path_type=Path), help="Resources folder; default: in POLYRANK_HOME.")
def expansions(
    queries: Path, qrels: Path, corpus: Path, alias: str, language: str, relevant: int, resources: Path | None
) -> None:
    """Learn which words go with a query's words in its relevant products, for `expand: ["catalogue"]` of /understand.

    Running services notice the new file within a second.
    """
    from rerank.resources import load_resources
    from rerank.understanding.associations import write_associations
    from rerank.understanding.judged_products import learn_from_files

    learned = learn_from_files(queries, qrels, corpus, language, relevant)
    path = write_associations(load_resources(resources).folder, alias, learned)
    terms = ", ".join(f"{code} {len(found)}" for code, found in learned.items()) or "none"
    click.echo(f"{path}: terms with expansions: {terms}")
