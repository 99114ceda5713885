"""The alias moves from one index to another in one cluster update, and back; old indices are dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from ingest.errors import ReindexError
from ingest.lock import locked
from ingest.reindex.build import conversion
from ingest.reindex.changes import CaughtUp, catch_up, forget, written_since
from ingest.reindex.generations import candidate, find_generations, read_note, write_note
from ingest.reindex.stored import Conversion
from plugin.client import OpenSearch, cluster_errors, cluster_id
from plugin.scan import checkpoints

DEFAULT_PIPELINE = "index.search.default_pipeline"


@dataclass(frozen=True, slots=True)
class Swapped:
    """What the alias left and where it is; `seconds` of the alias update alone.

    `behind` counts, after a rollback, documents that only the index left behind has in their newest state.
    """

    alias: str
    left: str
    index: str
    seconds: float
    written: int = 0
    deleted: int = 0
    behind: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        names = ("alias", "left", "index", "written", "deleted", "behind")
        return {name: getattr(self, name) for name in names} | {"seconds": round(self.seconds, 3)}


def swap(client: OpenSearch, alias: str, *, index: str | None = None, force: bool = False) -> Swapped:
    """Let the alias point at a built index instead of the one it points at: one atomic update.

    Before it the new index catches up with the old one and takes over its default search pipeline, so that nothing
    is left to do but the update; after it, it catches up with what others were writing at that moment. A run of this
    machine would go on writing to the index that it began with, so there must be none.

    Args:
        client: as `plugin.client.connect` returns.
        alias: the name that clients search.
        index: where to; None: the newest.
        force: although `verify` has not passed for this pair of indices.

    Raises:
        LockedError: a run writes into the alias, or a build into the new index.
        ReindexError: there is nothing to swap to, it did not pass, or it refuses documents of the old one.
        ClusterError: the cluster cannot be reached or refuses; the alias is then where it was.
    """
    with locked(alias, cluster := cluster_id(client)):
        generations = find_generations(client, alias)
        old, new = generations.searched, candidate(client, generations, index)
        with locked(new, cluster):
            return _swap(client, alias, old, new, force=force)


def _swap(client: OpenSearch, alias: str, old: str, new: str, *, force: bool) -> Swapped:
    if not force:
        _check_passed(client, alias, old, new)
    makes = conversion(client, old, new)
    first = _caught_up(client, old, new, makes, force=force)
    _take_over(client, old, new)
    seconds = _move(client, alias, old, new)
    last = _caught_up(client, old, new, makes, force=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_note(client, new, swapped=now, came_from=old, at_swap=checkpoints(client, new))
    return Swapped(alias, old, new, seconds, first.written + last.written, first.deleted + last.deleted)


def rollback(client: OpenSearch, alias: str) -> Swapped:
    """Let the alias point at the index again that it pointed at before the last swap: one atomic update.

    The old index is as it was at the swap; the next `ingest run` brings it up to date.

    Raises:
        LockedError: a run writes into the alias.
        ReindexError: the index searched did not come by a swap, or the old one was dropped.
        ClusterError: the cluster cannot be reached or refuses; the alias is then where it was.
    """
    with locked(alias, cluster_id(client)):
        return _rollback(client, alias)


def _rollback(client: OpenSearch, alias: str) -> Swapped:
    generations = find_generations(client, alias)
    new = generations.searched
    note = read_note(client, new)
    old = note.get("came_from")
    if old is None:
        raise ReindexError(f"{alias} did not come to {new} by `ingest reindex swap`, so there is no way back")
    if old not in generations.names:
        raise ReindexError(f"{old}, which {alias} came from, was dropped; build an index and swap to it")
    seconds = _move(client, alias, new, old)
    with cluster_errors(f"refresh {new}"):
        client.indices.refresh(index=new)
    behind = written_since(client, new, note.get("at_swap", {}))
    write_note(client, new, swapped=None, came_from=None, at_swap=None, verified=None)
    return Swapped(alias, new, old, seconds, behind=behind)


def clean(client: OpenSearch, alias: str, *, keep: int = 1) -> list[str]:
    """Drop the indices of an alias but the one searched and the newest `keep` others; return what was dropped.

    An index whose build broke off is dropped in any case.

    Raises:
        LockedError: a run writes into the alias, or a build into an index that is to be dropped.
        ReindexError: there is no such alias.
        ClusterError: the cluster cannot be reached or refuses.
    """
    with locked(alias, cluster := cluster_id(client)):
        return _clean(client, alias, keep, cluster)


def _clean(client: OpenSearch, alias: str, keep: int, cluster: str) -> list[str]:
    generations = find_generations(client, alias)
    others = [name for name in reversed(generations.names) if name != generations.searched]
    broken = [name for name in others if _broke_off(client, name)]
    whole = [name for name in others if name not in broken]
    dropped = sorted([*broken, *whole[keep:]])
    for name in dropped:
        with locked(name, cluster), cluster_errors(f"drop {name}"):
            client.indices.delete(index=name)
        forget(name)
    return dropped


def _broke_off(client: OpenSearch, name: str) -> bool:
    note = read_note(client, name)
    return bool(note) and not note.get("complete")


def _check_passed(client: OpenSearch, alias: str, old: str, new: str) -> None:
    verdict: dict[str, Any] = read_note(client, new).get("verified", {})
    if verdict.get("against") != old:
        raise ReindexError(f"{new} was not compared with {old} yet; ingest reindex verify --index {alias}, or --force")
    if not verdict.get("passed"):
        failed: Sequence[str] = verdict.get("failed", ())
        raise ReindexError(
            f"{new} did not pass beside {old} ({', '.join(failed)}); mend it and verify again, or --force"
        )


def _caught_up(client: OpenSearch, old: str, new: str, makes: Conversion, *, force: bool) -> CaughtUp:
    done = catch_up(client, old, new, makes)
    if done.refused and not force:
        raise ReindexError(f"{new} does not take {done.refused} documents of {old}: {done.reason}")
    return done


def _take_over(client: OpenSearch, old: str, new: str) -> None:
    """Give the new index the old one's default pipeline, and wait until its primaries are there."""
    with cluster_errors(f"prepare {new}"):
        settings = client.indices.get_settings(index=old, params={"flat_settings": "true"})[old]["settings"]
        pipeline = settings.get(DEFAULT_PIPELINE)
        client.indices.put_settings(index=new, body={DEFAULT_PIPELINE: pipeline})
        client.cluster.health(index=new, params={"wait_for_status": "yellow"})  # an error when that does not come


def _move(client: OpenSearch, alias: str, source: str, target: str) -> float:
    """Move the alias in one cluster update, with its filter and routing; return the seconds it took."""
    with cluster_errors(f"move {alias} from {source} to {target}"):
        entry = client.indices.get_alias(index=source, name=alias)[source]["aliases"][alias]
        kept = {key: value for key, value in entry.items() if key != "is_write_index"}
        remove = {"index": source, "alias": alias, "must_exist": True}
        add = {"index": target, "alias": alias, "is_write_index": True, **kept}
        start = perf_counter()
        client.indices.update_aliases(body={"actions": [{"remove": remove}, {"add": add}]})
    return perf_counter() - start
