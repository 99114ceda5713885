"""The resources folder: a shop's glossaries and its catalogue's statistics, re-read when they change.

glossary/*.tsv                header of BCP 47 codes, alternatives joined by " | "
vocabulary/<alias>.tsv.gz     written by ingest, see `rerank.understanding.vocabulary`
values/<alias>.tsv.gz         written by ingest, see `rerank.understanding.field_values`
expansions/<alias>.tsv.gz     learned from judged products, see `rerank.understanding.associations`
synonyms/<language>*.txt|.pl  Solr's or WordNet's format, see `rerank.understanding.synonyms`
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from rerank.errors import ResourceError
from rerank.home import polyrank_home
from rerank.translation.glossary import Glossary, glossary_bytes, read_glossary
from rerank.understanding.associations import read_associations
from rerank.understanding.expansion import Associations
from rerank.understanding.field_values import FieldValues, read_values
from rerank.understanding.synonyms import Synonyms, read_synonyms
from rerank.understanding.vocabulary import Vocabulary, read_vocabulary

log = logging.getLogger("rerank.resources")

RECHECK_SECONDS = 1.0

_Stamp = tuple[int, int, int]
_T = TypeVar("_T")


class Resources:
    """A live view of the folder: files are looked at again at most once a second. Safe to share among threads.

    A file that cannot be read is as it was when it last could, or absent; the log says so.
    """

    def __init__(self, folder: Path, *, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self.folder = folder
        self._recheck_seconds = recheck_seconds
        self._lock = threading.Lock()
        self._checked: dict[Path, tuple[float, _Stamp | None]] = {}
        self._listed: dict[str, tuple[float, list[Path]]] = {}
        self._glossaries: dict[Path, tuple[_Stamp, Glossary | None]] = {}
        self._vocabularies: dict[Path, tuple[_Stamp, Vocabulary | None]] = {}
        self._values: dict[Path, tuple[_Stamp, FieldValues | None]] = {}
        self._associations: dict[Path, tuple[_Stamp, Mapping[str, Associations] | None]] = {}
        self._synonyms: dict[Path, tuple[_Stamp, Synonyms | None]] = {}

    def vocabulary(self, alias: str | None) -> Vocabulary | None:
        """Return a catalogue's statistics; None when the alias is None or has no file."""
        return self._of_alias("vocabulary", alias, self._vocabularies, read_vocabulary)

    def values(self, alias: str | None) -> FieldValues | None:
        """Return the values of a catalogue's fields; None when the alias is None or has no file."""
        return self._of_alias("values", alias, self._values, read_values)

    def associations(self, alias: str | None, language: str) -> Associations:
        """Return what goes with what in a catalogue's judged products; nothing where that was not learned."""
        found = self._of_alias("expansions", alias, self._associations, read_associations)
        return found.get(language, {}) if found else {}

    def synonyms(self, language: str) -> tuple[Synonyms, ...]:
        """Return a language's synonym files in the order of their names: `en.txt`, `en-shop.txt`, `en.wordnet.pl`."""
        with self._lock:
            paths = [
                path
                for path in self._files("synonyms", "*")
                if path.suffix in (".txt", ".pl") and re.split(r"[.-]", path.name)[0] == language
            ]
            found = (self._current(path, self._synonyms, read_synonyms) for path in paths)
            return tuple(file for file in found if file is not None)

    def glossaries(self) -> tuple[Glossary, ...]:
        """Return the glossaries in the order of their names; the first that knows a phrase wins."""
        with self._lock:
            paths = self._files("glossary", "*.tsv")
            found = (self._current(path, self._glossaries, read_glossary) for path in paths)
            return tuple(glossary for glossary in found if glossary is not None)

    def _files(self, kind: str, pattern: str) -> list[Path]:
        now, known = time.monotonic(), self._listed.get(kind)
        if known is None or now - known[0] >= self._recheck_seconds:
            known = self._listed[kind] = (now, sorted((self.folder / kind).glob(pattern)))
        return known[1]

    def _of_alias(
        self, kind: str, alias: str | None, cache: dict[Path, tuple[_Stamp, _T | None]], read: Callable[[Path], _T]
    ) -> _T | None:
        if alias is None or Path(alias).name != alias:
            return None
        with self._lock:
            return self._current(self.folder / kind / f"{alias}.tsv.gz", cache, read)

    def _current(
        self, path: Path, cache: dict[Path, tuple[_Stamp, _T | None]], read: Callable[[Path], _T]
    ) -> _T | None:
        stamp = self._stamp(path)
        if stamp is None:
            cache.pop(path, None)
            return None
        known = cache.get(path)
        if known is None or known[0] != stamp:
            known = cache[path] = (stamp, self._read(path, read, known[1] if known else None))
        return known[1]

    @staticmethod
    def _read(path: Path, read: Callable[[Path], _T], last: _T | None) -> _T | None:
        try:
            return read(path)
        except ResourceError as error:  # somebody is editing it; searches go on
            log.warning("%s; going on %s", error, "without it" if last is None else "with what it was before")
            return last

    def _stamp(self, path: Path) -> _Stamp | None:
        now = time.monotonic()
        checked = self._checked.get(path)
        if checked is not None and now - checked[0] < self._recheck_seconds:
            return checked[1]
        try:
            status = path.stat()
        except FileNotFoundError:
            stamp = None
        else:
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        self._checked[path] = (now, stamp)
        return stamp


def load_resources(folder: Path | None = None) -> Resources:
    """Open a resources folder; None means `polyrank_home()/resources`. A folder that is not there is empty."""
    return Resources(folder if folder is not None else polyrank_home() / "resources")


def write_glossary(folder: Path, name: str, source: Path) -> Path:
    """Check a glossary, plain or gzipped, and copy it to `glossary/<name>.tsv` below the resources folder.

    Returns the path of the copy.

    Raises ResourceError when it is not a glossary.
    """
    read_glossary(source)
    target = folder / "glossary" / f"{name}.tsv"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(glossary_bytes(source))
    partial.replace(target)
    return target
