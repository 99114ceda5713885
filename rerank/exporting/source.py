"""A torch model, ready to export or to compare with: read from a folder or from the hub, in the form we serve.

Needs the `train` extra.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs
from rerank.bundle import TOKENIZER
from rerank.errors import BundleError, MissingExtraError
from rerank.manifest import Activation, Pooling, Task

DEFAULT_MAX_LENGTH = 128
POLYRANK_JSON = "polyrank.json"
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
SEGMENTS = "token_type_ids"
INPUT_NAMES = ("input_ids", "attention_mask", SEGMENTS)
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "mpnet")
"""Kinds of models that number positions from the padding id + 1, and so read two tokens fewer than they have rows."""


@dataclass(frozen=True, slots=True)
class Source:
    """The module, what its files say, its tokenizer and that tokenizer's file."""

    model: Any
    task: Task
    settings: Mapping[str, Any]
    tokenizer: Path
    tokenizer_object: Any
    name: str


def import_torch() -> tuple[Any, Any]:
    """Return the modules torch and transformers.

    Raises:
        MissingExtraError: one is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(f"this needs {error.name}; install it: pip install 'polyrank[train]'") from error
    return torch, transformers


def load_source(model: str, task: Task | None, scratch: Path) -> Source:
    """Read a model.

    Args:
        model: a folder (sentence-transformers or transformers layout), or a name on the model hub.
        task: None takes it from the model's files.
        scratch: a folder for tokenizer.json.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BundleError: it cannot be read, lacks weights or a tokenizer, or gives more than two scores.
    """
    torch, transformers = import_torch()
    if not Path(model).is_dir() and not HUB_NAME.fullmatch(model):
        raise BundleError(f"there is no folder {model}, and a model on the hub is named `owner/name`")
    settings = read_json(model_file(model, POLYRANK_JSON))
    pooling = read_json(model_file(model, "1_Pooling/config.json"))
    name = str(settings.get("name") or (Path(model).resolve().name if Path(model).is_dir() else model.split("/")[-1]))
    try:
        config = transformers.AutoConfig.from_pretrained(model)
        scores = any("SequenceClassification" in item for item in config.architectures or ())
        task = task or cast(Task, settings.get("task")) or ("rerank" if scores and not pooling else "embed")
        kind = transformers.AutoModelForSequenceClassification if task == "rerank" else transformers.AutoModel
        with quiet(transformers):
            loaded, info = kind.from_pretrained(
                model,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused by `_check`, which names them
            )
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, use_fast=True)
        tokenizer.backend_tokenizer.save(str(scratch / TOKENIZER))
    except Exception as error:
        raise BundleError(f"cannot read the model {model}: {(str(error).splitlines() or ['?'])[0]}") from error
    _check(model, task, loaded, info, tokenizer)
    if (activation := settings.get("activation", "sigmoid")) not in get_args(Activation):
        known = " or ".join(get_args(Activation))
        raise BundleError(f"{POLYRANK_JSON} of {model} has the activation {activation!r}, which must be {known}")
    sentence = read_json(model_file(model, "sentence_bert_config.json"))
    merged = {"max_length": sentence.get("max_seq_length"), "pooling": _pooling(pooling)} | dict(settings)
    merged["max_length"] = min(int(merged["max_length"] or DEFAULT_MAX_LENGTH), _positions(loaded.config))
    return Source(loaded.eval(), task, merged, scratch / TOKENIZER, tokenizer, name)


def input_names(source: Source) -> list[str]:
    """Return the inputs that the model is used with.

    Segment ids are left out where the model has one segment or none (XLM-R, DeBERTa, ModernBERT), and where its own
    tokenizer gives none: such a BERT reads all tokens as segment 0, in training as elsewhere.
    """
    segments = getattr(source.model.config, "type_vocab_size", 0) or 0
    given = SEGMENTS in source.tokenizer_object.model_input_names
    return list(INPUT_NAMES if segments > 1 and given else INPUT_NAMES[:2])


def module(source: Source) -> Any:
    """Return a module that takes the inputs by position and returns one tensor: one logit a pair, or token vectors.

    Of a head with two logits, the probability of the second is sigmoid(second - first): that difference is the logit.
    """
    torch, _ = import_torch()
    names, two = input_names(source), source.task == "rerank" and source.model.config.num_labels == 2

    class Positional(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The model as ONNX calls it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = source.model

        def forward(self, *values: Any) -> Any:
            output = self.model(**dict(zip(names, values, strict=True)))
            if source.task == "embed":
                return output.last_hidden_state
            return output.logits[:, 1:2] - output.logits[:, 0:1] if two else output.logits

    return Positional().eval()


def torch_output(source: Source, inputs: Inputs) -> NDArray[np.float32]:
    """Run the torch model on padded inputs."""
    torch, _ = import_torch()
    with torch.no_grad():
        tensors = tuple(torch.from_numpy(inputs[name]) for name in input_names(source))
        return cast(NDArray[np.float32], module(source)(*tensors).numpy())


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Keep the library's own progress bars and tables of weights off stderr, where ours are."""
    logging = transformers.utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _check(model: str, task: Task, loaded: Any, info: Mapping[str, Any], tokenizer: Any) -> None:
    unused = ("pooler.", "position_ids")
    if missing := sorted(name for name in info["missing_keys"] if not any(part in name for part in unused)):
        raise BundleError(
            f"{model} lacks {len(missing)} weights of a model to {task}, {missing[0]} first: they would be random; "
            "its file was truncated, or it was trained for another task"
        )
    if wrong := sorted(info["mismatched_keys"]):
        name, found, wanted = wrong[0]
        raise BundleError(
            f"{model} holds {name} of shape {tuple(found)}, its config.json says {tuple(wanted)} ({len(wrong)} weights "
            "differ so); config and weights are of two models"
        )
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise BundleError(f"{model} holds no tokenizer (tokenizer.json or a vocabulary); save it beside the weights")
    if task == "rerank" and loaded.config.num_labels not in (1, 2):
        raise BundleError(f"{model} gives {loaded.config.num_labels} scores a pair, a reranker gives one or two")


def _positions(config: Any) -> int:
    rows = int(getattr(config, "max_position_embeddings", 512) or 512)
    return rows - int(config.pad_token_id or 0) - 1 if config.model_type in OFFSET_POSITIONS else rows


def model_file(model: str, name: str) -> Path | None:
    """Return a file of a folder or of the hub's copy on this machine or on the hub; None when it is not there."""
    if Path(model).is_dir():
        return Path(model) / name
    from transformers.utils import cached_file

    found = cached_file(
        model, name, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )  # fmt: skip
    return Path(found) if found else None


def read_json(path: Path | None) -> Mapping[str, Any]:
    """Return a JSON object of a model's folder, empty where there is none. Raises BundleError when it is none."""
    if path is None or not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"cannot read {path}: {error}") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} is not a JSON object")
    return data


def _pooling(config: Mapping[str, Any]) -> Pooling:
    """Read both layouts of a sentence-transformers pooling file."""
    mode = config.get("pooling_mode")
    if mode == "cls" or config.get("pooling_mode_cls_token"):
        return "cls"
    if mode in (None, "mean") and config.get("pooling_mode_mean_tokens", True):
        return "mean"
    raise BundleError(f"the model pools by {mode or 'another mode'}; mean and cls are supported")
