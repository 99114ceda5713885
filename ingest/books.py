"""The books of a run: opened before it reads, closed when the index has acknowledged everything."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from ingest.feeds import Feed, Resumable
from ingest.fusion.stage import FUSED
from ingest.ledger import Ledger
from ingest.report import Tally
from ingest.run import feed_key
from ingest.sinks import Sink
from ingest.sources.source import SCHEMA, Source
from ingest.state import IndexState, state_path
from ingest.sweep import MAX_DELETE_FRACTION, delete_gone, find_gone
from ingest.target import Target

log = logging.getLogger("polyrank.ingest.books")

Deletes = Literal["feed", "index", "off"]
DELETES: tuple[Deletes, ...] = ("feed", "index", "off")


@dataclass(frozen=True, slots=True)
class BookRules:
    """What becomes of documents that are gone.

    `deletes`: "feed" deletes what a feed read to its end no longer holds, "index" what none of the feeds holds, "off"
    nothing. `whole` False: the feeds are a part of what they usually are (a limit, a replay), so nothing is deleted
    and no bookmark is kept. `fused`: products belong to all feeds together.
    """

    deletes: Deletes = "feed"
    max_fraction: float = MAX_DELETE_FRACTION
    whole: bool = True
    fused: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """Sentences for the report, those about deletions that were refused, and what feeds looked like (`SchemaCount`)."""

    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    schemas: Mapping[str, Any] = field(default_factory=dict)
    drift: Mapping[str, list[str]] = field(default_factory=dict)


@contextmanager
def open_books(
    alias: str,
    target: Target | None,
    fingerprint: Mapping[str, Any],
    *,
    rewrite: bool = False,
    copy: bool = False,
    tell: Callable[[str], None] = lambda message: None,
) -> Iterator[Ledger]:
    """Yield the ledger of a new run.

    An index that holds fewer documents than earlier runs wrote has lost some: then everything is written again.

    Args:
        alias: that is written to.
        target: None: there is no index yet.
        fingerprint: of all that a document goes through, as JSON.
        rewrite: write everything again, and read feeds from their start.
        copy: leave the state of earlier runs as it is.
        tell: told when documents are missing.
    """
    state = IndexState(None if target is None else state_path(alias, target.uuid()), copy=copy)
    try:
        if target is not None and (expected := state.count()) and (found := target.count()) < expected:
            tell(f"{target.index} holds {found} documents of {expected} that were written: writing all again")
            rewrite = True
        if rewrite:
            state.distrust()
        version = state.next_version(time.time_ns() // 1_000_000)
        ledger = Ledger(state, version, msgspec.json.encode(fingerprint, order="deterministic").decode())
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        state.close()


def begin_feeds(ledger: Ledger, feeds: Sequence[Feed], rules: BookRules) -> dict[str | None, int]:
    """Let feeds go on where the last run ended; return how many documents the index holds of each scope.

    Fusion needs all records, so its feeds are read from their start.
    """
    for feed in feeds:
        kept = ledger.state.bookmark(feed_key(feed.name))
        bookmark = kept.get("bookmark", {}) if kept.get("fingerprint") == ledger.fingerprint else {}
        if not rules.whole or not isinstance(feed, Resumable):
            continue
        feed.resume({SCHEMA: kept.get("bookmark", {}).get(SCHEMA)} if rules.fused else bookmark)
    return {scope: ledger.state.count(scope) for scope in _scopes(feeds, rules)}


def settled_feeds(feeds: Sequence[Feed], rules: BookRules) -> frozenset[str] | None:
    """Return the feeds, by every name they are known by, of which each record was read; None: all there are."""
    if not rules.whole:
        return frozenset()
    if rules.deletes == "index" and all_whole(feeds):
        return None
    names = {name for feed in feeds if _is_whole(feed) for name in (feed.name, feed_key(feed.name))}
    return frozenset(names | ({FUSED} if rules.fused else set()))


def all_whole(feeds: Sequence[Feed]) -> bool:
    """Return whether all feeds gave all they hold."""
    return all(_is_whole(feed) for feed in feeds)


def end_feeds(
    ledger: Ledger, feeds: Sequence[Feed], before: Mapping[str | None, int], sink: Sink, rules: BookRules, tally: Tally
) -> Closing:
    """Delete what is gone, then keep how far feeds were read; both only after everything was acknowledged.

    A feed whose deletions were refused is read from its start by the next run.

    Args:
        ledger: of the run.
        feeds: read to their ends.
        before: as `begin_feeds` returned.
        sink: that the run wrote to.
        rules: what may be deleted.
        tally: counts what is.
    """
    if not rules.whole:
        return Closing()
    sources = [feed for feed in feeds if isinstance(feed, Source)]
    for one in sources:
        one.tell_languages(tally.mix[feed_key(one.name)])
    drifted = {feed_key(one.name): said for one in sources if (said := one.drift())}
    notes = [f"{name}: {change}" for name, said in drifted.items() for change in said]
    for note in notes:
        log.warning("%s", note)
    refused: dict[str | None, str] = {}
    for scope in _scopes(feeds, rules):
        if not all_whole([feed for feed in feeds if scope in (None, FUSED, feed_key(feed.name))]):
            continue
        sweep = find_gone(ledger, scope, before[scope])
        unread = sum(ledger.unreadable.values()) if scope is None else ledger.unreadable[scope]
        if sweep.gone and unread:
            notes.append(
                f"{sweep.gone} documents are gone from {sweep.place} and were not deleted: {unread} of its entries"
                f" cannot be read, and may be theirs"
            )
        elif objection := sweep.objection(rules.max_fraction):
            refused[scope] = objection
        else:
            tally.deleted += delete_gone(ledger, sink, sweep)
    if None not in refused and FUSED not in refused:
        ledger.state.keep_bookmarks(
            {
                feed_key(feed.name): {"fingerprint": ledger.fingerprint, "bookmark": feed.bookmark()}
                for feed in feeds
                if isinstance(feed, Resumable) and feed_key(feed.name) not in refused
            }
        )
    schemas = {feed_key(one.name): one.bookmark()[SCHEMA] for one in sources}
    return Closing(tuple(notes), tuple(refused.values()), schemas, drifted)


def _scopes(feeds: Sequence[Feed], rules: BookRules) -> list[str | None]:
    if not rules.whole or rules.deletes == "off":
        return []
    if rules.deletes == "index":
        return [None]
    return [FUSED] if rules.fused else list(dict.fromkeys(feed_key(feed.name) for feed in feeds))


def _is_whole(feed: Feed) -> bool:
    return feed.whole if isinstance(feed, Resumable) else True
