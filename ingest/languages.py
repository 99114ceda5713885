"""The language of each document: what its record declares, else what a detector says of its title and text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ingest.document import Document
from rerank.protocols import UNDETERMINED, Detection, Detector

SAMPLE_CHARS = 400
"""A detector reads this much: languages show early, and long descriptions cost time."""

SCRIPT_SHARE = 0.3
"""A script that has this share of a title's letters decides; a lone µ, Ω or Cyrillic look-alike does not."""

SCRIPT_FAMILIES = (
    {"ja", "zh", "ko", "yue"},
    {"ru", "uk", "bg", "sr", "mk", "be", "kk", "mn"},
    {"ar", "fa", "ur", "ps"},
    {"hi", "mr", "ne"},
    {"he", "yi"},
)
"""Languages that a script alone does not tell apart."""


class PriorDetector(Protocol):
    """A detector that can be told which language is likely."""

    def detect(self, texts: Sequence[str], *, prior: str | None = None) -> list[Detection]:
        """Detect the language of each text; `prior` tips short ones."""
        ...


def assign_languages(
    documents: Sequence[Document], detector: PriorDetector, scripts: Detector, *, prior: str | None = None
) -> list[Document]:
    """Return the documents with their languages; as many, in the same order.

    A declared language holds, because a shop knows its feed better than any guess from three words. It is overruled
    only by the script: a Japanese title under `en` is Japanese.

    Args:
        documents: cleaned documents, `language` declared or `und`.
        detector: for documents that declare none.
        scripts: tells languages by script alone, `und` for Latin.
        prior: the likely language, BCP 47, of documents whose source names none.
    """
    samples = [_sample(document) for document in documents]
    unknown = [place for place, document in enumerate(documents) if document.language == UNDETERMINED]
    declared = [place for place in range(len(documents)) if documents[place].language != UNDETERMINED]
    result = list(documents)
    for likely in dict.fromkeys(documents[place].record.prior or prior for place in unknown):
        places = [place for place in unknown if (documents[place].record.prior or prior) == likely]
        found = detector.detect([samples[place] for place in places], prior=likely)
        for place, detection in zip(places, found, strict=True):
            result[place] = replace(result[place], language=detection.language)
    by_script = scripts.detect([result[place].title or samples[place] for place in declared])
    for place, detection in zip(declared, by_script, strict=True):
        if detection.confidence >= SCRIPT_SHARE and not _same_script(result[place].language, detection.language):
            problems = (*result[place].problems, "declared language")
            result[place] = replace(result[place], language=detection.language, problems=problems)
    return result


def _same_script(declared: str, by_script: str) -> bool:
    """Say whether the declared language may be written in the script that was found."""
    return declared == by_script or any({declared, by_script} <= family for family in SCRIPT_FAMILIES)


def _sample(document: Document) -> str:
    return f"{document.title}\n{document.text}"[:SAMPLE_CHARS]
