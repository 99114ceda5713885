"""A shop's own phrases in several languages, read in any direction between its columns."""

import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.translation.words import fold

ALTERNATIVES = re.compile(r"\s*\|\s*")
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Glossary:
    """Rows of phrases, one column a language; a cell holds alternatives, the best first."""

    name: str
    version: str
    languages: tuple[str, ...]
    phrases: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]
    vocabulary: Mapping[str, frozenset[str]]

    def lookup(self, phrase: str, source: str, target: str) -> tuple[str, ...]:
        """Return the translations of a folded phrase (`words.fold`), best first; empty when it has none."""
        return self.phrases.get((source, target), {}).get(phrase, ())

    def words(self, language: str) -> frozenset[str]:
        """Return the folded words of the phrases of a language."""
        return self.vocabulary.get(language, frozenset())

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the pairs of different columns."""
        return frozenset((a, b) for a in self.languages for b in self.languages if a != b)


def read_glossary(path: Path) -> Glossary:
    """Read a glossary: UTF-8 TSV (also gzipped), a header of BCP 47 codes, alternatives joined by " | ".

    Empty cells are allowed; lines starting with # are left out. Raises ResourceError when the header or a row
    is not so.
    """
    content = glossary_bytes(path)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ResourceError(f"glossary {path} cannot be read: {error}") from error
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    if not rows:
        raise ResourceError(f"glossary {path} is empty; its first row names the languages, as in: en<TAB>de<TAB>fr")
    languages = tuple(code.strip() for code in rows[0][1])
    if len(languages) < 2 or len(set(languages)) < len(languages) or not all(map(_CODE.fullmatch, languages)):
        raise ResourceError(
            f"glossary {path}: the first row must name two or more different languages, as in: en<TAB>de"
        )
    table: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for number, cells in rows[1:]:
        if len(cells) != len(languages):
            raise ResourceError(f"glossary {path}, line {number}: {len(cells)} cells, the header has {len(languages)}")
        _add_row(table, languages, cells)
    words: dict[str, set[str]] = {language: set() for language in languages}
    for (source, _), entries in table.items():
        words[source].update(word for phrase in entries for word in phrase.split())
    vocabulary = {language: frozenset(found) for language, found in words.items()}
    return Glossary(path.name, hashlib.sha256(content).hexdigest()[:12], languages, table, vocabulary)


def glossary_bytes(path: Path) -> bytes:
    """Return the file's content, gunzipped. Raises ResourceError when it cannot be read."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ResourceError(f"glossary {path} cannot be read: {error}") from error


def _add_row(
    table: dict[tuple[str, str], dict[str, tuple[str, ...]]], languages: Sequence[str], cells: Sequence[str]
) -> None:
    alternatives = [[part for part in ALTERNATIVES.split(cell.strip()) if part] for cell in cells]
    for source, phrases in zip(languages, alternatives, strict=True):
        for target, translations in zip(languages, alternatives, strict=True):
            if source == target or not translations:
                continue
            entries = table.setdefault((source, target), {})
            for phrase in phrases:
                key = fold(phrase)
                entries[key] = tuple(dict.fromkeys((*entries.get(key, ()), *translations)))
