"""Feeds of one JSON object a line, and the dead letters of earlier runs, which are written that way."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ingest.document import DeadLetter, Record
from ingest.file_feed import FileFeed
from ingest.text_file import NOT_UTF8, LongLine, readable, shown


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse_object(line: str) -> tuple[dict[str, Any] | None, str]:
    """Return the JSON object a line holds, or None and why there is none."""
    if not readable(line):
        return None, f"the line {NOT_UTF8}"
    try:
        value = _decoded(line)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    if not isinstance(value, dict):
        return None, f"a JSON object is needed, found {type(value).__name__}"
    return value, ""


def _decoded(line: str) -> Any:
    """Return what `DECODER` gives, in a third of the time where msgspec takes the line: it refuses some that Python
    reads (lone surrogates, numbers beyond doubles) and says of bad ones less well what is wrong."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return DECODER.decode(line)


class JsonLinesFeed(FileFeed):
    """A .jsonl file; blank lines are skipped."""

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read line by line. Raises FeedError where the file breaks off."""
        with self._file.lines(newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if isinstance(line, LongLine):
                    yield DeadLetter(self.name, number, line.reason, raw=line.head)
                elif line.strip():
                    yield self._entry(number, line)

    def _entry(self, number: int, line: str) -> Record | DeadLetter:
        fields, reason = parse_object(line)
        if fields is None:
            return DeadLetter(self.name, number, reason, raw=shown(line.rstrip("\r\n")))
        return Record(self.name, number, fields)


class DeadLetterFeed(JsonLinesFeed):
    """A dead-letter file: each letter's record as if it came from its feed again. A letter without a record is
    tried from its raw text, which may have been mended in the file."""

    def _entry(self, number: int, line: str) -> Record | DeadLetter:
        letter, reason = parse_object(line)
        if letter is None:
            return DeadLetter(self.name, number, reason, raw=shown(line.rstrip("\r\n")))
        feed, origin = str(letter.get("feed", self.name)), letter.get("line")
        origin = origin if isinstance(origin, int) else number
        source, prior, version = str(letter.get("source") or ""), letter.get("prior"), letter.get("version")
        prior, version = prior if isinstance(prior, str) else None, version if isinstance(version, int) else None
        raw = letter.get("raw")
        fields = letter.get("record")
        if not isinstance(fields, Mapping):
            fields, _ = parse_object(raw) if isinstance(raw, str) else (None, "")
        if fields is not None:
            return Record(feed, origin, fields, source, prior, version)
        reason = str(letter.get("reason", "the letter holds no record"))
        return DeadLetter(feed, origin, reason, None, raw if isinstance(raw, str) else None, source, prior, version)
