"""One configured source: a feed, with its fields under our names, its likely language, and what it looked like."""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.clean import id_column, is_tombstone
from ingest.document import DeadLetter, Record
from ingest.feeds import Feed, Resumable
from ingest.sources.mapping import FieldMapping, MappingError
from ingest.sources.rules import Rules
from ingest.sources.schema import SchemaCount, drift, merged

NO_RULES = Rules({})
FEED = "feed"
SCHEMA = "schema"


AS_IT_IS = FieldMapping({})


class Source:
    """A feed as its `[[source]]` wants it read. Its bookmark holds the feed's own and the schema of this reading.

    A feed that is named without a TOML is one that is only looked at: its records stay as they are.
    """

    def __init__(
        self,
        feed: Feed,
        mapping: FieldMapping = AS_IT_IS,
        *,
        name: str | None = None,
        language: str | None = None,
        id_prefix: str = "",
        rules: Rules = NO_RULES,
    ) -> None:
        self._feed = feed
        self._mapping = mapping
        self._rules = rules
        self._name = name or feed.name
        self._bare = name is None
        self._language = language
        self._id_prefix = id_prefix
        self._schema = SchemaCount()
        self._before: Mapping[str, Any] = {}
        self._languages: Mapping[str, int] = {}
        self._idle = set(mapping.targets)

    @property
    def name(self) -> str:
        """The name in the TOML; bookmarks are kept under it."""
        return self._name

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read the feed. A record that an expression cannot be used on, or that breaks the schema, is a dead letter.

        Raises as the feed does.
        """
        self._schema, self._idle = SchemaCount(), set(self._mapping.targets)
        for entry in self._feed.entries():
            if isinstance(entry, DeadLetter):
                yield entry
                continue
            if not is_tombstone(entry):  # it has an id and no more
                self._schema.add(entry.fields)
            if self._bare:
                yield entry
                continue
            try:
                fields = self._mapping.apply(entry.fields)
            except MappingError as error:
                yield DeadLetter(entry.feed, entry.line, str(error), record=entry.fields)
                continue
            if self._idle:
                self._idle.difference_update(fields)
            broken = self._rules.broken(fields)
            if broken:
                yield DeadLetter(entry.feed, entry.line, broken, record=entry.fields)
                continue
            column = id_column(fields) if self._id_prefix else None
            if column is not None:
                fields[column] = f"{self._id_prefix}{fields[column]}"
            yield Record(entry.feed, entry.line, fields, self._name, self._language)

    def progress(self) -> float:
        """Return the feed's progress."""
        return self._feed.progress()

    def resume(self, bookmark: Mapping[str, Any]) -> None:
        """Take the last run's bookmark."""
        self._before = bookmark.get(SCHEMA) or {}
        if isinstance(self._feed, Resumable):
            self._feed.resume(bookmark.get(FEED) or {})

    def bookmark(self) -> dict[str, Any]:
        """Return the feed's bookmark and the schema: after a reading of changes alone the last run's with theirs."""
        schema = self.schema() if self.whole or not self._before else merged(self._before, self.schema())
        schema = schema if self._schema.records else dict(self._before)
        return {FEED: self._feed.bookmark() if isinstance(self._feed, Resumable) else {}, SCHEMA: schema}

    @property
    def whole(self) -> bool:
        """Whether all that the source holds was read."""
        return self._feed.whole if isinstance(self._feed, Resumable) else True

    def tell_languages(self, counts: Mapping[str, int]) -> None:
        """Take how many of its documents are in which language, which shows only after reading."""
        self._languages = dict(counts)

    def idle(self) -> list[str]:
        """Return the fields whose expressions gave nothing in any record that was read."""
        return sorted(self._idle) if self._schema.records else []

    def schema(self) -> dict[str, Any]:
        """Return fields and types as the source itself names them, of what was read so far, and the languages."""
        told = {"languages": dict(self._languages)} if self._languages else {}
        return {**self._schema.as_json(), **told}

    def drift(self) -> list[str]:
        """Say how what was read differs from the last run."""
        return drift(self._before, self.schema(), whole=self.whole) if self._before else []
