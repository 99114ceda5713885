"""Documents into the served languages, with who translated each field; equal texts are translated once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.document import Document, Provenance
from rerank.protocols import UNDETERMINED, Translation, Translator

MEMORY_ENTRIES = 200_000
"""Translations kept in memory (tens of MB); attribute lines and titles of variants repeat."""

KEEP = "keep"


class TranslationMemory:
    """Remembers translations of this run. When full it forgets the oldest half: memory does not grow with the feed."""

    def __init__(self, translator: Translator, entries: int = MEMORY_ENTRIES) -> None:
        self._translator = translator
        self._entries = entries
        self._known: dict[tuple[str, str, str], Translation] = {}

    @property
    def version(self) -> str:
        """The translator's version."""
        return self._translator.version

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the translator's language pairs."""
        return self._translator.pairs()

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text; only texts not seen before reach the translator."""
        new = list(dict.fromkeys(text for text in texts if (source, target, text) not in self._known))
        fresh = dict(zip(new, self._translator.translate(new, source, target), strict=True)) if new else {}
        result = [fresh.get(text) or self._known[source, target, text] for text in texts]
        if len(self._known) + len(fresh) > self._entries:
            for key in list(self._known)[: len(self._known) // 2 + 1]:
                del self._known[key]
        self._known.update({(source, target, text): made for text, made in fresh.items()})
        return result


def translate_documents(
    documents: Sequence[Document], memory: TranslationMemory, fields: Mapping[str, Sequence[str]]
) -> list[Document]:
    """Return the documents with their fields in the served languages; as many, in the same order.

    A field that the translator keeps as it is is not written: the source text is there already. A field that another
    source has in the language stands. A document of unknown language is left alone.

    Args:
        documents: with their languages.
        memory: wraps the translator.
        fields: target language -> which of title, text and attributes to translate into it.
    """
    pairs = memory.pairs()
    result = list(documents)
    for source in {document.language for document in documents} - {UNDETERMINED}:
        places = [place for place, document in enumerate(documents) if document.language == source]
        for target in fields:
            if (source, target) in pairs and target != source:
                _translate_group(result, places, memory, source, target, fields[target])
    return result


def _translate_group(
    documents: list[Document],
    places: Sequence[int],
    memory: TranslationMemory,
    source: str,
    target: str,
    fields: Sequence[str],
) -> None:
    """Translate the documents at `places` from one language to another, in place."""
    wanted = [
        (place, name, text)
        for place in places
        for name, text in documents[place].own_texts().items()
        if name in fields and name not in documents[place].translated.get(target, {})
    ]
    made = memory.translate([text for _, _, text in wanted], source, target)
    texts: dict[int, dict[str, str]] = {}
    origins: dict[int, dict[str, Provenance]] = {}
    for (place, name, _), translation in zip(wanted, made, strict=True):
        if translation.engine != KEEP:
            texts.setdefault(place, {})[name] = translation.text
            origin = Provenance(translation.engine, memory.version, translation.confidence)
            origins.setdefault(place, {})[name] = origin
    for place, fields_made in texts.items():
        document = documents[place]
        documents[place] = replace(
            document,
            translated={**document.translated, target: {**fields_made, **document.translated.get(target, {})}},
            provenance={**document.provenance, target: {**origins[place], **document.provenance.get(target, {})}},
        )
