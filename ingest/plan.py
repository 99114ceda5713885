"""What a run's stages are built from, small enough to travel: each process that works for a run builds its own."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ingest.clean import Brands
from ingest.images import ImageConfig, open_images
from ingest.stages import Stages
from ingest.translate import TranslationMemory
from ingest.translation_store import TranslationStore
from ingest.translators import DICTIONARIES_ALONE, TranslationConfig, build_translator
from rerank.embedder import load_embedder
from rerank.home import polyrank_home
from rerank.resources import load_resources
from rerank.translation.chain import Limited
from rerank.translation.load import Translators, load_translators
from rerank.understanding.language import ScriptDetector, load_detector


@dataclass(frozen=True, slots=True)
class Plan:
    """The part of a run that needs no cluster. `brands`: pairs of a spelling and the one to use. `knows`: dictionaries
    help to tell languages; `translates`: they translate, too. `embeds` with the bundle `embedder` (None: the shipped
    one). `images`: what encodes pictures, if anything does."""

    alias: str
    languages: tuple[str, ...]
    prior: str | None = None
    brands: tuple[tuple[str, str], ...] = ()
    resources: Path | None = None
    knows: bool = True
    translates: bool = False
    translated_fields: tuple[str, ...] = ("title",)
    protect: tuple[str, ...] = ()
    embeds: bool = False
    embedder: Path | None = None
    images: ImageConfig | None = None

    def build(self) -> Stages:
        """Load models and dictionaries.

        Raises:
            PolyrankError: one of them cannot be used.
        """
        translators = load_translators(load_resources(self.resources)) if self.knows else None
        embedder = load_embedder(self.embedder) if self.embeds else None
        memory = None
        if self.translates and translators is not None:
            limited = build_translator(DICTIONARIES_ALONE, partial(translators.translator, self.alias))
            memory = open_memory(self.alias, limited, self.protect)
        template = embedder.template if embedder else None
        bare = replace(bare_stages(self, translators), images=open_images(self.images))
        return replace(bare, memory=memory, embedder=embedder, template=template)


def bare_stages(plan: Plan, translators: Translators | None) -> Stages:
    """Return the stages up to the languages of documents, with what is loaded already."""
    detector = load_detector(plan.languages, knowledge=translators.knowledge if translators else None, thorough=True)
    return Stages(
        detector,
        ScriptDetector(),
        plan.languages,
        plan.prior,
        Brands(dict(plan.brands)),
        translated_fields=plan.translated_fields,
    )


def open_memory(alias: str, translator: Limited, protect: tuple[str, ...]) -> TranslationMemory:
    """Return the translator's memory of this run and of earlier ones for the alias. The caller closes it."""
    path = polyrank_home() / "translations" / f"{alias}.sqlite"
    store = TranslationStore(path, translator.name, translator.version)
    return TranslationMemory(translator, store=store, protect=protect)


def is_local(config: TranslationConfig) -> bool:
    """Say whether translating takes nothing but this machine's dictionaries, and as long as it takes."""
    return not config.engine and config.budget() == DICTIONARIES_ALONE.budget()
