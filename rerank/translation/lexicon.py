"""Compiled dictionaries: one SQLite file for each pair of languages, read from all that is installed for it.

A pair (de, en) gathers German-English read forwards and English-German read backwards; a word that both know
gains. Where a pair is thin, a third language helps: Swedish-German and German-English give Swedish-English.
"""

import hashlib
import logging
import math
import os
import sqlite3
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from rerank.errors import ResourceError
from rerank.translation.freedict import Entry
from rerank.translation.inflect import stem
from rerank.translation.source import Weighted
from rerank.translation.words import strip_accents

log = logging.getLogger(__name__)

FORMAT = "4"
MAX_TRANSLATIONS = 24
BACKWARD_WEIGHT = 0.8
PIVOT_WEIGHT = 0.5
MAX_THIRDS = 3
"""The fullest third languages are enough; each more costs seconds to compile."""
RICH_TERMS = 100_000
"""A pair whose own dictionaries know that many terms needs no third language."""
CACHED_TERMS = 20_000


class Dictionary(Protocol):
    """An installed dictionary, whatever its format."""

    @property
    def source(self) -> str:
        """The language of its headwords, BCP 47."""
        ...

    @property
    def target(self) -> str:
        """The language of its translations, BCP 47."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is read from."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Read every article."""
        ...


class UnreadableDictionaryError(ResourceError):
    """A dictionary that cannot be read, and why."""

    def __init__(self, dictionary: Dictionary, reason: str) -> None:
        super().__init__(reason)
        self.dictionary = dictionary


class Lexicon:
    """Word translations from one language into another; safe to share among threads, reads from disk as asked."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        self._local = threading.local()
        self._cache: dict[bool, dict[str, tuple[Weighted, ...]]] = {False: {}, True: {}}

    def lookup(self, phrases: Iterable[str], *, inflected: bool = True) -> dict[str, tuple[Weighted, ...]]:
        """Return the translations of the folded terms it knows, each with a weight above 0, the heaviest first.

        With `inflected`, a term that is not there as written is looked up by its stem, without accents.
        """
        wanted = set(phrases)
        cache = self._cache[inflected]
        missing = [term for term in wanted if term not in cache]
        if missing:
            if len(cache) > CACHED_TERMS:
                cache = self._cache[inflected] = {}
            cache.update(self._read(missing, inflected=inflected))
        return {term: found for term in wanted if (found := cache.get(term))}

    def _read(self, terms: Sequence[str], *, inflected: bool) -> dict[str, tuple[Weighted, ...]]:
        found: dict[str, tuple[Weighted, ...]] = dict.fromkeys(terms, ())
        for part in _parts(terms):
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT term, translations FROM terms WHERE term IN ({marks})", part)
            found.update((term, _unpack(packed)) for term, packed in rows)
        if not inflected:
            return found
        stems = {term: stem(self._source, term) for term in terms if not found[term]}
        relatives: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for part in _parts(sorted(set(stems.values()))):
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT stem, term, translations FROM stems JOIN terms USING (term) WHERE stem IN ({marks})", part
            )
            for key, relative, packed in rows:
                relatives[key].append((relative, packed))
        for term, key in stems.items():
            if key in relatives:
                found[term] = _merged(term, relatives[key])
        return found

    def entries(self) -> Iterator[tuple[str, tuple[Weighted, ...]]]:
        """Yield every term with its translations."""
        for term, packed in self._connection.execute("SELECT term, translations FROM terms"):
            yield term, _unpack(packed)

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro&immutable=1", uri=True)
            self._local.connection = connection
        return connection


HUB = "en"
"""Dictionaries serve translation from and into the language that the default models read; the others are only bridges.
With every pair of eleven languages the first run on a machine compiled for over nine minutes."""


class LexiconStore:
    """The installed dictionaries, as they are when the store is made, and their compiled forms below `folder`."""

    def __init__(self, folder: Path, dictionaries: Sequence[Dictionary], *, pivots: bool = True) -> None:
        self._folder = folder
        self._dictionaries = list(dictionaries)
        self._stamps = {id(dictionary): _stamp(dictionary) for dictionary in dictionaries}
        self._pivots = pivots
        self._open: dict[tuple[str, str], Lexicon] = {}
        self._paths: dict[tuple[str, str, tuple[str, ...]], Path] = {}
        self._thirds: dict[tuple[str, str], list[str]] = {}
        self._ready: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @cached_property
    def _by_pair(self) -> dict[frozenset[str], list[Dictionary]]:
        grouped = defaultdict(list)
        for dictionary in self._dictionaries:
            grouped[frozenset((dictionary.source, dictionary.target))].append(dictionary)
        return dict(grouped)

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the pairs with `HUB` that a dictionary joins directly."""
        return frozenset((a, b) for pair in self._by_pair for a in pair for b in pair if a != b and HUB in pair)

    @cached_property
    def version(self) -> str:
        """A hash over the installed files' names, sizes and times."""
        state = [FORMAT, str(self._pivots), *(self._stamps[id(dictionary)] for dictionary in self._dictionaries)]
        return hashlib.sha256("\n".join(state).encode()).hexdigest()[:12]

    def lexicon(self, source: str, target: str) -> Lexicon:
        """Open the compiled lexicon of a pair, compiling it first where it is new (seconds; once a machine).

        A dictionary that cannot be read is left out, for as long as this store lives, and the others serve.
        Raises ResourceError when none of the pair can be read.
        """
        known = self._open.get((source, target))
        while known is None:
            try:
                known = self._open[source, target] = Lexicon(self._compiled(source, target), source)
            except UnreadableDictionaryError as error:
                self._leave_out(error)
                if frozenset((source, target)) not in self._by_pair:
                    raise
        return known

    def _leave_out(self, error: UnreadableDictionaryError) -> None:
        with self._lock:
            if error.dictionary in self._dictionaries:
                log.warning("translating without a dictionary: %s", error)
                self._dictionaries.remove(error.dictionary)
                for known in ("_by_pair", "version"):
                    self.__dict__.pop(known, None)
                for cache in (self._paths, self._thirds, self._ready):
                    cache.clear()

    def is_compiled(self, source: str, target: str) -> bool:
        """Tell whether `lexicon` will answer at once."""
        if (source, target) not in self._ready:
            if not self._path(source, target, self._third_languages(source, target)).exists():
                return False
            self._ready.add((source, target))
        return True

    def _compiled(self, source: str, target: str) -> Path:
        thirds = self._third_languages(source, target)
        path = self._path(source, target, thirds)
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(str(self._folder / f"{'-'.join(sorted((source, target)))}.lock")):
                if not path.exists():
                    if thirds:
                        self._write_pivoted(source, target, thirds, path)
                    else:
                        self._write_direct(source, target)
        return path

    def _third_languages(self, source: str, target: str) -> list[str]:
        known = self._thirds.get((source, target))
        if known is None:
            known = self._thirds[source, target] = self._find_thirds(source, target)
        return known

    def _find_thirds(self, source: str, target: str) -> list[str]:
        if not self._pivots:
            return []
        languages = {language for pair in self._by_pair for language in pair} - {source, target}
        joined = [
            (min(self._size(source, third), self._size(third, target)), third)
            for third in languages
            if {frozenset((source, third)), frozenset((third, target))} <= self._by_pair.keys()
        ]
        return sorted(third for _, third in sorted(joined, reverse=True)[:MAX_THIRDS])

    def _size(self, left: str, right: str) -> int:
        """The bytes of the dictionaries of two languages, for want of a count of their words."""
        found = self._by_pair[frozenset((left, right))]
        return sum(path.stat().st_size for dictionary in found for path in dictionary.files if path.exists())

    def _path(self, source: str, target: str, thirds: Sequence[str]) -> Path:
        known = self._paths.get((source, target, tuple(thirds)))
        if known is None:
            known = self._paths[source, target, tuple(thirds)] = self._find_path(source, target, thirds)
        return known

    def _find_path(self, source: str, target: str, thirds: Sequence[str]) -> Path:
        pairs = [
            frozenset((source, target)),
            *(frozenset((third, end)) for third in thirds for end in (source, target)),
        ]
        stamps = [self._stamps[id(dictionary)] for pair in pairs for dictionary in self._by_pair.get(pair, ())]
        digest = hashlib.sha256("\n".join([FORMAT, *stamps]).encode()).hexdigest()[:12]
        return self._folder / f"{source}-{target}-{digest}.sqlite"

    def _write_direct(self, source: str, target: str) -> None:
        """Parse a pair's dictionaries once and write both directions."""
        tables: dict[tuple[str, str], dict[str, dict[str, float]]] = {
            (source, target): defaultdict(dict),
            (target, source): defaultdict(dict),
        }
        for dictionary in self._by_pair.get(frozenset((source, target)), ()):
            forward = tables[dictionary.source, dictionary.target]
            backward = tables[dictionary.target, dictionary.source]
            for headword, translation, weight in _weighted(dictionary):
                _add(forward, headword, translation, weight)
                _add(backward, translation, headword, BACKWARD_WEIGHT * weight)
        for (start, end), table in tables.items():
            _write(self._path(start, end, ()), start, table)

    def _direct(self, source: str, target: str) -> Lexicon:
        path = self._path(source, target, ())
        if not path.exists():
            self._write_direct(source, target)
        return Lexicon(path, source)

    def _write_pivoted(self, source: str, target: str, thirds: Sequence[str], path: Path) -> None:
        table: dict[str, dict[str, float]] = defaultdict(dict)
        for term, translations in self._direct(source, target).entries():
            table[term].update(translations)
        for third in thirds if len(table) < RICH_TERMS else ():
            onward = self._direct(third, target)
            for term, middles in self._direct(source, third).entries():
                known = onward.lookup(word for word, _ in middles[:6])
                for middle, weight in middles[:6]:
                    for word, onward_weight in known.get(middle, ())[:8]:
                        _add(table, term, word, PIVOT_WEIGHT * min(weight, 1.0) * min(onward_weight, 1.0))
        _write(path, source, table)


def _weighted(dictionary: Dictionary) -> Iterator[tuple[str, str, float]]:
    try:
        for entry in dictionary.entries():
            for rank, sense in enumerate(entry.senses):
                for place, translation in enumerate(sense):
                    for headword in entry.headwords:
                        yield headword, translation, 1.0 / (1.0 + 0.5 * rank + 0.25 * place)
    except ResourceError as error:
        raise UnreadableDictionaryError(dictionary, str(error)) from error


def _add(table: dict[str, dict[str, float]], term: str, translation: str, weight: float) -> None:
    row = table[term]
    row[translation] = row.get(translation, 0.0) + weight


def _write(path: Path, source: str, table: dict[str, dict[str, float]]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.")
    os.close(handle)
    connection = sqlite3.connect(name)
    with connection:
        connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE terms (term TEXT PRIMARY KEY, translations TEXT NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE stems (stem TEXT, term TEXT, PRIMARY KEY (stem, term)) WITHOUT ROWID;"
        )
        terms = sorted(table)
        connection.executemany("INSERT INTO terms VALUES (?, ?)", ((term, _pack(table[term])) for term in terms))
        stems = ((stem(source, term), term) for term in terms)
        connection.executemany("INSERT INTO stems VALUES (?, ?)", stems)
    connection.close()
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _parts(terms: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    return (terms[start : start + size] for start in range(0, len(terms), size))


def _merged(term: str, relatives: Iterable[tuple[str, str]]) -> tuple[Weighted, ...]:
    """Gather the translations of words of one stem; the nearer in spelling, the heavier."""
    best: dict[str, float] = {}
    for relative, packed in relatives:
        shared = _shared(strip_accents(term), strip_accents(relative))
        nearness = max(shared / max(len(term), len(relative)), 0.3) ** 4
        for word, weight in _unpack(packed):
            best[word] = max(nearness * weight, best.get(word, 0.0))
    return tuple(sorted(best.items(), key=lambda item: (-item[1], item[0]))[:MAX_TRANSLATIONS])


def _shared(left: str, right: str) -> int:
    """Count the letters two words begin alike with."""
    return next(
        (place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
        min(len(left), len(right)),
    )


def _pack(translations: dict[str, float]) -> str:
    best = sorted(translations.items(), key=lambda item: (-item[1], item[0]))[:MAX_TRANSLATIONS]
    return "\n".join(f"{weight:.3f}\t{word}" for word, weight in best)


def _unpack(packed: str) -> tuple[Weighted, ...]:
    rows = (row.split("\t", 1) for row in packed.split("\n"))
    return tuple((word, float(weight)) for weight, word in rows)


def _stamp(dictionary: Dictionary) -> str:
    try:
        states = [(path.name, path.stat()) for path in dictionary.files]
    except OSError as error:
        raise ResourceError(f"dictionary {dictionary.files[0]} cannot be read: {error}") from error
    return " ".join(f"{name}:{status.st_size}:{math.floor(status.st_mtime)}" for name, status in states)
