"""Building a new index beside the old one: made empty with its mapping, filled from the feeds by the same stages as
`ingest run` fills an index, caught up with what was written meanwhile. The alias stays where it is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ingest.errors import ReindexError
from ingest.feeds import Feed
from ingest.images import open_images
from ingest.reindex.changes import CaughtUp, catch_up, note_start
from ingest.reindex.generations import Generations, find_generations, read_note, write_note
from ingest.reindex.stored import Conversion
from ingest.report import RunReport, Tally
from ingest.session import RunOptions, ingest, vector_field
from plugin.client import OpenSearch, cluster_errors, connect
from plugin.index import IndexSpec, read_meta, vectors_of
from rerank.embedder import load_embedder


@dataclass(frozen=True, slots=True)
class Built:
    """A built index, the run that filled it, and what was caught up afterwards."""

    index: str
    replaces: str
    run: RunReport
    caught_up: CaughtUp

    @property
    def exit_code(self) -> int:
        """That of the run, 3 when a document of the catch-up was refused."""
        return 3 if self.caught_up.refused else self.run.exit_code

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "index": self.index,
            "replaces": self.replaces,
            "caught_up": asdict(self.caught_up),
            "run": self.run.as_json(),
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        caught = self.caught_up
        refused = f", {caught.refused} refused ({caught.reason})" if caught.refused else ""
        return [
            *self.run.lines(),
            f"caught up with {self.replaces}: {caught.written} documents written, {caught.deleted} deleted{refused}",
            f"{self.run.alias} still answers from {self.replaces};"
            f" next: ingest reindex verify --index {self.run.alias}",
        ]


def build(
    feeds: Sequence[Feed],
    options: RunOptions,
    *,
    resume: bool = False,
    tell: Callable[[str], None] = lambda message: None,
    on_batch: Callable[[Tally], None] = lambda tally: None,
) -> Built:
    """Build the next index of an alias from feeds.

    What the options leave open is taken from the old index: languages when empty, shards when 0, replicas when None.

    Args:
        feeds: the whole catalogue.
        options: as for a run; `into` and `pipeline` are set here.
        resume: go on filling an index whose build broke off; writing a document twice is writing it once.
        tell: told what is about to happen.
        on_batch: called after each written batch.

    Raises:
        ReindexError: there is no index to build beside, or an unfinished one and not `resume`.
        PolyrankError: as `ingest.session.ingest`.
    """
    client = connect(options.url)
    generations = find_generations(client, options.alias)
    old = generations.searched
    options = _like(client, old, options)
    new = _unfinished(client, generations)
    if new is not None and not resume:
        raise ReindexError(f"the build of {new} broke off; go on with --resume, or drop it: ingest reindex clean")
    if new is None:
        new = generations.next_name()
        _create(client, new, options)
        note_start(client, old, new)
    elif read_note(client, new)["replaces"] != old:
        raise ReindexError(f"{new} was begun beside another index than {old}; drop it: ingest reindex clean")
    tell(f"building {new} beside {old} ...")
    run = ingest(feeds, replace(options, into=new, pipeline=False), tell=tell, on_batch=on_batch)
    _settings(client, new, {"refresh_interval": None})
    caught_up = catch_up(client, old, new, conversion(client, old, new))
    write_note(client, new, complete=True)
    return Built(new, old, run, caught_up)


def conversion(client: OpenSearch, old: str, new: str) -> Conversion:
    """Return what makes documents of `new` from those of `old`.

    Raises:
        ReindexError: the embedder that filled `new` is not where it was.
        PolyrankError: it cannot be loaded.
    """
    metas = read_meta(client, old), read_meta(client, new)
    vectors = [vectors_of(meta, "text") for meta in metas]
    if not vectors[1] or vectors[0] == vectors[1]:
        return Conversion(*metas, None)
    named = read_note(client, new).get("embedder")
    embedder = load_embedder(named)
    expected = next(iter(vectors[1].values()))["fingerprint"]
    if embedder.fingerprint != expected:
        raise ReindexError(
            f"{new} holds vectors of {expected[:15]}..., but {named or 'the shipped embedder'} is"
            f" {embedder.fingerprint[:15]}...; put the bundle back, or build again"
        )
    return Conversion(*metas, embedder)


def _create(client: OpenSearch, new: str, options: RunOptions) -> None:
    embedder = load_embedder(options.embedder) if options.embed else None
    images = open_images(options.images)
    pictures = images.vector if images else None
    body = IndexSpec(options.languages, vector_field(embedder), options.shards, options.replicas, pictures).body()
    body["settings"]["index"]["refresh_interval"] = -1  # nobody searches it yet
    with cluster_errors(f"create {new}"):
        client.indices.create(index=new, body=body)
    if options.embedder is not None:
        write_note(client, new, embedder=str(options.embedder.resolve()))


def _like(client: OpenSearch, old: str, options: RunOptions) -> RunOptions:
    with cluster_errors(f"read the settings of {old}"):
        settings = client.indices.get_settings(index=old)[old]["settings"]["index"]
    replicas = None if settings.get("auto_expand_replicas", "false") != "false" else int(settings["number_of_replicas"])
    return replace(
        options,
        languages=options.languages or tuple(read_meta(client, old)["languages"]),
        shards=options.shards or int(settings["number_of_shards"]),
        replicas=replicas if options.replicas is None else options.replicas,
    )


def _unfinished(client: OpenSearch, generations: Generations) -> str | None:
    newest = generations.newest
    if newest == generations.searched:
        return None
    note = read_note(client, newest)
    return newest if note and not note.get("complete") else None


def _settings(client: OpenSearch, index: str, settings: dict[str, Any]) -> None:
    with cluster_errors(f"change the settings of {index}"):
        client.indices.put_settings(index=index, body={"index": settings})
