"""Which translator back-translates: a service, a model, or what is installed."""

from collections.abc import Sequence
from pathlib import Path

from rerank.bundle import MANIFEST
from rerank.protocols import Translator
from rerank.resources import load_resources
from rerank.translation.ctranslate import CTranslate2Translator
from rerank.translation.libretranslate import LibreTranslate
from rerank.translation.load import load_translators
from rerank.translation.onnx_translator import load_onnx_translator


def choose_translator(
    languages: Sequence[str], libretranslate: str | None = None, nllb: Path | None = None
) -> Translator:
    """Return the service at an address, else an NLLB model (CTranslate2's folder, or a bundle), else the installed
    dictionaries and glossaries.

    Raises:
        TranslationError: the address is none.
        MissingExtraError: the `ctranslate2` extra is not installed.
        BundleError: the bundle is damaged, or for another task.
        ResourceError: model or dictionary cannot be read.
    """
    if libretranslate:
        return LibreTranslate(libretranslate)
    if nllb:
        return load_onnx_translator(nllb) if (nllb / MANIFEST).is_file() else CTranslate2Translator(nllb)
    found = load_translators(load_resources())
    found.prepare(languages)
    return found.translator()
