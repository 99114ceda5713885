"""`ingest reindex build | verify | swap | rollback | clean`: parse, call one function, print."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ingest.feeds import Feed
from ingest.record import recorded
from ingest.reindex.build import build
from ingest.reindex.swap import Swapped, clean, rollback, swap
from ingest.reindex.verify import Judged, Limits, verify
from ingest.report import Tally
from ingest.session import RunOptions
from ingest.sources.shop import open_shop
from plugin.client import connect
from rerank.evaluation.judgements import read_qrels, read_queries

ALIAS = click.option("--index", "alias", required=True, help="Alias that clients search.")
TO = click.option("--to", "index", help="The built index; default: the newest.")
URL = click.option("--url", help="Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
Progress = Callable[[Sequence[Feed]], AbstractContextManager[Callable[[Tally], None]]]


def reindex_group(run_options: Callable[[Callable[..., None]], Callable[..., None]], progress: Progress) -> click.Group:
    """Return the command group; `run_options` adds the options of `ingest run`, `progress` shows its bar."""

    @click.group()
    def reindex() -> None:
        """Build a new index beside the old one, verify it, and move the alias there and back without an outage."""

    @reindex.command("build")
    @click.argument("feeds", nargs=-1, required=True, metavar="FEED...", type=click.Path(path_type=Path))
    @click.option("--resume", is_flag=True, help="Go on with a build that broke off.")
    @run_options
    @click.pass_context
    def build_command(
        ctx: click.Context, /, feeds: tuple[Path, ...], resume: bool, as_json: bool, **given: Any
    ) -> None:
        """Fill the next index of NAME from FEEDs (as for `ingest run`: the whole catalogue); searches stay on the old.

        Languages, shards and replicas are the old index's unless given. Exit code 0, or 3 when some records became
        dead letters.
        """
        with recorded(feeds, given):
            shop = open_shop(feeds)
        for name, inherited in (("languages", ()), ("shards", 0)):
            if ctx.get_parameter_source(name) is ParameterSource.DEFAULT:
                given[name] = inherited
        options = RunOptions(**given, **shop.options())
        with progress(shop.feeds) as on_batch:
            built = build(shop.feeds, options, resume=resume, tell=_tell, on_batch=on_batch)
        _print(built.as_json(), built.lines(), as_json)
        ctx.exit(built.exit_code)

    for command in (verify_command, swap_command, rollback_command, clean_command):
        reindex.add_command(command)
    return reindex


@click.command("verify")
@ALIAS
@TO
@click.option("--queries", type=FILE, help="Judged queries (as for `plugin evaluate`); with --qrels.")
@click.option("--qrels", type=FILE, help="Their judgements.")
@click.option("--count-change", type=click.FloatRange(0, 1), help="Share by which the number of documents may differ.")
@click.option("--missing", type=click.FloatRange(0, 1), help="Share of sampled documents that may be missing.")
@click.option("--changed", type=click.FloatRange(0, 1), help="Share of sampled documents that may differ.")
@click.option("--ndcg-loss", type=click.FloatRange(0, 1), help="By how much nDCG@10 may fall.")
@click.option("--slowdown", type=click.FloatRange(0), help="Ratio of median search times that is allowed.")
@click.option("--sample", type=click.IntRange(1, 10_000), help="Documents compared.")
@click.option("--searches", type=click.IntRange(1), help="Searches timed, of each index.")
@URL
@AS_JSON
@click.pass_context
def verify_command(
    ctx: click.Context,
    /,
    alias: str,
    index: str | None,
    queries: Path | None,
    qrels: Path | None,
    url: str | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Compare the built index with the one searched: may it take its place? Exit code 0, or 3 when it must not."""
    if (queries is None) != (qrels is None):
        raise click.UsageError("give --queries and --qrels together")
    judged = Judged(read_queries(queries), read_qrels(qrels)) if queries and qrels else None
    chosen = Limits(**{name: value for name, value in limits.items() if value is not None})
    verdict = verify(connect(url), alias, index=index, limits=chosen, judged=judged)
    _print(verdict.as_json(), verdict.lines(), as_json)
    ctx.exit(verdict.exit_code)


@click.command("swap")
@ALIAS
@TO
@click.option("--force", is_flag=True, help="Although `verify` did not pass.")
@URL
@AS_JSON
def swap_command(alias: str, index: str | None, force: bool, url: str | None, as_json: bool) -> None:
    """Let NAME answer from the built index: one atomic change, after a last look at what was written meanwhile."""
    done = swap(connect(url), alias, index=index, force=force)
    caught_up = f"caught up: {done.written} documents written, {done.deleted} deleted"
    _print(done.as_json(), [_moved(done), caught_up], as_json)


@click.command("rollback")
@ALIAS
@URL
@AS_JSON
def rollback_command(alias: str, url: str | None, as_json: bool) -> None:
    """Let NAME answer from the index again that it answered from before the last swap."""
    done = rollback(connect(url), alias)
    lines = [_moved(done)]
    if done.behind:
        lines.append(f"{done.behind} documents were written to {done.left} since the swap; run `ingest run` again")
    _print(done.as_json(), lines, as_json)


@click.command("clean")
@ALIAS
@click.option("--keep", default=1, show_default=True, type=click.IntRange(0), help="Old indices to keep.")
@URL
@AS_JSON
def clean_command(alias: str, keep: int, url: str | None, as_json: bool) -> None:
    """Drop old indices of NAME, and those whose build broke off; the one searched stays."""
    dropped = clean(connect(url), alias, keep=keep)
    _print({"dropped": dropped}, [f"dropped {', '.join(dropped) or 'nothing'}"], as_json)


def _tell(message: str) -> None:
    click.echo(message, err=True)


def _moved(done: Swapped) -> str:
    return f"{done.alias} answers from {done.index} now, no longer from {done.left} ({1000 * done.seconds:.0f} ms)"


def _print(found: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
