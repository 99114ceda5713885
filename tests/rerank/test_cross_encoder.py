from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank.cross_encoder import CrossEncoder, activate
from rerank.errors import ModelInputError
from rerank.manifest import Calibration
from rerank.protocols import Pair, Scorer
from tests.contracts import ScorerContract
from tests.rerank.tiny import WORDS, tiny_reranker


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    return CrossEncoder(tiny_reranker(tmp_path_factory.mktemp("models") / "tiny"))


class TestCrossEncoder(ScorerContract):
    @pytest.fixture(autouse=True)
    def _model(self, model: CrossEncoder) -> None:
        self.model = model

    def scorer(self) -> Scorer:
        return self.model


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=60), st.randoms())
def test_a_score_depends_on_its_pair_alone(model: CrossEncoder, documents: list[list[str]], random: object) -> None:
    pairs = [Pair("usb cable", " ".join(words)) for words in documents]
    order = np.random.default_rng(len(pairs)).permutation(len(pairs))
    scores = model.score(pairs)
    assert np.abs(model.score([pairs[index] for index in order]) - scores[order]).max() < 1e-5


def test_a_blank_document_scores_zero_unread(model: CrossEncoder) -> None:
    scores, tokens = model.score_counting([Pair("usb cable", " "), Pair("usb cable", "red shoes"), Pair("usb", "")])
    assert scores[0] == scores[2] == 0.0 < scores[1]
    assert tokens == len(["[CLS]", "usb", "cable", "[SEP]", "red", "shoes", "[SEP]"])


def test_calibration_scales_and_shifts_the_logit(tmp_path: Path) -> None:
    pairs = [Pair("usb cable", "red shoes"), Pair("usb cable", "usb cable")]
    scaled = CrossEncoder(tiny_reranker(tmp_path / "scaled", calibration=Calibration(2.0, -1.0)))
    expected = 1 / (1 + np.exp(-(2.0 * scaled.logits(pairs) - 1.0)))
    assert np.allclose(scaled.score(pairs), expected, atol=1e-6)


def test_huge_logits_do_not_overflow(model: CrossEncoder) -> None:
    assert activate(model.manifest, np.array([-1e30, 0.0, 1e30], np.float32)).tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_half_a_surrogate_pair_is_refused(model: CrossEncoder) -> None:
    with pytest.raises(ModelInputError, match="surrogate"):
        model.score([Pair("usb \ud800", "cable")])
