"""Other programs that score pairs with the same torch weights: they run in the bench's own loop when installed."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rerank.bundle import MODEL, TOKENIZER
from rerank.protocols import Pair

Scoring = Callable[[Sequence[Pair]], Any]
PEER_BATCH = 32
"""Pairs a batch: what these libraries take by default."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A loaded program: how it scores, on which device, and whether it runs the bundle's own ONNX file."""

    score: Scoring
    device: str
    runs_bundle: bool = False


def peer_loaders(model: str, bundle: Path, max_length: int) -> dict[str, Callable[[], Peer]]:
    """Return name -> what loads it, of each peer that is installed.

    Args:
        model: folder or hub name of the torch cross-encoder.
        bundle: the ONNX file of the same weights that a peer gets which runs ONNX alone.
        max_length: tokens of a pair.
    """
    peers: dict[str, Callable[[], Peer]] = {}
    if find_spec("sentence_transformers"):
        peers["sentence-transformers torch"] = partial(_sentence_transformers, model, max_length, "torch")
    if find_spec("sentence_transformers") and find_spec("optimum"):
        peers["sentence-transformers onnx"] = partial(_sentence_transformers, model, max_length, "onnx")
    if find_spec("rerankers"):
        peers["rerankers"] = partial(_rerankers, model)
    if find_spec("flashrank"):
        peers[f"FlashRank on {bundle.name}"] = partial(_flashrank, bundle, max_length)
    return peers


def _sentence_transformers(model: str, max_length: int, backend: Any) -> Peer:
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(model, max_length=max_length, backend=backend)

    def score(pairs: Sequence[Pair]) -> Any:
        texts = [(pair.query, pair.document) for pair in pairs]
        return encoder.predict(texts, batch_size=PEER_BATCH, show_progress_bar=False)

    return Peer(score, str(encoder.device))


def _flashrank(bundle: Path, max_length: int) -> Peer:
    """Put our ONNX file where it expects one of its own; scores pairs of one query, as it asks for."""
    from flashrank import Ranker, RerankRequest
    from flashrank.Config import model_file_map

    name = "ms-marco-MiniLM-L-12-v2"
    settings: dict[str, dict[str, Any]] = {
        "config.json": {"pad_token_id": 0},
        "tokenizer_config.json": {"model_max_length": max_length, "pad_token": "[PAD]"},
        "special_tokens_map.json": {},
    }
    with tempfile.TemporaryDirectory() as cache:
        folder = Path(cache) / name
        folder.mkdir()
        shutil.copyfile(bundle / MODEL, folder / model_file_map[name])
        shutil.copyfile(bundle / TOKENIZER, folder / TOKENIZER)
        for file, content in settings.items():
            (folder / file).write_text(json.dumps(content), encoding="utf-8")
        ranker = Ranker(name, cache, max_length, "WARNING")

    def score(pairs: Sequence[Pair]) -> Any:
        passages = [{"id": number, "text": pair.document} for number, pair in enumerate(pairs)]
        ranked = ranker.rerank(RerankRequest(pairs[0].query, passages))
        return [result["score"] for result in sorted(ranked, key=lambda result: result["id"])]

    return Peer(score, "cpu", runs_bundle=True)


def _rerankers(model: str) -> Peer:
    """Score pairs of one query, as this library asks for: of a request that mixes queries, the first counts."""
    from rerankers import Reranker

    ranker = Reranker(model, model_type="cross-encoder", verbose=0, batch_size=PEER_BATCH)

    def score(pairs: Sequence[Pair]) -> Any:
        documents = [pair.document for pair in pairs]
        ranked = ranker.rank(query=pairs[0].query, docs=documents, doc_ids=list(range(len(documents))))
        return [result.score for result in sorted(ranked.results, key=lambda result: result.document.doc_id)]

    return Peer(score, str(ranker.device))
