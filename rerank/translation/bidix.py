"""The bilingual dictionaries inside Apertium's language pairs, read once as word lists.

Running Apertium's pipeline for each query costs a process or a dozen; its lemma-to-lemma dictionary, looked up like
any other, costs nothing, and the catalogue's statistics choose better among its words than its own first choice.
"""

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.translation.freedict import ISO_639_3, Entry
from rerank.translation.words import fold

APERTIUM_FOLDER = Path("/usr/share/apertium")
MAX_DEPTH = 80
"""Symbols of a path; longer ones run in the circles of number and address patterns."""

_EMPTY = frozenset({"ε", "@0@", ""})
_SPACE = frozenset({"@_SPACE_@", " "})
_Arc = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Bidix:
    """A compiled bilingual dictionary of an installed Apertium pair."""

    source: str
    target: str
    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is read from."""
        return (self.path,)

    def entries(self) -> Iterator[Entry]:
        """Read every pair of lemmas once.

        Raises ResourceError when lttoolbox's `lt-print` cannot read the file.
        """
        try:
            done = subprocess.run(["lt-print", str(self.path)], capture_output=True, text=True, check=False)
        except OSError as error:
            raise ResourceError(f"{self.path} cannot be read, lt-print does not start: {error}") from error
        if done.returncode:
            raise ResourceError(f"{self.path} cannot be read by lt-print: {done.stderr.strip()}")
        for left, right in sorted(lemma_pairs(done.stdout)):
            yield Entry((left,), ((right,),))


def find_bidixes(folder: Path = APERTIUM_FOLDER) -> list[Bidix]:
    """List the bilingual dictionaries of a folder, each pair in one direction; none without lttoolbox."""
    if shutil.which("lt-print") is None:
        return []
    two_letters = set(ISO_639_3.values())
    found: dict[frozenset[str], Bidix] = {}
    for path in sorted(folder.glob("*/*.autobil.bin")):
        codes = [ISO_639_3.get(code, code) for code in path.name.removesuffix(".autobil.bin").split("-")]
        if len(codes) == 2 and set(codes) <= two_letters:
            found.setdefault(frozenset(codes), Bidix(codes[0], codes[1], path))
    return list(found.values())


def lemma_pairs(printed: str) -> set[tuple[str, str]]:
    """Return the folded pairs of lemmas of what `lt-print` printed: an arc a line, sections parted by "--".

    The largest section holds the words; the others hold patterns for numbers and addresses, which never end. Some
    files keep those patterns among the words: what has a digit or leads through a circle of states is left out.
    """
    arcs: dict[int, list[_Arc]] = defaultdict(list)
    for line in max(printed.split("--\n"), key=len).splitlines():
        cells = line.split("\t")
        if len(cells) >= 4 and not cells[2].isdigit():
            arcs[int(cells[0])].append((int(cells[1]), cells[2], cells[3]))
    pairs, endless = set(), _endless(arcs)
    # A state, the two lemmas so far, whether each has come to its grammar tags, and the length of the path.
    stack = [(0, "", "", False, False, 0)]
    while stack:
        state, left, right, left_done, right_done, depth = stack.pop()
        if left_done and right_done:
            pairs.add((fold(left), fold(right)))
        elif depth < MAX_DEPTH and state not in endless:
            for onward, read, written in arcs[state]:
                following_left, ended_left = _append(left, read, left_done)
                following_right, ended_right = _append(right, written, right_done)
                stack.append((onward, following_left, following_right, ended_left, ended_right, depth + 1))
    return {(left, right) for left, right in pairs if left and right}


def _endless(arcs: Mapping[int, Sequence[_Arc]]) -> set[int]:
    """Return the states on circles, and those between two circles."""
    onward = {state: {end for end, _, _ in out} for state, out in arcs.items()}
    backward: dict[int, set[int]] = defaultdict(set)
    for state, ends in onward.items():
        for end in ends:
            backward[end].add(state)
    return _after_a_circle(onward, backward) & _after_a_circle(backward, onward)


def _after_a_circle(onward: Mapping[int, set[int]], backward: Mapping[int, set[int]]) -> set[int]:
    """Return the states that remain when states nothing leads to are taken away, again and again."""
    states = onward.keys() | backward.keys()
    waiting = {state: len(backward.get(state, ())) for state in states}
    free = [state for state, number in waiting.items() if not number]
    while free:
        state = free.pop()
        del waiting[state]
        for end in onward.get(state, ()):
            waiting[end] -= 1
            if not waiting[end]:
                free.append(end)
    return set(waiting)


def _append(lemma: str, symbol: str, done: bool) -> tuple[str, bool]:
    if done or symbol in _EMPTY:
        return lemma, done
    if symbol.startswith("<") and symbol.endswith(">"):
        return lemma, True
    return lemma + (" " if symbol in _SPACE else symbol.replace("#", "")), False
