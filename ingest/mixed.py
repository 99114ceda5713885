"""A text in two languages, as bilingual shops write them, sentence by sentence into its languages."""

import re
from collections.abc import Sequence

from ingest.detection import PriorDetector
from rerank.protocols import UNDETERMINED, Detection

SENTENCE_END = re.compile(r"(?<=[.!?;])\s+(?=\S)|(?<=[。！？；])\s*(?=\S)|\s+[|/•–—]\s+")
MIN_LETTERS = 16
"""A shorter sentence follows its neighbours: "USB 3.0, 2 m." says nothing."""

SURE = 0.9
MIN_SHARE = 0.2
"""A language with a smaller share of the letters is a quotation or an error."""


def split_languages(text: str, detector: PriorDetector, *, prior: str | None = None) -> dict[str, tuple[str, float]]:
    """Return the languages of a text, each with its sentences in order and the least confidence among them.

    A text in one language comes back whole. Confidence is 0..1; only languages that the detector is sure of in whole
    sentences, and that have a fifth of the letters, part a text.

    Args:
        text: one line, clean.
        detector: asked once for all sentences.
        prior: the language of the document's title.
    """
    sentences = [part for part in SENTENCE_END.split(text) if part]
    if len(sentences) < 2:
        return _whole(text, detector, prior)
    found = detector.detect(sentences, prior=prior)
    languages = _smoothed(sentences, found)
    letters = dict.fromkeys(languages, 0)
    for sentence, language in zip(sentences, languages, strict=True):
        letters[language] += sum(map(str.isalpha, sentence))
    kept = [language for language, count in letters.items() if count >= MIN_SHARE * max(sum(letters.values()), 1)]
    if len(kept) < 2 or UNDETERMINED in kept:
        return _whole(text, detector, prior)
    main = max(kept, key=lambda language: letters[language])
    parts: dict[str, list[str]] = {language: [] for language in kept}
    for sentence, language in zip(sentences, languages, strict=True):
        parts[language if language in parts else main].append(sentence)
    sure = {
        language: min(one.confidence for one in found if one.language == language and one.confidence >= SURE)
        for language in kept
    }
    return {language: (" ".join(some), sure[language]) for language, some in parts.items()}


def _whole(text: str, detector: PriorDetector, prior: str | None) -> dict[str, tuple[str, float]]:
    (found,) = detector.detect([text], prior=prior)
    return {found.language: (text, found.confidence)}


def _smoothed(sentences: Sequence[str], found: Sequence[Detection]) -> list[str]:
    """Return the language of each sentence; one that says too little has that of the sentence before, else after."""
    sure: list[str | None] = [
        one.language if one.confidence >= SURE and sum(map(str.isalpha, sentence)) >= MIN_LETTERS else None
        for sentence, one in zip(sentences, found, strict=True)
    ]
    first = next((language for language in sure if language), UNDETERMINED)
    languages: list[str] = []
    for language in sure:
        languages.append(language or (languages[-1] if languages else first))
    return languages
