"""A Marian or NLLB model as two graphs: an encoder that also makes the decoder's cross keys and values, and one step of
the decoder, which gives the most probable next tokens. Needs the `train` extra.

The step is written out here, from the model's own weights: what transformers calls its cache changes from version to
version, the arithmetic does not. `check_translator` holds it to the model's own forward pass.
"""

import warnings
from pathlib import Path
from typing import Any

from rerank.bundle import DECODER, ENCODER
from rerank.errors import BundleError
from rerank.exporting.source import import_torch

OPSET = 17
FORBIDDEN = -1e9
"""Log probability of padding, which no text has."""

FAMILIES = {"marian": "marian", "m2m_100": "nllb"}
"""transformers' model_type to what a translation says made it."""


def layer_names(kind: str, layers: int) -> list[str]:
    """Return the names of one key and one value a layer, such as `past_key_0`."""
    return [f"{kind}_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]


def write_graphs(model: Any, folder: Path) -> None:
    """Trace both graphs of a transformers model into `encoder.onnx` and `decoder.onnx`.

    Encoder: `input_ids`, `attention_mask` (n, read) int64 -> `cross_key_I`, `cross_value_I` (n, heads, read, width).
    Decoder: `input_ids` (n, 1), `attention_mask`, `choices` (1,) int64, `cross_*`, `past_key_I`, `past_value_I` (n,
    heads, written, width) -> `tokens` (n, choices) int64, `scores` (n, choices) float32 log probabilities, best first,
    and `present_key_I`, `present_value_I`, one longer than what was past.

    Raises:
        BundleError: torch cannot trace it.
    """
    torch, _ = import_torch()
    layers, width = len(model.get_decoder().layers), model.config.d_model // model.config.decoder_attention_heads
    cross, past, present = (layer_names(kind, layers) for kind in ("cross", "past", "present"))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    ids = torch.full((2, 3), int(model.config.eos_token_id)) * mask + (1 - mask) * int(model.config.pad_token_id)
    read, written, longer = ({0: "batch", 2: name} for name in ("read", "written", "longer"))
    tokens = {name: {0: "batch", 1: "read"} for name in ("input_ids", "attention_mask")}
    encoder, decoder = _encoder(torch, model), _decoder(torch, model)
    with torch.no_grad():
        made = encoder(ids, mask)
        earlier = [torch.zeros(2, model.config.decoder_attention_heads, 2, width) for _ in past]
        _trace(
            torch, encoder, (ids, mask), folder / ENCODER, ["input_ids", "attention_mask"], cross,
            tokens | dict.fromkeys(cross, read),
        )  # fmt: skip
        axes = tokens | {
            "input_ids": {0: "batch"},
            "tokens": {0: "batch", 1: "best"},
            "scores": {0: "batch", 1: "best"},
        }
        axes |= dict.fromkeys(cross, read) | dict.fromkeys(past, written)
        axes |= dict.fromkeys(present, longer)
        _trace(
            torch, decoder, (ids[:, :1], mask, torch.tensor([2]), *made, *earlier), folder / DECODER,
            ["input_ids", "attention_mask", "choices", *cross, *past], ["tokens", "scores", *present], axes,
        )  # fmt: skip


def _trace(
    torch: Any, module: Any, tensors: tuple[Any, ...], target: Path, inputs: list[str], outputs: list[str], axes: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `export`
        try:
            torch.onnx.export(
                module, tensors, str(target), input_names=inputs, output_names=outputs, dynamic_axes=axes,
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        except Exception as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise BundleError(f"torch cannot export {target.stem} of the translator: {reason}") from error


def _encoder(torch: Any, model: Any) -> Any:
    class Encoder(torch.nn.Module):  # type: ignore[misc]
        """Reads texts; gives what every step of the decoder looks at."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.layers = model.get_encoder(), model.get_decoder().layers

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
            attentions = [layer.encoder_attn for layer in self.layers]
            return tuple(
                _heads(project(hidden), attention.num_heads)
                for attention in attentions
                for project in (attention.k_proj, attention.v_proj)
            )

    return Encoder().eval()


def _decoder(torch: Any, model: Any) -> Any:
    config, decoder = model.config, model.get_decoder()
    before = config.model_type != "marian"
    scale = config.d_model**0.5 if config.scale_embedding else 1.0
    rows = decoder.embed_positions.weights if before else decoder.embed_positions.weight
    first = decoder.embed_positions.padding_idx + 1 if before else 0

    class Decoder(torch.nn.Module):  # type: ignore[misc]
        """One step: the token written last, and what is kept of those before it."""

        def __init__(self) -> None:
            super().__init__()
            self.decoder, self.head, self.layers = decoder, model.lm_head, len(decoder.layers)
            self.register_buffer("positions", rows.detach().clone())
            bias = model.final_logits_bias if hasattr(model, "final_logits_bias") else torch.zeros(1)
            forbidden = torch.zeros(model.lm_head.out_features)
            forbidden[config.pad_token_id] = FORBIDDEN
            self.register_buffer("bias", bias.detach().clone())
            self.register_buffer("forbidden", forbidden)

        def forward(self, input_ids: Any, attention_mask: Any, choices: Any, *kept: Any) -> Any:
            cross, past = kept[: 2 * self.layers], kept[2 * self.layers :]
            hidden = torch.nn.functional.embedding(input_ids, self.decoder.embed_tokens.weight) * scale
            place = torch.arange(past[0].shape[2], past[0].shape[2] + 1) + first
            hidden = hidden + torch.nn.functional.embedding(place, self.positions)
            unread = (1.0 - attention_mask[:, None, None, :].float()) * FORBIDDEN
            present = []
            for number, layer in enumerate(self.decoder.layers):
                at = slice(2 * number, 2 * number + 2)
                hidden, grown = self.layer(layer, hidden, past[at], cross[at], unread)
                present += grown
            if before:
                hidden = self.decoder.layer_norm(hidden)
            logits = (self.head(hidden) + self.bias)[:, 0]
            scores, tokens = torch.topk(torch.log_softmax(logits, -1) + self.forbidden, choices[0])
            return (tokens, scores, *present)

        def layer(self, layer: Any, hidden: Any, past: Any, cross: Any, unread: Any) -> Any:
            own, read = layer.self_attn, layer.encoder_attn
            present: list[Any] = []

            def attend_own(states: Any) -> Any:
                for earlier, project in zip(past, (own.k_proj, own.v_proj), strict=True):
                    present.append(torch.cat([earlier, _heads(project(states), own.num_heads)], 2))
                return _attend(torch, own, states, present[0], present[1])

            def attend_read(states: Any) -> Any:
                return _attend(torch, read, states, cross[0], cross[1], unread)

            def feed_forward(states: Any) -> Any:
                return layer.fc2(layer.activation_fn(layer.fc1(states)))

            for norm, block in (
                (layer.self_attn_layer_norm, attend_own),
                (layer.encoder_attn_layer_norm, attend_read),
                (layer.final_layer_norm, feed_forward),
            ):
                hidden = hidden + block(norm(hidden)) if before else norm(hidden + block(hidden))
            return hidden, present

    return Decoder().eval()


def _heads(states: Any, heads: int) -> Any:
    """Part (n, tokens, d) into (n, heads, tokens, d / heads)."""
    return states.view(states.shape[0], states.shape[1], heads, states.shape[2] // heads).transpose(1, 2)


def _attend(torch: Any, attention: Any, states: Any, key: Any, value: Any, unread: Any = None) -> Any:
    query = _heads(attention.q_proj(states) * attention.scaling, attention.num_heads)
    weights = query @ key.transpose(2, 3)
    weights = torch.softmax(weights if unread is None else weights + unread, -1)
    joined = (weights @ value).transpose(1, 2)
    return attention.out_proj(joined.reshape(joined.shape[0], joined.shape[1], -1))
