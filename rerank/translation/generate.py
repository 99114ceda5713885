"""Writes a translation token by token: greedily, or following a few hypotheses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs
from rerank.manifest import Generation
from rerank.session import Session

NEVER = np.float32(-1e9)

Ids = NDArray[np.int64]
Kept = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Written:
    """A translation's tokens, its end left out, and the mean log probability of each, the end's among them."""

    tokens: tuple[int, ...]
    score: float


@dataclass(slots=True)
class _Sentence:
    """What was found of one text: the hypotheses that came to their end, best first."""

    ended: list[Written] = field(default_factory=list)

    def add(self, written: Written, most: int) -> None:
        self.ended = sorted([*self.ended, written], key=lambda one: -one.score)[:most]


class Decoder:
    """The two graphs of a translator, and what they keep of a batch between steps."""

    def __init__(self, encoder: Session, decoder: Session, generation: Generation) -> None:
        self.encoder, self.decoder, self.generation = encoder, decoder, generation
        layers = sum(name.startswith("past_key_") for name in decoder.inputs)
        self._slots = [f"{part}_{layer}" for layer in range(layers) for part in ("key", "value")]

    def read(self, inputs: Inputs) -> Kept:
        """Encode a padded batch; return the cross keys and values."""
        return self.encoder.run_named(inputs, [f"cross_{slot}" for slot in self._slots])

    def begin(self, mask: Ids, cross: Kept, first: int | None) -> tuple[Ids, Kept]:
        """Return the token that the first step takes in each row, and what is past then: the token `first`, where
        every translation begins with one, is written already."""
        past: Kept = {f"past_{slot}": cross[f"cross_{slot}"][:, :, :0] for slot in self._slots}
        last = np.full(len(mask), self.generation.start)
        if first is None:
            return last, past
        _, _, past = self.step(last, mask, cross, past, 1)
        return np.full(len(mask), first), past

    def step(
        self, last: Ids, mask: Ids, cross: Kept, past: Kept, choices: int
    ) -> tuple[Ids, NDArray[np.float32], Kept]:
        """Take the token written last in each row (n,); return the best next ones (n, choices), their log
        probabilities and what is past then."""
        inputs = self.given(last, mask, cross, past, choices)
        names = [f"present_{slot}" for slot in self._slots]
        made = self.decoder.run_named(inputs, ["tokens", "scores", *names])
        return made["tokens"], made["scores"], {f"past_{slot}": made[f"present_{slot}"] for slot in self._slots}

    def given(self, last: Ids, mask: Ids, cross: Kept, past: Kept, choices: int) -> dict[str, Any]:
        """Return what the decoder's graph is given for a step."""
        inputs: dict[str, Any] = {"input_ids": last[:, None], "attention_mask": mask, **cross, **past}
        return {**inputs, "choices": np.array([choices])}


def write(decoder: Decoder, inputs: Inputs, *, beam: int, longest: int, first: int | None = None) -> list[Written]:
    """Translate a padded batch.

    Rows whose texts have come to their end leave the batch, so that the others go on faster.

    Args:
        decoder: the model.
        inputs: `input_ids` and `attention_mask`, int64 (n, read).
        beam: hypotheses of each text; 1: the most probable token each time.
        longest: tokens after which a translation is cut off.
        first: the token that every translation begins with, not given back: the language of a model of many.

    Returns:
        One a row, in order.

    Source: beam search as in Wu et al., 2016, arXiv:1609.08144, with their length normalization at alpha 1: a
    hypothesis is worth its mean log probability.
    """
    rows = len(inputs["input_ids"])
    cross, mask = decoder.read(inputs), inputs["attention_mask"]
    if beam > 1:
        cross, mask = _take(cross, np.repeat(np.arange(rows), beam)), np.repeat(mask, beam, axis=0)
    last, past = decoder.begin(mask, cross, first)
    search = _Search(rows, beam, decoder.generation)
    for length in range(1, longest + 1):
        tokens, scores, past = decoder.step(last, mask, cross, past, search.choices)
        origin, last = search.advance(tokens, scores, length)
        if not len(last):
            break
        if len(origin) < len(mask):
            cross, mask = _take(cross, origin), mask[origin]
        if not np.array_equal(origin, np.arange(len(tokens))):
            past = _take(past, origin)
    return search.best(longest)


class _Search:
    """The hypotheses of the texts that are not done yet: `beam` rows of each, side by side."""

    def __init__(self, texts: int, beam: int, generation: Generation) -> None:
        self._beam, self._end = beam, generation.end
        self.choices = 2 * beam if beam > 1 else 1
        self._found = [_Sentence() for _ in range(texts)]
        self._texts = np.arange(texts)
        self._tokens = np.zeros((texts, beam, 0), np.int64)
        self._scores = np.full((texts, beam), NEVER)
        self._scores[:, 0] = 0  # all beams begin alike: one of them counts

    def advance(self, tokens: Ids, scores: NDArray[np.float32], length: int) -> tuple[Ids, Ids]:
        """Go on with the best next tokens (rows, choices), their log probabilities given; `length` is how many tokens
        a hypothesis has then. Return the row that each kept row comes from, and its last token."""
        texts, beam = len(self._texts), self._beam
        totals = (self._scores.reshape(-1, 1) + scores).reshape(texts, -1)
        order = np.argsort(-totals, axis=1, kind="stable")[:, : self.choices]
        candidates = np.take_along_axis(totals, order, 1)
        chosen = np.take_along_axis(tokens.reshape(texts, -1), order, 1)
        parents = order // tokens.shape[1]
        ends = chosen == self._end
        for text, place in zip(*np.nonzero(ends[:, :beam]), strict=True):
            written = tuple(map(int, self._tokens[text, parents[text, place]]))
            self._found[self._texts[text]].add(Written(written, float(candidates[text, place]) / length), beam)
        going = np.argsort(ends, axis=1, kind="stable")[:, :beam]
        self._scores = np.where(
            np.take_along_axis(ends, going, 1), NEVER, np.take_along_axis(candidates, going, 1)
        ).astype(np.float32)
        parents, last = np.take_along_axis(parents, going, 1), np.take_along_axis(chosen, going, 1)
        self._tokens = np.concatenate(
            [np.take_along_axis(self._tokens, parents[:, :, None], 1), last[:, :, None]], axis=2
        )
        alive = np.array([not self._done(text, length) for text in range(texts)], bool)
        rows = (np.arange(texts)[:, None] * beam + parents)[alive]
        self._texts, self._tokens, self._scores = self._texts[alive], self._tokens[alive], self._scores[alive]
        return rows.reshape(-1), last[alive].reshape(-1)

    def best(self, length: int) -> list[Written]:
        """Return the best hypothesis of each text; one that did not come to its end only where none did."""
        for text, tokens, scores in zip(self._texts, self._tokens, self._scores, strict=True):
            if not self._found[text].ended:
                self._found[text].add(Written(tuple(map(int, tokens[0])), float(scores[0]) / length), self._beam)
        return [one.ended[0] for one in self._found]

    def _done(self, text: int, length: int) -> bool:
        """Say whether no hypothesis that goes on can be better than those that came to their end."""
        ended = self._found[self._texts[text]].ended
        return len(ended) == self._beam and float(self._scores[text, 0]) / length <= ended[-1].score


def _take(kept: Kept, rows: Ids) -> Kept:
    return {name: value[rows] for name, value in kept.items()}
