"""What goes with what in a catalogue's judged products, as a file: expansions/<alias>.tsv.gz among the resources."""

import gzip
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from rerank.errors import ResourceError
from rerank.packed import pack
from rerank.understanding.expansion import Associations

_HEADER = "# polyrank expansions 1"


def write_associations(folder: Path, alias: str, learned: Mapping[str, Associations]) -> Path:
    """Write what `learn_associations` learned, by language, below the resources folder; return the file's path."""
    rows = (
        f"{language}\t{term}\t{other}\t{weight:.4f}"
        for language, associations in sorted(learned.items())
        for term, others in sorted(associations.items())
        for other, weight in others
    )
    return pack(folder / "expansions" / f"{alias}.tsv.gz", chain([_HEADER], rows)).write()


def read_associations(path: Path) -> Mapping[str, Associations]:
    """Read what `write_associations` wrote: language -> associations.

    Raises ResourceError when the file is not such a list.
    """
    found: dict[str, dict[str, list[tuple[str, float]]]] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            if next(lines, "").rstrip("\n") != _HEADER:
                raise ValueError("its first row is not the polyrank header")
            for line in lines:
                language, term, other, weight = line.rstrip("\n").split("\t")
                found.setdefault(language, {}).setdefault(term, []).append((other, float(weight)))
    except (OSError, EOFError, ValueError) as error:
        raise ResourceError(f"{path} lists no expansions ({error}); learn them again") from error
    return found
