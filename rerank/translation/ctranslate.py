"""Neural translation on CPU or GPU by CTranslate2: Marian models of one pair, and NLLB for two hundred languages.

Needs the `ctranslate2` extra, and a model in CTranslate2's format: a folder, or a hub id of one. Theirs is
`ct2-transformers-converter --model ID --output_dir FOLDER --copy_files source.spm target.spm`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank.bundle import file_hash
from rerank.errors import MissingExtraError, ResourceError
from rerank.translation.model_folder import model_folder
from rerank.translation.neural import NeuralTranslator, any_two
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


class CTranslate2Translator(NeuralTranslator):
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
        self._beam = beam
        self._max_tokens = max_tokens
        super().__init__(
            any_two(list(NLLB_CODES)) if self._many else frozenset({pair} if pair else ()),
            several=self._many,
            revision=f"{file_hash(folder / 'model.bin')[:12]}-{beam}-{max_tokens}",
        )

    def _generate(self, texts: Sequence[str], source: str, target: str) -> list[tuple[str, float]]:
        tokens = [self._tokens(text, source) for text in texts]
        options: dict[str, Any] = {
            "beam_size": self._beam,
            "return_scores": True,
            "max_decoding_length": self._max_tokens,
        }
        if self._many:
            options["target_prefix"] = [[NLLB_CODES[target]]] * len(texts)
        made = self._model.translate_batch(tokens, max_batch_size=BATCH_TOKENS, batch_type="tokens", **options)
        own = NLLB_CODES.get(target)
        pieces = [[token for token in one.hypotheses[0] if token != own] for one in made]
        return [(self._write.decode(one), found.scores[0]) for one, found in zip(pieces, made, strict=True)]

    def _tokens(self, text: str, source: str) -> list[str]:
        pieces = self._read.encode(text, out_type=str)[: self._max_tokens - 2]
        return [*([NLLB_CODES[source]] if self._many else []), *pieces, END]
