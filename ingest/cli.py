"""The `ingest` command: products from feeds into OpenSearch. Parse, call one function, print."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ingest.books import DELETES
from ingest.check import check_feeds, exit_code
from ingest.clean import Brands, declared_language
from ingest.dead_letters import refuse_other_letters
from ingest.document import TRANSLATED_FIELDS
from ingest.errors import exit_code_of
from ingest.feeds import Feed, open_dead_letters
from ingest.lanes import ON
from ingest.logs import log_to_stderr, say_error
from ingest.record import last_schemas, recorded
from ingest.reindex_cli import reindex_group
from ingest.report import RunReport, Tally
from ingest.run import BATCH_SIZE, PLAIN_BATCH_SIZE, feed_key
from ingest.session import RunOptions, rehearse
from ingest.session import ingest as run_ingest
from ingest.sources.shop import open_shop
from ingest.sweep import MAX_DELETE_FRACTION
from plugin.index import DEFAULT_LANGUAGES
from plugin.patience import PATIENCE_S
from rerank.command_group import ErrorsInOneLine
from rerank.errors import PolyrankError
from rerank.understanding.language import ScriptDetector, load_detector

log = logging.getLogger("polyrank.ingest")

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class IngestGroup(ErrorsInOneLine):
    """Exits as `ingest.errors` lists it."""

    def say(self, error: str) -> None:
        """Say an error, as the logs are told."""
        say_error(error)

    def exit_code(self, error: PolyrankError) -> int:
        """Return the exit code for an error."""
        return exit_code_of(error)


@click.group(cls=IngestGroup)
@click.version_option(package_name="polyrank")
def main() -> None:
    """Bring products from feeds into a search index: clean, detect language, translate, embed, index."""


def _languages(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    codes = [declared_language(part) for part in value.split(",") if part.strip()]
    if not codes or None in codes:
        raise click.BadParameter("give BCP 47 codes separated by commas, such as en,de,ja")
    return tuple(dict.fromkeys(code for code in codes if code))


def _fields(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names or not set(names) <= set(TRANSLATED_FIELDS):
        raise click.BadParameter(f"choose among {', '.join(TRANSLATED_FIELDS)}; --no-translate translates nothing")
    return names


def _log_format(ctx: click.Context, parameter: click.Parameter, value: str) -> None:
    log_to_stderr(as_json=value == "json")


OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option("--index", "alias", required=True, help="Alias to search; the index behind it is NAME-000001."),
    click.option(
        "--languages",
        default=",".join(DEFAULT_LANGUAGES),
        show_default=True,
        callback=_languages,
        help="Languages to serve.",
    ),
    click.option("--language", "prior", help="Likely language of records that declare none, such as de."),
    click.option(
        "--glossary",
        "glossaries",
        multiple=True,
        type=FILE,
        help="Glossary (TSV, a column per language) for this shop's documents and queries; may be repeated.",
    ),
    click.option(
        "--resources",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of glossaries and vocabulary that the model service reads; default: below POLYRANK_HOME.",
    ),
    click.option("--embedder", type=click.Path(path_type=Path), help="Embedder bundle; default: the shipped one."),
    click.option("--embed/--no-embed", default=True, show_default=True, help="Give documents a vector."),
    click.option("--translate/--no-translate", default=True, show_default=True, help="Translate documents."),
    click.option(
        "--translate-fields",
        default="title",
        show_default=True,
        callback=_fields,
        help="Of title,attributes,text: what goes into every language; the embedder's own languages get all.",
    ),
    click.option("--pipeline/--no-pipeline", default=True, show_default=True, help="Install the search pipeline."),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 10_000),
        show_default=f"{BATCH_SIZE}; {PLAIN_BATCH_SIZE} without translation and vectors",
        help="Records a batch.",
    ),
    click.option(
        "--workers",
        default=0,
        show_default=True,
        type=click.IntRange(0, 512),
        help="Processes that clean, translate and embed; below 2, threads of this one. With --on ray: tasks at once.",
    ),
    click.option(
        "--on",
        type=click.Choice(ON),
        default="here",
        show_default=True,
        help="Where the work is done: this machine, or Ray: the cluster of $RAY_ADDRESS, else one started here.",
    ),
    click.option(
        "--dead-letters",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File for records that cannot be indexed; `replay`: FILE; else by default NAME.jsonl below POLYRANK_HOME.",
    ),
    click.option("--limit", type=click.IntRange(1), help="Stop after so many records."),
    click.option("--shards", default=1, show_default=True, type=click.IntRange(1), help="Shards of a new index."),
    click.option("--replicas", type=click.IntRange(0), help="Replicas of a new index; default: 1 where it has room."),
    click.option("--url", help="Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started."),
    click.option(
        "--patience",
        "patience_s",
        default=PATIENCE_S,
        show_default=True,
        type=click.FloatRange(0),
        help="Seconds to go on trying while the cluster is too busy or away.",
    ),
    click.option("--rewrite", is_flag=True, help="Write unchanged documents, too, and read feeds from their start."),
    click.option(
        "--manifest",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File for the record of the run (JSON); default: below POLYRANK_HOME.",
    ),
    click.option(
        "--metrics",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File for metrics of the run, which Prometheus' node exporter picks up (its name ends in .prom).",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        expose_value=False,
        callback=_log_format,
        is_eager=True,
        help="How what happens meanwhile is told on stderr.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
)


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@main.command()
@click.argument("feeds", nargs=-1, required=True, metavar="FEED...", type=click.Path(path_type=Path))
@_run_options
@click.option(
    "--deletes",
    type=click.Choice(DELETES),
    default="feed",
    show_default=True,
    help="Delete what a FEED that was read to its end no longer holds, what none of them holds, or nothing.",
)
@click.option(
    "--max-delete-fraction",
    default=MAX_DELETE_FRACTION,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Delete nothing of a feed that lost a greater share of its documents.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be written and deleted; write nothing.")
@click.pass_context
def run(ctx: click.Context, /, feeds: tuple[Path, ...], as_json: bool, dry_run: bool, **given: Any) -> None:
    """Ingest FEEDs into an index; a repeated run writes what changed and deletes what is gone.

    A FEED is a file (JSON lines, CSV or TSV, Google Merchant XML, Shopify or WooCommerce export, Parquet; packed or
    not), a folder of such files, or a TOML that names sources: files, web addresses, databases.

    Exit codes: 0 all is well, 1 configuration, 2 usage, 3 some records became dead letters, 4 a feed cannot be read
    or lost too much, 5 the cluster, 75 another run writes into the index.
    """
    with nullcontext() if dry_run else recorded(feeds, given):
        shop = open_shop(feeds)
    options = RunOptions(**given, **shop.options())
    _ingest(ctx, shop.feeds, options, as_json, rehearse if dry_run else partial(run_ingest, tell=_tell))


@main.command()
@click.argument("letters", metavar="FILE", type=click.Path(path_type=Path))
@_run_options
@click.option("--shop", type=FILE, help="TOML of the run that wrote them: its [brands], [translation] and [images].")
@click.option("--keep", is_flag=True, help="Leave FILE as it is, whatever is indexed.")
@click.pass_context
def replay(ctx: click.Context, /, letters: Path, as_json: bool, shop: Path | None, keep: bool, **given: Any) -> None:
    """Ingest the dead letters in FILE again, after what they name was mended (in FILE or in the index).

    What fails again stays in FILE, or goes to --dead-letters; a FILE of which nothing is left is removed. After
    --limit, or when the run fails, FILE is as it was. A record that a later run has written or deleted stays as that
    run left it. Exit codes as for `ingest run`.
    """
    with recorded([letters], given):
        told = {} if shop is None else {**open_shop([shop]).options(), "fusion": None}
        feed = open_dead_letters(letters)
        refuse_other_letters(letters, given["alias"])
    if not keep and given["limit"] is None:
        given |= {"replayed": letters, "dead_letters": given["dead_letters"] or letters}
    options = RunOptions(**given, **told, whole_catalogue=False)
    _ingest(ctx, [feed], options, as_json, partial(run_ingest, tell=_tell))


@main.command()
@click.argument("feeds", nargs=-1, required=True, metavar="FEED...", type=click.Path(path_type=Path))
@click.option(
    "--languages",
    default=",".join(DEFAULT_LANGUAGES),
    show_default=True,
    callback=_languages,
    help="Languages that a record may be in.",
)
@click.option("--language", "prior", help="Likely language of records that declare none, such as de.")
@click.option("--limit", type=click.IntRange(1), help="Read so many records of each feed.")
@click.option("--index", "alias", help="Alias: show how feeds differ from its last run on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    feeds: tuple[Path, ...],
    languages: tuple[str, ...],
    prior: str | None,
    limit: int | None,
    alias: str | None,
    as_json: bool,
) -> None:
    """Show what FEEDs (as for `ingest run`) hold: records, languages, fields, problems, drift. Writes nothing.

    Exit code 0, or 3 when some records would become dead letters or a feed breaks off.
    """
    with TemporaryDirectory() as downloads:
        shop = open_shop(feeds, downloads=Path(downloads))
        detector = load_detector(languages, thorough=True)
        found = check_feeds(
            shop.feeds,
            detector,
            ScriptDetector(),
            prior=prior,
            brands=Brands(shop.brands),
            limit=limit,
            before=last_schemas(alias, [feed_key(feed.name) for feed in shop.feeds]) if alias else None,
        )
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(line for one in found for line in one.lines()))
    ctx.exit(exit_code(found))


def _ingest(
    ctx: click.Context, feeds: Sequence[Feed], options: RunOptions, as_json: bool, work: Callable[..., RunReport]
) -> None:
    with _progress(feeds) as on_batch:
        report = work(feeds, options, on_batch=on_batch)
    _print(report, as_json)
    for said in report.refused:
        say_error(said)
    ctx.exit(report.exit_code)


def _tell(message: str) -> None:
    log.info(message)


@contextmanager
def _progress(feeds: Sequence[Feed]) -> Iterator[Callable[[Tally], None]]:
    """Show a bar on stderr where that is a terminal; yield what moves it."""
    columns = (
        TextColumn("ingesting"),
        BarColumn(),
        TextColumn("{task.fields[documents]} documents"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=float(len(feeds)), documents=0)
        yield lambda tally: bar.update(
            task,
            completed=sum(feed.progress() for feed in feeds),
            documents=tally.created + tally.updated + tally.unchanged,
        )


def _print(report: RunReport, as_json: bool) -> None:
    click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False) if as_json else "\n".join(report.lines()))


main.add_command(reindex_group(_run_options, _progress))
