from collections.abc import Sequence

from rerank.errors import TranslationError
from rerank.protocols import Translation, Translator
from rerank.translation.chain import Budget, Chain, Limited
from rerank.translation.keep import Keep
from tests.contracts import TranslatorContract
from tests.rerank.translation.test_protect import Scripted


class TestChain(TranslatorContract):
    def translator(self) -> Translator:
        return Chain([Scripted({}), Scripted({})])


class TestLimited(TranslatorContract):
    def translator(self) -> Translator:
        return Limited(Scripted({}), Budget())


def test_each_text_goes_to_the_first_that_can() -> None:
    chain = Chain([Scripted({"a": "A"}), Keep(), Scripted({"a": "x", "b": "B"})])
    assert [made.text for made in chain.translate(["a", "b", "c"], "en", "de")] == ["A", "B", "c"]
    assert chain.pairs() == {("en", "de")}
    assert chain.name == "table+keep+table"
    assert Chain([]).translate(["a"], "en", "de") == [Translation("a", "keep", 0.0)]


TABLE = {"aaaa": "A", "bb": "B", "cc": "C"}


def texts(limited: Limited, *given: str) -> list[str]:
    return [made.text for made in limited.translate(given, "en", "de")]


def test_characters_and_cost_limit_a_run() -> None:
    limited = Limited(Scripted(TABLE), Budget(characters=6))
    assert texts(limited, "aaaa", "bb", "cc") == ["A", "B", "cc"]
    assert texts(limited, "bb") == ["bb"]
    assert (limited.spent.characters, limited.spent.refused) == (6, 2)
    assert [one.answered for one in limited.translate(["bb"], "en", "de")] == [False]
    assert [one.answered for one in limited.translate(["bb"], "en", "tlh")] == [True]
    priced = Budget(cost_per_million=500_000.0, max_cost=2.0)
    limited = Limited(Scripted(TABLE), priced)
    assert texts(limited, "aaaa", "bb") == ["A", "bb"]
    assert limited.spent.cost(priced) == 2.0
    assert "cost 2.00, 1 texts over the budget" in limited.spent.describe(priced)


def test_time_limits_a_run() -> None:
    moments = iter(range(0, 100, 4))
    limited = Limited(Scripted(TABLE), Budget(seconds=5), clock=lambda: float(next(moments)))
    assert [texts(limited, "aaaa") for _ in range(3)] == [["A"], ["A"], ["aaaa"]]


class Broken(Scripted):
    """Fails after so many calls."""

    def __init__(self, good: int) -> None:
        super().__init__(TABLE)
        self.calls, self._good = 0, good

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        self.calls += 1
        if self.calls > self._good:
            raise TranslationError("down")
        return super().translate(texts, source, target)


def test_a_failing_engine_is_passed_over_and_left_alone_in_the_end() -> None:
    engine = Broken(1)
    chain = Chain([engine, Scripted({"cc": "C2"})])
    made = [chain.translate(["bb", "cc"], "en", "de") for _ in range(6)]
    assert [[one.text for one in found] for found in made] == [["B", "C"], *[["bb", "C2"]] * 5]
    assert engine.calls == 1 + Chain.MAX_FAILURES
    # Of an engine that is left alone, too, nobody can say what it would have translated.
    assert [[one.answered for one in found] for found in made] == [[True, True], *[[False, True]] * 5]
    assert chain.spent.failed == 5
    assert "5 texts unanswered" in Limited(chain, Budget(), spent=chain.spent).spent.describe(Budget())
