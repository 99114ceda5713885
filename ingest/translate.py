"""Documents into the served languages, with who translated each field; equal texts are translated once."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ingest.document import Document, Provenance
from ingest.translation_store import TranslationStore, Wanted, text_hash
from rerank.protocols import UNDETERMINED, Translation, Translator
from rerank.translation.keep import ENGINE as KEEP
from rerank.translation.protect import translate_protected

MEMORY_ENTRIES = 200_000
MEMORY_CHARS = 500
"""Translations of texts up to so many characters are kept in memory (tens of MB): attribute lines and titles of
variants repeat, descriptions seldom do."""


class TranslationMemory:
    """Remembers translations: of this run in memory, of earlier ones in a store. When full it forgets the oldest half:
    memory does not grow with the feed. Protected spans come through whatever the translator does."""

    def __init__(
        self,
        translator: Translator,
        entries: int = MEMORY_ENTRIES,
        *,
        store: TranslationStore | None = None,
        protect: Sequence[str] = (),
    ) -> None:
        self._translator = translator
        self._entries = entries
        self._store = store
        self._protect = tuple(protect)
        self._known: dict[Wanted, Translation] = {}

    @property
    def version(self) -> str:
        """The translator's version."""
        return self._translator.version

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the translator's language pairs."""
        return self._translator.pairs()

    def translate(
        self, texts: Sequence[str], source: str, target: str, brands: Sequence[str | None] | None = None
    ) -> list[Translation]:
        """Translate each text; only texts not seen before reach the translator.

        Args:
            texts: in `source`.
            source: BCP 47.
            target: BCP 47.
            brands: of each text, which stay as they are; None: none.
        """
        named = brands if brands is not None else [None] * len(texts)
        wanted = [(source, target, text, self._names(text, brand)) for text, brand in zip(texts, named, strict=True)]
        new = list(dict.fromkeys(one for one in wanted if one not in self._known))
        fresh = self._store.find(new) if self._store is not None and new else {}
        missing = [one for one in new if one not in fresh]
        if missing:
            fresh |= self._made(missing, source, target)
        result = [fresh.get(one) or self._known[one] for one in wanted]
        if len(self._known) + len(fresh) > self._entries:
            for key in list(self._known)[: len(self._known) // 2 + 1]:
                del self._known[key]
        self._known.update({one: made for one, made in fresh.items() if len(one[2]) <= MEMORY_CHARS})
        return result

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()

    def _made(self, missing: Sequence[Wanted], source: str, target: str) -> dict[Wanted, Translation]:
        texts = [text for _, _, text, _ in missing]
        names = [protected for _, _, _, protected in missing]
        made = dict(zip(missing, translate_protected(self._translator, texts, source, target, names), strict=True))
        if self._store is not None:
            # What an engine cannot translate is kept in the store, too: asked again, it would use up the next budget.
            self._store.add({one: found for one, found in made.items() if found.answered})
        return made

    def _names(self, text: str, brand: str | None) -> tuple[str, ...]:
        """Return the protected names that the text may hold."""
        folded = text.casefold()
        return tuple(name for name in (*self._protect, *([brand] if brand else [])) if name.casefold() in folded)


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
    brands = [documents[place].brand for place, _, _ in wanted]
    made = memory.translate([text for _, _, text in wanted], source, target, brands)
    texts: dict[int, dict[str, str]] = {}
    origins: dict[int, dict[str, Provenance]] = {}
    for (place, name, text), translation in zip(wanted, made, strict=True):
        if translation.engine != KEEP:
            texts.setdefault(place, {})[name] = translation.text
            origin = Provenance(translation.engine, memory.version, translation.confidence, text_hash(text))
            origins.setdefault(place, {})[name] = origin
    for place, fields_made in texts.items():
        document = documents[place]
        documents[place] = replace(
            document,
            translated={**document.translated, target: {**fields_made, **document.translated.get(target, {})}},
            provenance={**document.provenance, target: {**origins[place], **document.provenance.get(target, {})}},
        )
