"""What a run would make of feeds, without an index: counts, languages, problems, fields. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.clean import Brands
from ingest.detection import PriorDetector
from ingest.document import DeadLetter
from ingest.errors import PARTIAL, FeedError
from ingest.feeds import Feed
from ingest.languages import assign_languages
from ingest.report import counted_kind
from ingest.run import feed_key, read_chunks
from ingest.seen import SeenIds
from ingest.sources.schema import filled
from ingest.sources.source import SCHEMA, Source
from ingest.stages import clean_batch
from rerank.protocols import Detector

ROWS = 256


@dataclass(slots=True)
class FeedCheck:
    """What one feed holds. `reasons` and `problems` have a count and the first place; `broken` says why it ended
    before its end, `fields` is a schema as `SchemaCount` gives it, `drift` how that differs from the last run, `idle`
    which of [source.fields] gave nothing."""

    name: str
    records: int = 0
    documents: int = 0
    dead: int = 0
    repeated: int = 0
    deletes: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, tuple[int, str]] = field(default_factory=dict)
    problems: dict[str, tuple[int, str]] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    drift: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    broken: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the check as `--json` prints it."""
        read = self.fields.get("records", 0)
        return {
            "name": self.name,
            "records": self.records,
            "documents": self.documents,
            "dead_letters": self.dead,
            "repeated_ids": self.repeated,
            "deletes": self.deletes,
            "languages": dict(self.languages.most_common()),
            "reasons": {reason: {"count": count, "first": first} for reason, (count, first) in self.reasons.items()},
            "problems": {name: {"count": count, "first": first} for name, (count, first) in self.problems.items()},
            "drift": list(self.drift),
            "idle_expressions": list(self.idle),
            "fields": {
                name: {"share": round(filled(types) / read, 4), "types": types}
                for name, types in self.fields.get("fields", {}).items()
            },
            "broken": self.broken,
        }

    def lines(self) -> list[str]:
        """Return the check for people."""
        languages = ", ".join(f"{name} {count}" for name, count in self.languages.most_common(12))
        found = [
            f"{self.name}: {self.records} records, {self.documents} documents, {self.dead} dead letters",
            f"  languages: {languages or 'none'}",
        ]
        read = self.fields.get("records", 0)
        shares = [f"{name} {filled(types) / read:.0%}" for name, types in self.fields.get("fields", {}).items()]
        found.append(f"  fields: {', '.join(shares[:40]) or 'none'}" + (" ..." if len(shares) > 40 else ""))
        if self.repeated:
            found.append(f"  {self.repeated} records repeat an id; the last one would stand")
        if self.deletes:
            found.append(f"  {self.deletes} records ask for their products to be deleted")
        found += [f"  dead: {reason} ({count}, first {first})" for reason, (count, first) in self.reasons.items()]
        found += [f"  unreadable {name} ({count}, first {first})" for name, (count, first) in self.problems.items()]
        found += [f"  the expression of {name} gives nothing in any record" for name in self.idle]
        found += [f"  drift: {change}" for change in self.drift]
        return found + ([f"  broken: {self.broken}"] if self.broken else [])


def check_feeds(
    feeds: Iterable[Feed],
    detector: PriorDetector,
    scripts: Detector,
    *,
    prior: str | None = None,
    brands: Brands,
    limit: int | None = None,
    before: Mapping[str, Any] | None = None,
) -> list[FeedCheck]:
    """Read feeds through cleaning and language detection; return what was found, a check a feed.

    A feed that breaks off is reported and does not end the check.

    Args:
        feeds: read one after the other, each once.
        detector: for documents that declare no language.
        scripts: tells languages by script alone.
        prior: the likely language of records whose source names none.
        brands: the shop's spellings.
        limit: entries of each feed to read.
        before: what feeds looked like in the last run, as `ingest.record.last_schemas` gives it.
    """
    seen = SeenIds()
    try:
        checks = []
        for feed in feeds:
            source = feed if isinstance(feed, Source) else Source(feed)
            source.resume({SCHEMA: (before or {}).get(feed_key(source.name))})
            checks.append(_check(source, detector, scripts, prior, brands, limit, seen))
        return checks
    finally:
        seen.close()


def exit_code(checks: Iterable[FeedCheck]) -> int:
    """Return 0, or 3 when something would be left out."""
    return PARTIAL if any(check.dead or check.broken for check in checks) else 0


def _check(
    source: Source,
    detector: PriorDetector,
    scripts: Detector,
    prior: str | None,
    brands: Brands,
    limit: int | None,
    seen: SeenIds,
) -> FeedCheck:
    check = FeedCheck(source.name)
    try:
        for chunk in read_chunks([source], ROWS, limit):
            batch = clean_batch(chunk.entries, brands)
            check.records += batch.read
            check.repeated += batch.read - len(batch.documents) - len(batch.letters) - len(batch.deletes)
            check.deletes += len(batch.deletes)
            check.repeated += seen.add(document.id for document in batch.documents)
            for document in assign_languages(batch.documents, detector, scripts, prior=prior):
                check.documents += 1
                check.languages[document.language] += 1
                for name in document.problems:
                    said = document.attrs.get(name, document.language)
                    _count(check.problems, name, f"{document.record.feed}:{document.record.line}: {said!r}"[:200])
            for letter in batch.letters:
                _count_letter(check, letter)
    except FeedError as error:
        check.broken = str(error)
    source.tell_languages(check.languages)
    check.fields, check.drift, check.idle = source.schema(), source.drift(), source.idle()
    return check


def _count_letter(check: FeedCheck, letter: DeadLetter) -> None:
    check.dead += 1
    place = f"{letter.feed}:{letter.line}: {letter.reason}"[:200]
    _count(check.reasons, counted_kind(letter, check.reasons), place)


def _count(found: dict[str, tuple[int, str]], name: str, place: str) -> None:
    count, first = found.get(name, (0, place))
    found[name] = (count + 1, first)
