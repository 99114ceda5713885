"""What of a model is trained: fewer layers, frozen ones, adapters. Needs the `train` extra."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from rerank.errors import MissingExtraError
from rerank.training.recipe import TrainingError, TrainingRecipe


def prepare_layers(model: Any, recipe: TrainingRecipe) -> None:
    """Drop, freeze and adapt the layers of a transformers model as the recipe says, in place.

    Args:
        model: an encoder with or without a head, as AutoModelForSequenceClassification or AutoModel gives.
        recipe: `keep_layers`, `frozen_layers`, `adapters`, `lora_rank`.

    Raises:
        MissingExtraError: adapters are wanted and peft is not installed.
        TrainingError: a layer is named that the model does not have, or its layers cannot be found.
    """
    if recipe.keep_layers:
        keep_layers(model, recipe.keep_layers)
    if recipe.frozen_layers >= 0:
        for part in (model.base_model.embeddings, *encoder_layers(model)[: recipe.frozen_layers]):
            for parameter in part.parameters():
                parameter.requires_grad = False
    if recipe.adapted:
        _adapt(model, recipe)


def encoder_layers(model: Any) -> Any:
    """Return the list of transformer layers, wherever the architecture keeps it.

    Raises:
        TrainingError: it is not where BERT, XLM-R, DeBERTa, DistilBERT and ModernBERT have it.
    """
    base = model.base_model
    for path in (("encoder", "layer"), ("transformer", "layer"), ("layers",)):
        found = base
        for name in path:
            found = getattr(found, name, None)
        if found is not None:
            return found
    raise TrainingError(f"cannot find the layers of a {type(base).__name__}; train it whole")


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Keep only these layers, in this order, counted from 0: a smaller student that starts from its teacher.

    Raises:
        TrainingError: the model has no such layer.

    Source: Sanh et al., 2019, DistilBERT, arXiv:1910.01108 (every second layer of the teacher).
    """
    layers = encoder_layers(model)
    if not all(0 <= place < len(layers) for place in kept):
        raise TrainingError(f"`keep_layers` names {list(kept)}, the model has layers 0 to {len(layers) - 1}")
    chosen = [layers[place] for place in kept]
    del layers[len(chosen) :]
    for place, layer in enumerate(chosen):
        layers[place] = layer
    model.config.num_hidden_layers = len(chosen)
    if kinds := getattr(model.config, "layer_types", None):  # ModernBERT: which layers attend to everything
        model.config.layer_types = [kinds[place] for place in kept]


def _adapt(model: Any, recipe: TrainingRecipe) -> None:
    """Freeze the model but for its head, and add adapters to every linear layer of the encoder.

    Source: Hu et al., 2021, LoRA, arXiv:2106.09685 (lora: a low-rank matrix is added); Liu et al., 2024, DoRA,
    arXiv:2402.09353 (dora: so is it, and the length of each row of the sum is learned apart from its direction); Liu
    et al., 2022, arXiv:2205.05638 (ia3: each output is scaled, here of every linear layer).
    """
    if find_spec("peft") is None:
        raise MissingExtraError("`adapters` needs peft; install it: pip install 'polyrank[train]'")
    from peft import IA3Config, LoraConfig, inject_adapter_in_model
    from torch.nn import Linear

    inside = {name for name, module in encoder_layers(model).named_modules() if isinstance(module, Linear)}
    targets = sorted({name.split(".", 1)[1] for name in inside})
    if recipe.adapted == "ia3":
        config: Any = IA3Config(target_modules=targets, feedforward_modules=[])
    else:
        rank, dora = recipe.lora_rank, recipe.adapted == "dora"
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, use_dora=dora)
    inject_adapter_in_model(config, model)
    if model.base_model is not model:
        for name, parameter in model.named_parameters():
            if not name.startswith(f"{model.base_model_prefix}."):
                parameter.requires_grad = True


def merge_adapters(model: Any) -> None:
    """Work the adapters into the weights they adapt and take them away: the model has its own shape again."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in adapted:
        module.merge()
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, module.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad = True
