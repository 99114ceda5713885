"""What a run did: counts by stage, languages, problems, dead letters and times; as JSON and for people."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from ingest.document import DeadLetter, Document
from ingest.errors import OK, PARTIAL, SOURCE
from ingest.stages import Batch
from plugin.bulk import Result

MAX_REASONS = 200
OTHER_REASONS = "other reasons"


def counted_kind(letter: DeadLetter, counted: Collection[str]) -> str:
    """Return under which reason a dead letter counts, beside those that are counted already."""
    return letter.kind if letter.kind in counted or len(counted) < MAX_REASONS else OTHER_REASONS


@dataclass(slots=True)
class Tally:
    """Counts while a run goes on. Each stage's seconds are written by that stage's thread alone.

    `unchanged`: the index holds them already; `stale`: it holds a newer version; `embedded`, `images`: read by a model.
    `languages` of what was written; `mix`: of all documents of each feed.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    deleted: int = 0
    embedded: int = 0
    images: int = 0
    dead: int = 0
    duplicates: int = 0
    fused: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    mix: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    translated: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many records were read and what became of them."""
        return {
            "read": self.read,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "stale": self.stale,
            "deleted": self.deleted,
            "duplicates": self.duplicates,
            "fused": self.fused,
            "dead": self.dead,
            "embedded": self.embedded,
            "images": self.images,
        }

    def pass_batch(self, batch: Batch) -> None:
        """Count what became of a batch's entries before it is written, and the time that it took where it worked."""
        self.read += batch.read
        self.fused += batch.fused
        self.unchanged += batch.unchanged
        self.stale += batch.stale
        self.embedded += batch.embedded
        self.images += batch.images
        passed = len(batch.documents) + batch.unchanged + batch.stale
        self.duplicates += batch.read - batch.fused - passed - len(batch.letters) - len(batch.deletes)
        self.duplicates += batch.repeated
        for stage, spent in batch.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def count(self, document: Document, result: Result) -> None:
        """Count a document that was written, or found to be older than what is there."""
        self.created += result == "created"
        self.updated += result == "updated"
        self.stale += result == "stale"
        self.languages[document.language] += 1
        if document.translated:
            self.translated.update(document.translated.keys())
        if document.problems:
            self.problems.update(document.problems)

    def count_letter(self, letter: DeadLetter) -> None:
        """Count a dead letter; past `MAX_REASONS` kinds of reasons all further ones are one."""
        self.dead += 1
        self.reasons[counted_kind(letter, self.reasons)] += 1

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - start


@dataclass(frozen=True, slots=True)
class RunReport:
    """A finished run. `stage_seconds` overlap: stages work side by side. `waiting_letters`: of earlier runs, that stay
    in the file of dead letters."""

    alias: str
    index: str
    feeds: tuple[str, ...]
    tally: Tally
    seconds: float
    embedder: str | None
    translator: str
    pipeline: str
    dead_letters: Path | None
    waiting_letters: int = 0
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    dry_run: bool = False
    schemas: Mapping[str, Any] = field(default_factory=dict)
    drift: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0; 4 when deletions were refused; 3 when a record became a dead letter."""
        if self.refused:
            return SOURCE
        return PARTIAL if self.tally.dead else OK

    @property
    def indexed(self) -> int:
        """How many documents were written."""
        return self.tally.created + self.tally.updated

    @property
    def unindexed(self) -> int:
        """How many dead letters, of this run and of earlier ones, wait in the file."""
        return 0 if self.dry_run else self.waiting_letters + self.tally.dead

    @property
    def documents_per_second(self) -> float:
        """Documents written a second, over the whole run."""
        return self.indexed / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the report as `--json` prints it."""
        tally = self.tally
        return {
            "alias": self.alias,
            "index": self.index,
            "feeds": list(self.feeds),
            "read": tally.read,
            "indexed": self.indexed,
            "created": tally.created,
            "updated": tally.updated,
            "unchanged": tally.unchanged,
            "stale": tally.stale,
            "deleted": tally.deleted,
            "embedded": tally.embedded,
            "images": tally.images,
            "duplicates": tally.duplicates,
            "fused": tally.fused,
            "dead_letters": tally.dead,
            "dead_letters_waiting": self.unindexed,
            "dead_letter_file": None if self.dead_letters is None else str(self.dead_letters),
            "reasons": dict(tally.reasons.most_common()),
            "problems": dict(tally.problems.most_common()),
            "languages": dict(tally.languages.most_common()),
            "translated": dict(tally.translated.most_common()),
            "translator": self.translator,
            "embedder": self.embedder,
            "pipeline": self.pipeline,
            "notes": list(self.notes),
            "refused": list(self.refused),
            "drift": dict(self.drift),
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 2),
            "documents_per_second": round(self.documents_per_second, 1),
            "stage_seconds": {stage: round(spent, 2) for stage, spent in tally.seconds.items()},
        }

    def lines(self) -> list[str]:
        """Return the report for people, a fact a line."""
        tally = self.tally
        found = ["dry run: nothing was written"] if self.dry_run else []
        found += [
            f"{self.alias} ({self.index}): {self.indexed} documents indexed of {tally.read} records"
            f" ({tally.created} new, {tally.updated} replaced; {tally.unchanged} unchanged, {tally.deleted} deleted)"
            f" in {self.seconds:.1f} s,"
            f" {self.documents_per_second:.0f} documents/s",
            f"languages: {_counts(tally.languages) or 'none'}",
            f"translation: {self.translator}" + (f"; into {_counts(tally.translated)}" if tally.translated else ""),
            f"vectors: {self.embedder or 'none'}" + (f"; images encoded: {tally.images}" if tally.images else ""),
            f"search pipeline {self.alias}: {self.pipeline}",
            "seconds by stage (side by side): "
            + ", ".join(f"{stage} {spent:.1f}" for stage, spent in tally.seconds.items()),
        ]
        found += self.notes
        if tally.stale:
            found.append(f"{tally.stale} records are older than what the index holds and were left out")
        if tally.duplicates:
            found.append(f"{tally.duplicates} records repeat an id of this run; the last one stands")
        if tally.fused:
            found.append(f"{tally.fused} records were fused into documents of other sources")
        if tally.problems:
            found.append(f"left out because unreadable (the documents are indexed): {_counts(tally.problems)}")
        found += [f"not deleted: {said}" for said in self.refused]
        if self.dry_run and tally.dead:
            found.append(f"{tally.dead} records would be dead letters: {_counts(tally.reasons)}")
        elif tally.dead:
            found.append(f"{tally.dead} dead letters in {self.dead_letters}: {_counts(tally.reasons)}")
            found.append(f"mend what they name, then: ingest replay {self.dead_letters} --index {self.alias}")
        return found


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common(12))
