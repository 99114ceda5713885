"""Everything that can translate on this machine, behind one Translator for each catalogue."""

import hashlib
import logging
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.home import polyrank_home
from rerank.protocols import Translator
from rerank.resources import Resources
from rerank.translation.bidix import APERTIUM_FOLDER, find_bidixes
from rerank.translation.cedict import find_cedict, packaged_cedict
from rerank.translation.freedict import DICTD_FOLDER, find_freedicts
from rerank.translation.glossary import Glossary
from rerank.translation.keep import Keep
from rerank.translation.lexicon import Dictionary, Lexicon, LexiconStore
from rerank.translation.phrases import PhraseTranslator
from rerank.translation.source import GlossarySource, NamedSource
from rerank.understanding.vocabulary import Vocabulary

log = logging.getLogger("rerank.translation")

GLOSSARY = "glossary"
DICTIONARY = "dictionary"
DICTIONARY_COST = 1.5
"""What a dictionary's translation costs more than a glossary's."""

VERSION = "1"


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What a translator was built of; statistics are read anew as another object."""

    glossaries: tuple[Glossary, ...]
    statistics: Vocabulary | None
    pairs: frozenset[tuple[str, str]]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _State)
            and self.glossaries == other.glossaries
            and self.statistics is other.statistics
            and self.pairs == other.pairs
        )


class Translators:
    """The installed dictionaries and the shop's glossaries; safe to share among threads.

    Glossaries and catalogue statistics are re-read when their files change; newly installed dictionaries are
    found at the next start. While `compiles` is false, somebody else compiles: a pair translates from when it is there.
    """

    def __init__(self, resources: Resources, store: LexiconStore, *, compiles: bool = True) -> None:
        self.compiles = compiles
        self._resources = resources
        self._store = store
        self._lock = threading.Lock()
        self._built: dict[str | None, tuple[_State, Translator]] = {}

    @property
    def available(self) -> bool:
        """Whether anything is there to translate with."""
        return bool(self._store.pairs() or self._resources.glossaries())

    def describe(self) -> str:
        """Say in one sentence what was found."""
        glossaries = [glossary.name for glossary in self._resources.glossaries()]
        pairs = sorted(f"{source}-{target}" for source, target in self._store.pairs() if source < target)
        parts = [f"glossary {', '.join(glossaries)}"] if glossaries else []
        parts += [f"dictionaries {', '.join(pairs)}"] if pairs else []
        if not parts:
            return (
                "No translator is installed: no glossary in "
                f"{self._resources.folder / 'glossary'} and no FreeDict dictionary in {DICTD_FOLDER}; "
                "queries and documents stay in their own language."
            )
        return f"Translating with {' and '.join(parts)}."

    def prepare(self, languages: Sequence[str]) -> list[tuple[str, str]]:
        """Compile the dictionaries among some languages (seconds to a minute, once a machine); return the pairs.

        Raises ResourceError when one cannot be read.
        """
        wanted = [(a, b) for a, b in sorted(self._store.pairs()) if a in languages and b in languages]
        for source, target in wanted:
            self._store.lexicon(source, target)
        return wanted

    def knowledge(self, language: str, words: Collection[str]) -> frozenset[str] | None:
        """Return those of the folded words that a compiled dictionary or a glossary has in a language.

        None where there is neither. Compiles nothing: a language whose dictionaries are not yet compiled is
        known by its glossaries alone.
        """
        targets = sorted(target for source, target in self._store.pairs() if source == language)
        # English first: its dictionaries are the fullest.
        targets.sort(key=lambda target: target != "en")
        ready = next((target for target in targets if self._store.is_compiled(language, target)), None)
        columns = [
            glossary.words(language) for glossary in self._resources.glossaries() if language in glossary.languages
        ]
        if ready is None and not columns:
            return None
        found = self._store.lexicon(language, ready).lookup(words, inflected=False) if ready is not None else {}
        return frozenset(found).union(*(column.intersection(words) for column in columns))

    def translator(self, vocabulary: str | None = None) -> Translator:
        """Return the translator that chooses words by the statistics of the catalogue of that name, if it has any."""
        state = _State(self._resources.glossaries(), self._resources.vocabulary(vocabulary), self._pairs())
        with self._lock:
            known = self._built.get(vocabulary)
            if known is None or known[0] != state:
                known = self._built[vocabulary] = (state, self._build(state))
            return known[1]

    def _pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of dictionaries that answer, or will after they were compiled for whoever asks first."""
        pairs = self._store.pairs()
        return pairs if self.compiles else frozenset(pair for pair in pairs if self._store.is_compiled(*pair))

    def _lexicon(self, source: str, target: str) -> Lexicon | None:
        """A dictionary that was removed since the start, or is broken, must not cost a query its other answers."""
        try:
            return self._store.lexicon(source, target)
        except ResourceError as error:
            log.warning("translating %s to %s without dictionaries: %s", source, target, error)
            return None

    def _build(self, built_of: _State) -> Translator:
        glossaries, compiled = built_of.glossaries, built_of.pairs
        pairs = compiled.union(*(glossary.pairs() for glossary in glossaries))
        if not pairs:
            return Keep()
        cache: dict[tuple[str, str], list[NamedSource]] = {}

        def sources(source: str, target: str) -> list[NamedSource]:
            known = cache.get((source, target))
            if known is None:
                known = []
                phrases = GlossarySource(glossaries, source, target)
                if phrases:
                    known.append(NamedSource(GLOSSARY, phrases, 0.0, exclusive=True))
                if (source, target) in compiled and (lexicon := self._lexicon(source, target)):
                    known.append(NamedSource(DICTIONARY, lexicon, DICTIONARY_COST))
                cache[source, target] = known
            return known

        state = [VERSION, self._store.version, *(f"{glossary.name}:{glossary.version}" for glossary in glossaries)]
        version = f"{VERSION}-{hashlib.sha256(' '.join(state).encode()).hexdigest()[:12]}"
        return PhraseTranslator("phrases", version, pairs, sources, built_of.statistics)


def load_translators(
    resources: Resources, *, dictionaries: Path | None = None, compiled: Path | None = None, compiles: bool = True
) -> Translators:
    """Find what can translate: the glossaries of `resources` and what is installed.

    Dictionaries are FreeDict's, Apertium's word lists (where lttoolbox's `lt-print` is) and CC-CEDICT, wherever the
    machine has them, or in the folder `dictionaries` alone. They are compiled into `compiled` (None:
    `polyrank_home()/dictionaries`) by `Translators.prepare`, or with `compiles` for who needs them first.
    """
    folder = compiled if compiled is not None else polyrank_home() / "dictionaries"
    found: list[Dictionary]
    if dictionaries is None:
        found = [*find_freedicts(DICTD_FOLDER), *find_bidixes(APERTIUM_FOLDER), *packaged_cedict()]
    else:
        found = [*find_freedicts(dictionaries), *find_bidixes(dictionaries), *find_cedict(dictionaries)]
    return Translators(resources, LexiconStore(folder, found), compiles=compiles)
