"""Neural translation by ONNX Runtime: a bundle to translate, made of a Marian or an NLLB model by `rerank export-onnx`.

Needs no extra, runs where the embedder and the reranker run, and every file of the bundle is checked by its hash.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rerank.batching import Inputs, pad, plan_batches
from rerank.bundle import DECODER, ENCODER, TARGET_TOKENIZER, TOKENIZER, Bundle, load_bundle
from rerank.devices import DEVICES
from rerank.errors import BundleError, ResourceError
from rerank.manifest import Generation
from rerank.session import Session, SessionOptions
from rerank.tokenize import Tokenizer, Tokens
from rerank.translation.generate import Decoder, Written, write
from rerank.translation.model_folder import model_folder
from rerank.translation.neural import NeuralTranslator, any_two

BATCH_TOKENS = 2048
"""Of a batch, padding and hypotheses included."""


class OnnxTranslator(NeuralTranslator):
    """A bundle to translate. Marian's translates one pair, NLLB's any two of its languages."""

    def __init__(
        self,
        bundle: Bundle,
        pair: tuple[str, str] | None = None,
        *,
        options: SessionOptions | None = None,
        beam: int = 2,
        max_tokens: int | None = None,
    ) -> None:
        """Start the model of a verified bundle.

        Args:
            bundle: a bundle to translate.
            pair: source and target of a Marian model (BCP 47); None: as the bundle says.
            options: threads and execution providers.
            beam: hypotheses that are followed; 1 takes the most probable token each time.
            max_tokens: longer texts are cut off, and so are longer translations; None: as the bundle says.

        Raises:
            BundleError: the bundle is none to translate, or ONNX Runtime cannot run it.
            ResourceError: the model translates one pair, and neither it nor `pair` says which.
        """
        manifest, generation = bundle.manifest, generation_of(bundle)
        pair = pair or generation.pair
        if not generation.languages and pair is None:
            raise ResourceError(f"the model {bundle.path} translates one pair; name its source and target language")
        longest = min(max_tokens or manifest.max_length, manifest.max_length)
        encoder, decoder = (
            Session(bundle.path / name, options, weight_bits=manifest.weight_bits) for name in (ENCODER, DECODER)
        )
        self.decoder = Decoder(encoder, decoder, generation)
        self._reader = Tokenizer(bundle.path / TOKENIZER, max(1, longest - 2))
        own = bundle.path / (TARGET_TOKENIZER if TARGET_TOKENIZER in manifest.files else TOKENIZER)
        self._writer = Tokenizer(own, longest)
        self._generation, self._languages = generation, generation.languages
        self._beam, self.max_tokens = beam, longest
        several = any_two(list(self._languages))
        super().__init__(
            several or frozenset({pair} if pair else ()),
            several=bool(several),
            revision=f"{bundle.fingerprint.removeprefix('sha256:')[:12]}-{beam}-{longest}",
        )

    def _generate(self, texts: Sequence[str], source: str, target: str) -> list[tuple[str, float]]:
        made = self.write(texts, source, target)
        found = self._writer.decode([self._plain(one) for one in made])
        return [(text, one.score) for text, one in zip(found, made, strict=True)]

    def read(self, texts: Sequence[str], source: str) -> list[Tokens]:
        """Return what the model reads of each text: its language's token where it has many, pieces, the end."""
        before = [self._languages[source]] if self._languages else []
        end, unknown, tokens = self._generation.end, self._generation.unknown, self._generation.tokens
        found = []
        for item in self._reader.texts(texts):
            ids = [*before, *(number if number < tokens else unknown for number in item.ids), end]
            found.append(Tokens(ids, [0] * len(ids)))
        return found

    def write(self, texts: Sequence[str], source: str, target: str) -> list[Written]:
        """Return the tokens of each translation, in order."""
        found: dict[int, Written] = {}
        for places, inputs in self.batches(texts, source):
            found.update(zip(places, self.write_batch(inputs, target), strict=True))
        return [found[place] for place in range(len(texts))]

    def batches(self, texts: Sequence[str], source: str) -> Iterator[tuple[list[int], Inputs]]:
        """Yield padded batches of texts of similar length, each with the places of its rows among the texts."""
        tokens = self.read(texts, source)
        for places in plan_batches([len(item) for item in tokens], max(1, BATCH_TOKENS // self._beam)):
            inputs = pad([tokens[place] for place in places])
            inputs["input_ids"][inputs["attention_mask"] == 0] = self._generation.padding
            yield places, inputs

    def write_batch(self, inputs: Inputs, target: str, decoder: Decoder | None = None) -> list[Written]:
        """Translate a padded batch, by another decoder of the same model where one is given."""
        first = self._languages.get(target)
        return write(decoder or self.decoder, inputs, beam=self._beam, longest=self.max_tokens, first=first)

    def _plain(self, written: Written) -> list[int]:
        rules = self._generation
        special = {rules.start, rules.end, rules.padding, rules.unknown, *rules.languages.values()}
        return [token for token in written.tokens if token not in special]


def generation_of(bundle: Bundle) -> Generation:
    """Return how a bundle reads and writes. Raises BundleError when it is none to translate."""
    if bundle.manifest.generation is None:
        raise BundleError(f"{bundle.path} is a bundle to {bundle.manifest.task}, one to translate is needed")
    return bundle.manifest.generation


def sample_pair(bundle: Bundle) -> tuple[str, str]:
    """Return a pair that a bundle translates, to try it on: of several languages one that reads English."""
    generation = generation_of(bundle)
    if not generation.languages:
        return generation.pair or ("en", "und")
    codes = sorted(generation.languages, key=lambda code: code != "en")
    return codes[0], codes[1]


def load_onnx_translator(
    model: str | Path, pair: tuple[str, str] | None = None, *, device: str = "cpu", threads: int = 0
) -> OnnxTranslator:
    """Load a bundle to translate.

    Args:
        model: a folder, or the hub id of one.
        pair: source and target of a Marian model; None: as the bundle says.
        device: "cpu", "cuda" or "auto".
        threads: of one batch; 0: as many as ONNX Runtime thinks good.

    Raises:
        ResourceError: there is no such model, or no such device, or the pair is not known.
        BundleError: the bundle is damaged, or for another task.
    """
    if device not in DEVICES:
        raise ResourceError(
            f"the device {device!r} of the model {model} is not known; choose among {', '.join(DEVICES)}"
        )
    bundle = load_bundle(model_folder(model), "translate")
    return OnnxTranslator(bundle, pair, options=SessionOptions(threads=threads, providers=DEVICES[device]))
