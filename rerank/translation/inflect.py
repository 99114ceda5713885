"""Stems: by them an inflected word finds its dictionary form, and the plural its singular."""

from functools import cache

import Stemmer

from rerank.translation.words import strip_accents

SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


def stem(language: str, phrase: str) -> str:
    """Stem each word of a folded phrase and drop its accents; a language without a stemmer only loses accents.

    Source: Porter, 2001, "Snowball: a language for stemming algorithms".
    """
    algorithm = SNOWBALL.get(language)
    words = _stemmer(algorithm).stemWords(phrase.split(" ")) if algorithm else [phrase]
    return strip_accents(" ".join(words))


@cache
def _stemmer(algorithm: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(algorithm)
