"""Neural translation on CPU or GPU by CTranslate2: Marian models of one pair, and NLLB for two hundred languages.

Needs the `ctranslate2` extra, and a model in CTranslate2's format: a folder, or a hub id of one. Theirs is
`ct2-transformers-converter --model ID --output_dir FOLDER --copy_files source.spm target.spm`.
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank.errors import MissingExtraError, ResourceError
from rerank.protocols import Translation
from rerank.translation.keep import kept
from rerank.translation.model_folder import model_folder
from rerank.translation.nllb import NLLB_CODES

try:
    import ctranslate2
    import sentencepiece
except ImportError:
    ctranslate2 = None

END = "</s>"
BATCH_TOKENS = 2048
MAX_TOKENS = 256
NLLB_MODEL = "sentencepiece.bpe.model"


class NeuralTranslator:
    """A Marian or NLLB model. Marian translates the one pair it is given; NLLB any two of its languages."""

    def __init__(
        self,
        model: str | Path,
        pair: tuple[str, str] | None = None,
        *,
        device: str = "cpu",
        beam: int = 2,
        threads: int = 0,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        """Load a model.

        Args:
            model: a folder, or the hub id of a converted model.
            pair: source and target of a Marian model (BCP 47); None for NLLB.
            device: "cpu", "cuda" or "auto".
            beam: hypotheses that are followed.
            threads: of one batch; 0: as many as CTranslate2 thinks good.
            max_tokens: longer texts are cut off.

        Raises:
            MissingExtraError: CTranslate2 is not installed.
            ResourceError: there is no such model, or a file of it is missing.
        """
        if ctranslate2 is None:
            raise MissingExtraError(f"the model {model} needs CTranslate2: pip install 'polyrank[ctranslate2]'")
        folder = model_folder(model)
        self._many = (folder / NLLB_MODEL).is_file()
        if not self._many and pair is None:
            raise ResourceError(f"the model {model} translates one pair; name its source and target language")
        files = (NLLB_MODEL, NLLB_MODEL) if self._many else ("source.spm", "target.spm")
        missing = [name for name in ("model.bin", *files) if not (folder / name).is_file()]
        if missing:
            raise ResourceError(f"the model in {folder} has no {missing[0]}; convert it with --copy_files {files[0]}")
        try:
            self._model = ctranslate2.Translator(str(folder), device=device, intra_threads=threads)
            self._read, self._write = (sentencepiece.SentencePieceProcessor(str(folder / name)) for name in files)
        except (RuntimeError, ValueError, OSError) as error:
            raise ResourceError(f"the model in {folder} cannot be loaded: {error}") from error
        self._pairs = _nllb_pairs() if self._many else frozenset({pair} if pair else ())
        self._beam = beam
        self._max_tokens = max_tokens
        self.name = "nllb" if self._many else "marian"
        with (folder / "model.bin").open("rb") as file:
            self.version = f"{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}-{beam}-{max_tokens}"

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the model's pairs."""
        return self._pairs

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text of letters; others are kept. A text is cut off behind `max_tokens`.

        The confidence is the geometric mean of the tokens' probabilities.
        """
        result = [kept(text) for text in texts]
        places = [place for place, text in enumerate(texts) if any(map(str.isalpha, text))]
        if (source, target) not in self._pairs or not places:
            return result
        tokens = [self._tokens(texts[place], source) for place in places]
        options: dict[str, Any] = {
            "beam_size": self._beam,
            "return_scores": True,
            "max_decoding_length": self._max_tokens,
        }
        if self._many:
            options["target_prefix"] = [[NLLB_CODES[target]]] * len(places)
        made = self._model.translate_batch(tokens, max_batch_size=BATCH_TOKENS, batch_type="tokens", **options)
        for place, one in zip(places, made, strict=True):
            pieces = [token for token in one.hypotheses[0] if token != NLLB_CODES.get(target)]
            text = self._write.decode(pieces).strip()
            if text:
                result[place] = Translation(text, self.name, round(min(math.exp(one.scores[0]), 1.0), 3))
        return result

    def _tokens(self, text: str, source: str) -> list[str]:
        pieces = self._read.encode(text, out_type=str)[: self._max_tokens - 2]
        return [*([NLLB_CODES[source]] if self._many else []), *pieces, END]


def _nllb_pairs() -> frozenset[tuple[str, str]]:
    return frozenset((one, other) for one in NLLB_CODES for other in NLLB_CODES if one != other)
