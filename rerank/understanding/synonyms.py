"""Synonym files as search engines have them: Solr's text format and WordNet's prolog file.

Solr: `couch, sofa` says that each means the other; `tv => television, telly` that the right ones may stand for the
left; `#` starts a comment; `\\,` is a comma of a term. WordNet: `s(102958343,1,'car',n,1,0).` puts a word into the
group of its number.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.translation.words import fold

MAX_GROUP = 32
"""A longer line is no group of synonyms but a mistake."""

_SENSE = re.compile(r"s\((\d+),\d+,'((?:[^']|'')+)',[a-z],\d+,\d+\)\.")
_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True, slots=True)
class Synonyms:
    """What else may stand for a folded term, in the order of the file."""

    terms: Mapping[str, tuple[str, ...]]
    longest: int = 1

    def of(self, term: str) -> tuple[str, ...]:
        """Return the synonyms of a folded term (`words.fold`) of one or more words; empty when it has none."""
        return self.terms.get(term, ())


def read_synonyms(path: Path) -> Synonyms:
    """Read a file by its suffix: `.pl` is WordNet's prolog, anything else Solr's format.

    Raises:
        ResourceError: it is not such a file; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"synonyms {path} cannot be read: {error}") from error
    rules = _wordnet(path, lines) if path.suffix == ".pl" else _solr(path, lines)
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for left, right in rules:
        for term in left:
            found[term].update(dict.fromkeys(other for other in right if other != term))
    terms = {term: tuple(others) for term, others in found.items() if others}
    return Synonyms(terms, max((len(term.split()) for term in terms), default=1))


def _solr(path: Path, lines: Iterable[str]) -> Iterable[tuple[list[str], list[str]]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        left, arrow, right = text.partition("=>")
        terms, others = _terms(left), _terms(right) if arrow else _terms(left)
        if not terms or not others or (not arrow and len(terms) < 2):
            raise ResourceError(f"synonyms {path}, line {number}: write `a, b` or `a => b`, not {text[:60]!r}")
        if len(terms) > MAX_GROUP or len(others) > MAX_GROUP:
            raise ResourceError(f"synonyms {path}, line {number}: a group may have {MAX_GROUP} terms")
        yield terms, others


def _terms(side: str) -> list[str]:
    terms = (fold(re.sub(r"\\(.)", r"\1", part)) for part in _COMMA.split(side))
    return list(dict.fromkeys(term for term in terms if term))


def _wordnet(path: Path, lines: Iterable[str]) -> Iterable[tuple[list[str], list[str]]]:
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        sense = _SENSE.fullmatch(text)
        if sense is None:
            raise ResourceError(f"synonyms {path}, line {number}: no WordNet sense: {text[:60]!r}")
        groups[sense[1]][fold(sense[2].replace("''", "'").replace("_", " "))] = None
    for terms in map(list, groups.values()):
        yield terms, terms
