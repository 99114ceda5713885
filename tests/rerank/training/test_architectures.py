"""Each architecture goes through a step of training, with fewer layers and with adapters."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")
from rerank.template import DocumentTemplate, TemplateField
from rerank.training.cross_encoder import train
from rerank.training.layers import encoder_layers
from rerank.training.pairs import TrainingPair, write_pairs
from rerank.training.recipe import Recipe
from rerank.training.run import TrainOptions
from tests.rerank.architectures import KINDS, save_model

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_with_fewer_layers_and_adapters(tmp_path: Path, kind: str) -> None:
    from sentence_transformers import CrossEncoder

    base = save_model(tmp_path / "base", kind, labels=1)
    titles = ("usb c charger", "gaming mouse", "coffee machine")
    write_pairs(tmp_path / "p.jsonl.gz", [TrainingPair("mouse", {"title": title}, 1) for title in titles])
    recipe = Recipe(
        name=kind,
        base_model="none",
        licence="apache-2.0",
        template=DocumentTemplate((TemplateField("title"),)),
        sha256="0" * 64,
        max_length=32,
        epochs=1,
        keep_layers=(1,),
        lora_rank=2,
        loss={"binary_cross_entropy": 1.0, "rank_net": 1.0},
    )
    made = train(recipe, [tmp_path / "p.jsonl.gz"], str(base), tmp_path / "out", TrainOptions(progress=False))
    assert made.steps == 1
    trained = CrossEncoder(str(tmp_path / "out"), device="cpu").model
    assert len(encoder_layers(trained)) == 1
    assert not any("lora" in name for name, _ in trained.named_parameters()), "adapters are merged"
