"""The translator of a run, as `[translation]` of a shop's TOML names its engines."""

from collections.abc import Callable, Sequence

import msgspec

from ingest.errors import IngestError
from rerank.protocols import Translator
from rerank.translation.chain import Budget, Chain, Limited, Spent
from rerank.translation.ctranslate import CTranslate2Translator
from rerank.translation.libretranslate import LibreTranslate
from rerank.translation.onnx_translator import load_onnx_translator

DICTIONARIES, LIBRETRANSLATE, NEURAL, ONNX = "dictionaries", "libretranslate", "ctranslate2", "onnx"


class EngineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[translation.engine]]`: `kind` is dictionaries (glossaries, too), libretranslate (`url`, `api_key`),
    ctranslate2 or onnx (`model`: a folder or hub id, with `source` and `target` for a Marian model, and `device`)."""

    kind: str
    url: str | None = None
    api_key: str | None = None
    model: str | None = None
    source: str | None = None
    target: str | None = None
    device: str = "cpu"


class TranslationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[translation]`. Engines are asked in their order; none means the dictionaries. `protect`: names beside each
    product's brand that stay as they are. The budget limits a run: seconds, characters, cost."""

    engine: list[EngineConfig] = []
    protect: list[str] = []
    budget_s: float | None = None
    budget_characters: int | None = None
    cost_per_million: float = 0.0
    max_cost: float | None = None

    def budget(self) -> Budget:
        """Return the limits."""
        return Budget(self.budget_s, self.budget_characters, self.cost_per_million, self.max_cost)


DICTIONARIES_ALONE = TranslationConfig()


def build_translator(config: TranslationConfig, dictionaries: Callable[[], Translator]) -> Limited:
    """Return the translator that a configuration asks for.

    Args:
        config: engines and budget.
        dictionaries: gives the translator of the installed dictionaries and the shop's glossaries.

    Raises:
        IngestError: an engine lacks a key or is of no known kind.
        PolyrankError: a service cannot be asked, or a model not be loaded.
    """
    engines = [_engine(one, dictionaries) for one in config.engine] or [dictionaries()]
    spent = Spent()
    return Limited(Chain(engines, spent=spent), config.budget(), spent=spent)


def _engine(config: EngineConfig, dictionaries: Callable[[], Translator]) -> Translator:
    if config.kind == DICTIONARIES:
        return dictionaries()
    if config.kind == LIBRETRANSLATE:
        return LibreTranslate(_needed(config, "url"), api_key=config.api_key)
    if config.kind in (NEURAL, ONNX):
        pair = (config.source, config.target) if config.source and config.target else None
        load = CTranslate2Translator if config.kind == NEURAL else load_onnx_translator
        return load(_needed(config, "model"), pair, device=config.device)
    known: Sequence[str] = (DICTIONARIES, LIBRETRANSLATE, NEURAL, ONNX)
    raise IngestError(f"the translation engine {config.kind!r} is not known; choose among {', '.join(known)}")


def _needed(config: EngineConfig, key: str) -> str:
    value: str | None = getattr(config, key)
    if not value:
        raise IngestError(f"a translation engine of the kind {config.kind} needs {key}")
    return value
