"""A function's results by its argument, for values that come again and again in a catalogue: names of attributes, short
values."""

from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")
SIZE = 20_000


class Memo(dict[str, Made]):
    """`memo[text]` is `make(text)`. All is forgotten at `size` texts. A third of the time of `lru_cache`, which counts
    here: a product has some sixty such look-ups."""

    def __init__(self, make: Callable[[str], Made], size: int = SIZE) -> None:
        """`make` must always give the same for the same text."""
        super().__init__()
        self._make = make
        self._size = size

    def __missing__(self, text: str) -> Made:
        if len(self) >= self._size:
            self.clear()
        made = self[text] = self._make(text)
        return made
