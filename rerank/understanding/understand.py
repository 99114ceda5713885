"""What a query says: its language, its translations, the text the models read and its vector."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from rerank.protocols import UNDETERMINED, Detection, Embedder, Translation, Translator
from rerank.translation.keep import ENGINE as KEPT
from rerank.translation.protect import translate_protected
from rerank.understanding.attributes import SURE, Attribute, find_attributes
from rerank.understanding.expansion import Associations, Expansion, expand
from rerank.understanding.field_values import FieldValues
from rerank.understanding.names import certain_names
from rerank.understanding.proposals import Proposal, propose
from rerank.understanding.synonyms import Synonyms
from rerank.understanding.vocabulary import Vocabulary

WANTS = ("language", "translations", "vector")
"""What is computed when nothing is said."""

ATTRIBUTES = "attributes"
"""May be wanted as well."""

CACHED_VECTORS = 4096
"""Queries repeat: this many vectors are kept (384 floats each: 6 MB)."""

LIKELY = 0.5
"""Of a language as sure as this a query is taken to be where no catalogue's words can be asked."""

NOT_UNDERSTOOD = 0.02
"""How likely a language is, by itself, in which not one word of the query has a translation."""

UNTOLD = 0.5
"""The same of a language that no dictionary or glossary covers: it may be right, but a translation is of more use."""


class QueryDetector(Protocol):
    """A detector that may use the caller's locale and the catalogue's own words."""

    def candidates(
        self, text: str, *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        """Return the languages a text may be in, the likeliest first, with their probabilities."""
        ...


class TranslatorSource(Protocol):
    """Gives the translator that chooses words by one catalogue's statistics."""

    def translator(self, vocabulary: str | None = None) -> Translator:
        """Return the translator for a catalogue, or a general one."""
        ...


class Knowledge(Protocol):
    """What is known of catalogues and languages beside their words."""

    def values(self, alias: str | None) -> FieldValues | None:
        """Return the values of a catalogue's fields."""
        ...

    def synonyms(self, language: str) -> Sequence[Synonyms]:
        """Return the synonym files of a language."""
        ...

    def associations(self, alias: str | None, language: str) -> Associations:
        """Return what goes with what in a catalogue's judged products."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it came. `languages`: BCP 47 codes the index serves; `want`: parts of the answer to compute;
    `locale`: the caller's language, if known; `vocabulary`: name of the catalogue's statistics; `expand`: kinds of
    expansion; `schema`: the index's fields and types, for `attributes`, which need `min_confidence` to be of use."""

    text: str
    languages: tuple[str, ...] = ()
    want: frozenset[str] = frozenset(WANTS)
    locale: str | None = None
    vocabulary: str | None = None
    expand: frozenset[str] = frozenset()
    schema: Mapping[str, str] = field(default_factory=dict)
    min_confidence: float = SURE


@dataclass(frozen=True, slots=True)
class Understanding:
    """The answer. `vector` embeds `model_query`, None when not wanted; `seconds` by stage; `model_language`: that of
    `model_query`, None where it has none (numbers) or none that is sure; `said`: the share of the query that it says,
    less than 1 for a translation that left words as they were."""

    language: Detection
    translations: Mapping[str, Translation]
    model_query: str
    vector: tuple[float, ...] | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    model_language: str | None = None
    said: float = 1.0
    expansion: tuple[Expansion, ...] = ()
    attributes: tuple[Proposal, ...] = ()

    def read_by(self, languages: Collection[str]) -> float:
        """Return the share of the query, 0 to 1, that a model of these languages (BCP 47) reads in `model_query`."""
        return self.said if self.model_language is None or self.model_language in languages else 0.0


class Understander:
    """Detects, translates and embeds one query. Thread-safe when its parts are."""

    def __init__(
        self,
        embedder: Embedder,
        detector: QueryDetector,
        translators: TranslatorSource,
        vocabulary: Callable[[str | None], Vocabulary | None],
        knowledge: Knowledge | None = None,
    ) -> None:
        """Join the parts; `vocabulary` finds a catalogue's statistics by name, None when there are none; without
        `knowledge` there are no expansions, and no brands are told."""
        self._embedder = embedder
        self._detector = detector
        self._translators = translators
        self._vocabulary = vocabulary
        self._knowledge = knowledge
        self._vector = lru_cache(maxsize=CACHED_VECTORS)(self._embed)

    def understand(self, question: Question) -> Understanding:
        """Understand one query.

        The models read the query itself when its language is one of the embedder's or is not known, else its
        translation into the first of the embedder's languages that there is one for, else the query itself.

        Raises:
            ModelInputError: the text holds a lone surrogate.
        """
        seconds: dict[str, float] = {}
        started = time.perf_counter()
        vocabulary = self._vocabulary(question.vocabulary)
        translate = _Once(self._translators.translator(question.vocabulary), question.text)
        language = self._language(question, vocabulary, translate)
        seconds["detect"] = time.perf_counter() - started
        started = time.perf_counter()
        attributes = self._attributes(question, language.language, vocabulary)
        translate.names = certain_names(attributes, vocabulary, translate, language.language, self._embedder.languages)
        translations = self._translate(question, language.language, translate)
        seconds["translate"] = time.perf_counter() - started
        model_language = self._model_language(question.text, language, translations, known=vocabulary is not None)
        made = translations.get(model_language) if model_language not in (None, language.language) else None
        model_query = question.text if made is None else made.text
        vector = None
        if "vector" in question.want:
            started = time.perf_counter()
            vector = self._vector(model_query)
            seconds["embed"] = time.perf_counter() - started
        wanted = {code: item for code, item in translations.items() if code in question.languages}
        return Understanding(
            language,
            wanted if "translations" in question.want else {},
            model_query,
            vector,
            seconds,
            model_language,
            1.0 if made is None else made.confidence,
            tuple(self._expand(question, language.language)),
            tuple(propose(attributes, question.schema, question.min_confidence)) if ATTRIBUTES in question.want else (),
        )

    def _attributes(self, question: Question, language: str, vocabulary: Vocabulary | None) -> list[Attribute]:
        values = self._knowledge.values(question.vocabulary) if self._knowledge is not None else None
        if values is None and ATTRIBUTES not in question.want:
            return []
        return find_attributes(question.text, language, values, vocabulary)

    def _expand(self, question: Question, language: str) -> list[Expansion]:
        knowledge = self._knowledge
        if knowledge is None or not question.expand:
            return []
        return expand(
            question.text,
            language,
            question.expand,
            knowledge.synonyms,
            lambda code: knowledge.associations(question.vocabulary, code),
        )

    def _language(self, question: Question, vocabulary: Vocabulary | None, translate: "_Once") -> Detection:
        """Choose among the likely languages the one in which the query also makes sense.

        Two words are German, Dutch and Swedish to any detector; dictionaries and glossaries that understand them in
        one of these alone decide. A language without any is taken to understand half.
        """
        found = self._detector.candidates(question.text, prior=question.locale, vocabulary=vocabulary)
        if not found:
            return Detection(UNDETERMINED, 0.0)
        weights = [one.confidence * self._sense(one.language, translate) for one in found]
        best = max(range(len(found)), key=lambda place: weights[place])
        return Detection(found[best].language, round(weights[best] / sum(weights), 4))

    def _sense(self, language: str, translate: "_Once") -> float:
        """Return the share of the query that can be translated for the models; `UNTOLD` where no translator tells."""
        if language in self._embedder.languages:
            return 1.0
        targets = [target for target in self._embedder.languages if (language, target) in translate.pairs]
        if not targets:
            return UNTOLD
        return max(NOT_UNDERSTOOD, translate(language, targets[0]).confidence)

    def _translate(self, question: Question, source: str, translate: "_Once") -> dict[str, Translation]:
        read = self._embedder.languages
        targets = list(question.languages) if "translations" in question.want else []
        if source not in read:
            targets += [language for language in read if language not in targets]
        if source == UNDETERMINED:
            return {}
        translations = {target: translate(source, target) for target in targets if target != source}
        return {target: item for target, item in translations.items() if item.engine != KEPT}

    def _model_language(
        self, text: str, language: Detection, translations: Mapping[str, Translation], *, known: bool
    ) -> str | None:
        """Return the language of what the models read: theirs where there is a text in one, else the query's own; None
        where it has none, or where a guess says so and no catalogue is `known` by whose words to check it."""
        if not any(map(str.isalpha, text)):
            return None
        if language.language in self._embedder.languages:
            return language.language
        own = language.language if known or language.confidence >= LIKELY else None
        return next((code for code in self._embedder.languages if code in translations), own)

    def _embed(self, text: str) -> tuple[float, ...]:
        vector = self._embedder.embed_queries([text])[0]
        return tuple(round(number, 7) for number in vector.tolist())


class _Once:
    """Translates one query, each pair of languages once: telling its language and reading it ask for the same.

    `names` come through as they are; what was translated before they were told is then translated again. Numbers and
    measures are left to the translator: "単4" is a size of batteries, which a glossary may know.
    """

    def __init__(self, translator: Translator, text: str) -> None:
        self._translator, self._text = translator, text
        self._done: dict[tuple[str, str, tuple[str, ...]], Translation] = {}
        self.pairs = translator.pairs()
        self.names: tuple[str, ...] = ()

    def __call__(self, source: str, target: str) -> Translation:
        key = (source, target, self.names)
        if key not in self._done:
            self._done[key] = self._translate(source, target)
        return self._done[key]

    def _translate(self, source: str, target: str) -> Translation:
        if self.names:
            return translate_protected(self._translator, [self._text], source, target, [self.names])[0]
        return self._translator.translate([self._text], source, target)[0]

    def word(self, text: str, source: str, target: str) -> str:
        """Translate a part of the query by itself."""
        return self._translator.translate([text], source, target)[0].text
