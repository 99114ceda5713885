"""What every implementation of a model Protocol must do. A test class inherits the suite and builds its subject."""

import numpy as np

from rerank.protocols import UNDETERMINED, Detector, Embedder, Pair, Scorer, Translator

TEXTS = (
    "wireless headphones",
    "kabellose Kopfhörer",
    "",
    "x" * 5000,
    "ワイヤレス ヘッドホン",
    "4711 · 65W",
    "wireless headphones",
)


class DetectorContract:
    """Inherit and define `detector`."""

    def detector(self) -> Detector:
        raise NotImplementedError

    def test_the_empty_batch(self) -> None:
        assert self.detector().detect([]) == []

    def test_same_length_and_order(self) -> None:
        detector = self.detector()
        together = detector.detect(TEXTS)
        assert together == [detector.detect([text])[0] for text in TEXTS]

    def test_confidence_is_a_probability(self) -> None:
        assert all(0.0 <= found.confidence <= 1.0 for found in self.detector().detect(TEXTS))

    def test_a_text_that_says_nothing_is_undetermined(self) -> None:
        assert {found.language for found in self.detector().detect(["", "  ", "12345"])} == {UNDETERMINED}


class TranslatorContract:
    """Inherit and define `translator`."""

    def translator(self) -> Translator:
        raise NotImplementedError

    def test_the_empty_batch(self) -> None:
        assert self.translator().translate([], "de", "en") == []

    def test_same_length_and_order(self) -> None:
        translator = self.translator()
        together = translator.translate(TEXTS, "de", "en")
        assert together == [translator.translate([text], "de", "en")[0] for text in TEXTS]

    def test_an_unknown_pair_is_kept_unchanged(self) -> None:
        for text, found in zip(TEXTS, self.translator().translate(TEXTS, "tlh", "vo"), strict=True):
            assert (found.text, found.engine, found.confidence) == (text, "keep", 0.0)

    def test_it_says_who_it_is(self) -> None:
        translator = self.translator()
        assert translator.name
        assert translator.version
        assert all(source != target for source, target in translator.pairs())


class EmbedderContract:
    """Inherit and define `embedder`; `TOLERANCE` is the least cosine of one text in two batches."""

    TOLERANCE = 0.99999

    def embedder(self) -> Embedder:
        raise NotImplementedError

    def test_the_empty_batch(self) -> None:
        embedder = self.embedder()
        assert embedder.embed_queries([]).shape == (0, embedder.dimension)
        assert embedder.embed_documents([]).shape == (0, embedder.dimension)

    def test_unit_vectors_of_the_dimension(self) -> None:
        embedder = self.embedder()
        for vectors in (embedder.embed_queries(TEXTS), embedder.embed_documents(TEXTS)):
            assert vectors.shape == (len(TEXTS), embedder.dimension)
            assert vectors.dtype == np.float32
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_a_batch_is_as_good_as_one_by_one(self) -> None:
        embedder = self.embedder()
        together = embedder.embed_documents(TEXTS)
        alone = np.concatenate([embedder.embed_documents([text]) for text in TEXTS])
        assert (together * alone).sum(axis=1).min() >= self.TOLERANCE

    def test_equal_texts_have_equal_vectors(self) -> None:
        vectors = self.embedder().embed_queries(TEXTS)
        assert vectors[0] @ vectors[-1] >= self.TOLERANCE

    def test_it_says_which_model_it_is(self) -> None:
        embedder = self.embedder()
        assert embedder.fingerprint == self.embedder().fingerprint != ""
        assert embedder.languages


class ScorerContract:
    """Inherit and define `scorer`; `POSITIONAL` for baselines whose score depends on the place in the batch."""

    TOLERANCE = 1e-5
    POSITIONAL = False

    def scorer(self) -> Scorer:
        raise NotImplementedError

    def test_the_empty_batch(self) -> None:
        assert self.scorer().score([]).shape == (0,)

    def test_probabilities_as_float32(self) -> None:
        scores = self.scorer().score([Pair("usb cable", text) for text in TEXTS])
        assert scores.shape == (len(TEXTS),)
        assert scores.dtype == np.float32
        assert ((scores >= 0.0) & (scores <= 1.0)).all()

    def test_a_batch_is_as_good_as_one_by_one(self) -> None:
        if self.POSITIONAL:
            return
        scorer, pairs = self.scorer(), [Pair("usb cable", text) for text in TEXTS]
        alone = np.concatenate([scorer.score([pair]) for pair in pairs])
        assert np.abs(scorer.score(pairs) - alone).max() <= self.TOLERANCE

    def test_it_says_which_model_it_is(self) -> None:
        assert self.scorer().fingerprint == self.scorer().fingerprint != ""
