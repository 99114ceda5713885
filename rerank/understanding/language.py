"""Tell the language of short texts: script first, then character statistics, then the catalogue's own words.

A query such as "usb hub" or "laptop" looks German or Dutch to any detector. The catalogue decides: words that its
English products carry are English words there, and a query made of them must not be translated away.
"""

import math
from collections.abc import Callable, Collection, Sequence

from rerank.protocols import UNDETERMINED, Detection
from rerank.translation.words import fold, function_words, is_protected, normalize, strip_accents
from rerank.understanding.characters import BothModels, CharacterModel, LangidModel, has_lingua
from rerank.understanding.vocabulary import Vocabulary, catalogue_terms, split_words

DEFAULT_THRESHOLD = 0.3

NGRAM_WEIGHT = 0.5
"""Times the log probability of py3langid, which is too sure of itself on two words."""
ALL_KNOWN = 5.0
"""Log odds for a catalogue's language when it prints every word of a query. Measured: .97 of English queries, .05 of
translated ones, which gives 3.0; a query of the catalogue's own words finds products as it is, so more is safe."""
SOME_UNKNOWN = math.log(0.03 / 0.95)
SHORT_WORDS = 8
"""Longer texts hold words of their own in any language: the characters tell enough."""
IN_DICTIONARY = 1.2
"""Log odds that a word gives the language whose dictionaries or glossaries know it."""
NOT_IN_DICTIONARY = -0.6
FUNCTION_WORD = 2.0
"""Log odds that an article or preposition of a language gives it."""
PRIOR = 2.0
"""Log odds for the language of the caller's locale."""
MAX_CANDIDATES = 6
MIN_CANDIDATE = 0.02
"""Less likely languages are not worth the time of a translation."""
KNOWN_DOCUMENTS = 2
"""A word in a single document may be a typing error."""

# First and last code point of a script, and the language it is taken for when nothing else is known.
_SCRIPTS = (
    (0x0370, 0x03FF, "el"), (0x0400, 0x04FF, "ru"), (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"), (0x0E00, 0x0E7F, "th"), (0x3040, 0x30FF, "ja"), (0x3400, 0x4DBF, "zh"),
    (0x4E00, 0x9FFF, "zh"), (0xAC00, 0xD7AF, "ko"), (0xFF66, 0xFF9D, "ja"),
)  # fmt: skip
_SAME_SCRIPT = {"ru": ("ru", "uk", "bg", "sr", "mk"), "ar": ("ar", "fa", "ur"), "hi": ("hi", "mr", "ne")}


WordKnowledge = Callable[[str, Collection[str]], frozenset[str] | None]
"""Which of some folded words a language's dictionaries know; None for a language without any."""


class ScriptDetector:
    """Knows scripts alone: Japanese by its kana, Korean, Thai, Greek ...; anything in Latin letters is `und`."""

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """Detect the language of each text by the script of its letters."""
        return [_by_script(text if text.isascii() else normalize(text)) for text in texts]


class LanguageDetector:
    """Chooses among given languages; see `load_detector`. Safe to share among threads."""

    def __init__(
        self,
        model: CharacterModel,
        languages: Sequence[str],
        *,
        weight: float = NGRAM_WEIGHT,
        threshold: float = DEFAULT_THRESHOLD,
        knowledge: WordKnowledge | None = None,
    ) -> None:
        self._model = model
        self._weight = weight
        self._knowledge = knowledge
        self._languages = tuple(dict.fromkeys(languages))
        self._threshold = threshold

    def detect(
        self, texts: Sequence[str], *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        """Detect the language of each text.

        `prior` is the caller's locale ("de", "de-AT"), which tips the balance in short texts; `vocabulary` holds
        the words of the catalogue that is searched. Returns `und` where the best language stays under the
        threshold and for texts without letters.
        """
        return [self._detect(text, prior, vocabulary) for text in texts]

    def candidates(
        self, text: str, *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        """Return the languages a text may be in, the likeliest first, with their probabilities.

        At most `MAX_CANDIDATES`, each of at least `MIN_CANDIDATE`; none for a text without letters. `prior` and
        `vocabulary` as for `detect`.
        """
        shares = self._shares(normalize(text), _primary(prior), vocabulary)
        if not shares:
            script = _by_script(normalize(text))
            return [] if script.language == UNDETERMINED else [script]
        best = sorted(shares.items(), key=lambda item: -item[1])[:MAX_CANDIDATES]
        return [Detection(language, round(share, 4)) for language, share in best if share >= MIN_CANDIDATE]

    def _detect(self, text: str, prior: str | None, vocabulary: Vocabulary | None) -> Detection:
        text = normalize(text)
        shares = self._shares(text, _primary(prior), vocabulary)
        if not shares:
            return _by_script(text)
        best = max(shares, key=lambda language: shares[language])
        return Detection(best if shares[best] >= self._threshold else UNDETERMINED, round(shares[best], 4))

    def _shares(self, text: str, locale: str | None, vocabulary: Vocabulary | None) -> dict[str, float]:
        """The probability of each language that the script allows; empty for a text without letters of theirs."""
        candidates = self._candidates(text, _by_script(text).language)
        if not candidates or not any(map(str.isalpha, text)):
            return {}
        scores = {name: self._weight * score for name, score in self._model.scores(text, candidates).items()}
        words = [word for word in split_words(text) if not is_protected(word)]
        for language in candidates:
            scores[language] += FUNCTION_WORD * sum(word in function_words(language) for word in words)
            scores[language] += PRIOR if language == locale else 0.0
            if 0 < len(words) <= SHORT_WORDS:
                scores[language] += _catalogue_evidence(language, words, vocabulary)
                scores[language] += self._dictionary_evidence(language, words)
        highest = max(scores.values())
        odds = {language: math.exp(score - highest) for language, score in scores.items()}
        total = sum(odds.values())
        return {language: odds[language] / total for language in candidates}

    def _candidates(self, text: str, script: str) -> tuple[str, ...]:
        if script == UNDETERMINED:
            return tuple(language for language in self._languages if not _has_own_script(language))
        possible = _han_languages(text) if script == "zh" else _SAME_SCRIPT.get(script, (script,))
        return tuple(language for language in self._languages if language in possible)

    def _dictionary_evidence(self, language: str, words: Sequence[str]) -> float:
        known = self._knowledge(language, [fold(word) for word in words]) if self._knowledge else None
        if known is None:
            return 0.0
        return sum(IN_DICTIONARY if fold(word) in known else NOT_IN_DICTIONARY for word in words)


def load_detector(
    languages: Sequence[str],
    *,
    threshold: float = DEFAULT_THRESHOLD,
    knowledge: WordKnowledge | None = None,
    thorough: bool = False,
) -> LanguageDetector:
    """Load a detector that chooses among `languages` (BCP 47); below `threshold` confidence it says `und`.

    `knowledge` says which words a language's dictionaries know (`Translators.knowledge`): it tells Spanish from
    Portuguese where two words of characters cannot.

    `thorough` asks lingua, too, where the extra is installed: three times as long, and right more often on few words.

    Takes a good second; keep the detector.
    """
    if thorough and has_lingua():
        return LanguageDetector(BothModels(languages), languages, weight=1.0, threshold=threshold, knowledge=knowledge)
    return LanguageDetector(LangidModel(languages), languages, threshold=threshold, knowledge=knowledge)


def _primary(prior: str | None) -> str | None:
    return prior.split("-")[0].lower() if prior else None


_NO_SCRIPT = Detection(UNDETERMINED, 0.0)


def _by_script(text: str) -> Detection:
    if text.isascii() or ord(max(text)) < _SCRIPTS[0][0]:  # Latin alone, as most are
        return _NO_SCRIPT
    letters = [letter for letter in text if letter.isalpha()]
    scripts = [language for letter in letters if (language := _script(letter))]
    if not scripts:
        return _NO_SCRIPT
    # Kana beside Han is Japanese, however much Han there is.
    best = "ja" if "ja" in scripts else max(dict.fromkeys(scripts), key=scripts.count)
    return Detection(best, round(len(scripts) / len(letters), 4))


def _script(letter: str) -> str | None:
    code = ord(letter)
    return next((language for first, last, language in _SCRIPTS if first <= code <= last), None)


def _has_own_script(language: str) -> bool:
    scripts = {script for _, _, script in _SCRIPTS}
    return language in scripts or any(language in group for group in _SAME_SCRIPT.values())


def _han_languages(text: str) -> tuple[str, ...]:
    """Simplified characters are missing from the Japanese character set, and Japanese forms from the Chinese one."""
    japanese, chinese = _encodes(text, "cp932"), _encodes(text, "gb2312")
    if japanese == chinese:
        return ("zh", "ja")
    return ("ja",) if japanese else ("zh",)


def _encodes(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _catalogue_evidence(language: str, words: Sequence[str], vocabulary: Vocabulary | None) -> float:
    if vocabulary is None or not vocabulary.size(language):
        return 0.0
    terms = catalogue_terms(language, " ".join(words))
    # "rádio" finds the catalogue's "radio": indices fold accents, and models read it as one word.
    known = all(
        max(vocabulary.frequency(language, one) for one in {term, strip_accents(term)}) >= KNOWN_DOCUMENTS
        for term in terms
    )
    return ALL_KNOWN if known else SOME_UNKNOWN
