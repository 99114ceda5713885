"""The language of each document and field: what its record declares, else what a detector says."""

from collections.abc import Sequence

from msgspec.structs import replace

from ingest.detection import PriorDetector
from ingest.document import Document, Provenance
from ingest.mixed import MIN_LETTERS, SURE, split_languages
from rerank.protocols import UNDETERMINED, Detection, Detector

SAMPLE_CHARS = 400
"""A detector reads this much: languages show early, and long descriptions cost time."""

MIN_TEXT_CHARS = 40
"""A shorter text has the language of its title."""

SOURCE = "source"
"""The engine of a text that a feed itself has in a further language."""

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


def assign_languages(
    documents: Sequence[Document], detector: PriorDetector, scripts: Detector, *, prior: str | None = None
) -> list[Document]:
    """Return the documents with their languages; as many, in the same order.

    A declared language holds, because a shop knows its feed better than any guess from three words. It is overruled
    only by the script: a Japanese title under `en` is Japanese.

    Where none is declared, title and text are told apart: a text in another language than its title's, or in two
    languages, stands in each (`translated`, with the engine "source"), and `detected` says how sure that is.

    Args:
        documents: cleaned documents, `language` declared or `und`.
        detector: for documents that declare none.
        scripts: tells languages by script alone, `und` for Latin.
        prior: the likely language, BCP 47, of documents whose source names none.
    """
    unknown = [place for place, document in enumerate(documents) if document.language == UNDETERMINED]
    declared = [place for place in range(len(documents)) if documents[place].language != UNDETERMINED]
    result = list(documents)
    for likely in dict.fromkeys(documents[place].record.prior or prior for place in unknown):
        places = [place for place in unknown if (documents[place].record.prior or prior) == likely]
        found = detector.detect([_sample(documents[place]) for place in places], prior=likely)
        for place, detection in zip(places, found, strict=True):
            result[place] = _with_fields(result[place], detection, detector, likely)
    by_script = scripts.detect([documents[place].title or _sample(documents[place]) for place in declared])
    for place, detection in zip(declared, by_script, strict=True):
        if detection.confidence >= SCRIPT_SHARE and not _same_script(result[place].language, detection.language):
            problems = (*result[place].problems, "declared language")
            result[place] = replace(result[place], language=detection.language, problems=problems)
    return result


def _with_fields(document: Document, whole: Detection, detector: PriorDetector, prior: str | None) -> Document:
    """Give a document and each of its texts their languages; `whole` is that of title and text together."""
    named = document.title or document.text
    (titled,) = detector.detect([named], prior=prior)
    tells = titled.confidence >= SURE and sum(map(str.isalpha, named)) >= MIN_LETTERS
    language = titled.language if tells else whole.language
    detected = {"title": titled if tells else whole}
    if not document.title or len(document.text) < MIN_TEXT_CHARS or language == UNDETERMINED:
        return replace(document, language=language, detected=detected)
    parts = split_languages(document.text, detector, prior=language)
    others = {code: part for code, part in parts.items() if code not in (language, UNDETERMINED) and part[1] >= SURE}
    own = parts.get(language, (document.text, 0.0)) if len(parts) > 1 or not others else ("", 0.0)
    detected["text"] = Detection(*max(((code, sure) for code, (_, sure) in parts.items()), key=lambda one: one[1]))
    return replace(
        document,
        language=language,
        text=own[0],
        detected=detected,
        translated={code: {"text": text} for code, (text, _) in others.items()},
        provenance={code: {"text": Provenance(SOURCE, "", round(sure, 3))} for code, (_, sure) in others.items()},
    )


def _same_script(declared: str, by_script: str) -> bool:
    """Say whether the declared language may be written in the script that was found."""
    return declared == by_script or any({declared, by_script} <= family for family in SCRIPT_FAMILIES)


def _sample(document: Document) -> str:
    return f"{document.title}\n{document.text}"[:SAMPLE_CHARS]
