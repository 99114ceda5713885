"""Several translators as one, the first that can; and a limit to what they may spend."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rerank.errors import TranslationError
from rerank.protocols import Translation, Translator
from rerank.translation.keep import ENGINE, kept

log = logging.getLogger("rerank.translation")


@dataclass(frozen=True, slots=True)
class Budget:
    """What translating may take; None: without limit. `cost_per_million` characters, in any currency, of `max_cost`."""

    seconds: float | None = None
    characters: int | None = None
    cost_per_million: float = 0.0
    max_cost: float | None = None

    def allowed_characters(self) -> float:
        """Return how many characters the limits of characters and of cost allow."""
        by_cost = float("inf")
        if self.max_cost is not None and self.cost_per_million > 0:
            by_cost = self.max_cost / self.cost_per_million * 1e6
        return min(self.characters if self.characters is not None else float("inf"), by_cost)


@dataclass(slots=True)
class Spent:
    """What translating took so far; `refused` texts were kept because the budget was used up, `failed` ones because an
    engine did not answer and no other one translated them."""

    seconds: float = 0.0
    characters: int = 0
    refused: int = 0
    failed: int = 0

    def left_out(self) -> int:
        """Return how many texts were kept that may be translated another time."""
        return self.refused + self.failed

    def cost(self, budget: Budget) -> float:
        """Return the cost of the characters."""
        return self.characters * budget.cost_per_million / 1e6

    def describe(self, budget: Budget) -> str:
        """Say in a sentence what was spent."""
        cost = f", cost {self.cost(budget):.2f}" if budget.cost_per_million else ""
        lost = f", {self.refused} texts over the budget" if self.refused else ""
        lost += f", {self.failed} texts unanswered" if self.failed else ""
        return f"{self.characters} characters in {self.seconds:.1f} s{cost}{lost}."


class Limited:
    """A translator within a budget. What is over it is kept, and `spent` counts it: a run goes on without these
    translations, and the next one asks for them again. For one thread."""

    def __init__(
        self,
        translator: Translator,
        budget: Budget,
        *,
        spent: Spent | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._translator = translator
        self._budget = budget
        self._clock = clock
        self.spent = spent or Spent()

    @property
    def name(self) -> str:
        """The translator's name."""
        return self._translator.name

    @property
    def version(self) -> str:
        """The translator's version."""
        return self._translator.version

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the translator's pairs."""
        return self._translator.pairs()

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate as many of the texts, from the first on, as the budget allows; keep the others."""
        if (source, target) not in self.pairs():
            return [kept(text) for text in texts]
        allowed = self._allowed(texts)
        self.spent.refused += len(texts) - allowed
        started = self._clock()
        made = self._translator.translate(texts[:allowed], source, target) if allowed else []
        self.spent.characters += sum(map(len, texts[:allowed]))
        self.spent.seconds += self._clock() - started
        return [*made, *(kept(text, answered=False) for text in texts[len(made) :])]

    def _allowed(self, texts: Sequence[str]) -> int:
        over = self._budget.seconds is not None and self.spent.seconds >= self._budget.seconds
        if over:
            return 0
        left = self._budget.allowed_characters() - self.spent.characters
        for place, text in enumerate(texts):
            left -= len(text)
            if left < 0:
                return place
        return len(texts)


class Chain:
    """Asks translators in turn: each gets what those before it do not cover or have kept. One that fails is passed
    over, and after three failures in a row left alone. For one thread."""

    MAX_FAILURES = 3

    def __init__(self, translators: Sequence[Translator], *, spent: Spent | None = None) -> None:
        self._translators = tuple(translators)
        self._failures = [0] * len(self._translators)
        self.spent = spent or Spent()

    @property
    def name(self) -> str:
        """All names, in their order."""
        return "+".join(one.name for one in self._translators) or ENGINE

    @property
    def version(self) -> str:
        """Changes with any of them; of one alone, its own."""
        if len(self._translators) == 1:
            return self._translators[0].version
        state = " ".join(f"{one.name}:{one.version}" for one in self._translators)
        return hashlib.sha256(state.encode()).hexdigest()[:12]

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the pairs of all."""
        return frozenset[tuple[str, str]]().union(*(one.pairs() for one in self._translators))

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text by the first translator that can."""
        result = [kept(text) for text in texts]
        left = list(range(len(texts)))
        unanswered: set[int] = set()
        for number, translator in enumerate(self._translators):
            if not left or (source, target) not in translator.pairs():
                continue
            if self._failures[number] >= self.MAX_FAILURES:
                unanswered.update(left)
                continue
            try:
                made = translator.translate([texts[place] for place in left], source, target)
            except TranslationError as error:
                log.warning("%s to %s without %s: %s", source, target, translator.name, error)
                self._failures[number] += 1
                unanswered.update(left)
                continue
            self._failures[number] = 0
            for place, translation in zip(left, made, strict=True):
                result[place] = translation
            left = [place for place in left if result[place].engine == ENGINE]
        for place in unanswered.intersection(left):
            result[place] = kept(texts[place], answered=False)
            self.spent.failed += 1
        return result
