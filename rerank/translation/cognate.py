"""Words that nearly every language shares: "calculadora" and "calculator", "adaptateur" and "adapter".

A word no dictionary knows is compared with the catalogue's own words by a spelling that forgets what the languages
spell differently. It costs more than a dictionary's word, and far less than a word nobody understands.
"""

import re
from collections import defaultdict
from collections.abc import Collection

from rerank.translation.source import Weighted
from rerank.translation.words import strip_accents
from rerank.vocabulary import Vocabulary

MIN_LETTERS = 5
MIN_DOCUMENTS = 5
MAX_FOUND = 4
NEAR_WEIGHT = 0.4
"""Of a word whose skeleton differs in one letter, against 1 for the same skeleton."""
MIN_NEAR_LETTERS = 6

_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"ph", "f"), (r"th", "t"), (r"qu", "k"), (r"c(?=[eiy])", "s"), (r"[cq]", "k"), (r"z", "s"), (r"y|j", "i"),
        (r"w", "v"), (r"ks|x", "ks"), (r"(?:sion|sione|tion|tione|sao|tio|siya|tsiia|ksia|sia|sja)s?$", "sion"),
        (r"[td](?:ors?|ores|oras?|eurs?|rises?|ore|ori|oren|ers?|orer|are|arna|erem?)$", "tr"),
        (r"(?:ikos?|ikas?|iques?|iker?|isk[at]?|ik[oaie]s?|ishe?|is[hk]e[nrs]?|ichn[yaie]+|kal)$", "ik"),
        (r"(.)\1+", r"\1"), (r"(?<=...)[aeiou]+s?$", ""), (r"(?<=...)s$", ""),
    )
)  # fmt: skip


def skeleton(word: str) -> str:
    """Reduce a folded word to what its cognates have in common."""
    reduced = strip_accents(word).replace("ł", "l").replace("ø", "o").replace("æ", "e")
    for pattern, replacement in _RULES:
        reduced = pattern.sub(replacement, reduced)
    return reduced


class CognateSource:
    """The catalogue's words of one language, found by cognates of any language in Latin letters."""

    def __init__(self, vocabulary: Vocabulary, target: str) -> None:
        self._skeletons: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for term, documents in vocabulary.counts.get(target, {}).items():
            if documents >= MIN_DOCUMENTS and len(term) >= MIN_LETTERS - 1 and term.isascii() and term.isalpha():
                self._skeletons[skeleton(term)].append((documents, term))
        self._near: dict[str, list[str]] = defaultdict(list)
        for key in self._skeletons:
            if len(key) >= MIN_NEAR_LETTERS:
                for gap in range(1, len(key)):
                    self._near[key[:gap] + key[gap + 1 :]].append(key)

    def lookup(self, phrases: Collection[str], *, inflected: bool) -> dict[str, tuple[Weighted, ...]]:
        """Return the catalogue's cognates of each single word; nothing for parts of words (not `inflected`)."""
        if not inflected:
            return {}
        found = {}
        for phrase in phrases:
            if len(phrase) >= MIN_LETTERS and phrase.isalpha():
                words = self._cognates(phrase)
                if words:
                    found[phrase] = words
        return found

    def _cognates(self, word: str) -> tuple[Weighted, ...]:
        key = skeleton(word)
        weights = {key: 1.0}
        if len(key) >= MIN_NEAR_LETTERS:
            gaps = [key[:gap] + key[gap + 1 :] for gap in range(1, len(key))]
            near = {other for gap in (key, *gaps) for other in self._near.get(gap, ())}
            near.update(gap for gap in gaps if gap in self._skeletons)
            weights |= {other: NEAR_WEIGHT for other in near if other != key}
        words = [(weight, *entry) for other, weight in weights.items() for entry in self._skeletons.get(other, ())]
        return tuple((term, weight) for weight, _, term in sorted(words, reverse=True)[:MAX_FOUND])
