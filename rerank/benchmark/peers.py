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
        peers["rerankers"] = partial(_rerankers, model, max_length)
    if find_spec("flashrank"):
        peers[f"FlashRank on {bundle.name}"] = partial(_flashrank, bundle, max_length)
    if find_spec("fastembed"):
        peers[f"fastembed on {bundle.name}"] = partial(_fastembed, bundle, max_length)
    if find_spec("infinity_emb"):
        peers["Infinity"] = partial(_infinity, model, max_length)
    return peers


def _sentence_transformers(model: str, max_length: int, backend: Any) -> Peer:
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(model, max_length=max_length, backend=backend)

    def score(pairs: Sequence[Pair]) -> Any:
        texts = [(pair.query, pair.document) for pair in pairs]
        return encoder.predict(texts, batch_size=PEER_BATCH, show_progress_bar=False)

    return Peer(score, str(encoder.device))


def _lay_out(bundle: Path, folder: Path, model_file: str, max_length: int) -> None:
    """Write our ONNX file as a folder of the layout that libraries of ONNX models keep theirs in."""
    settings: dict[str, dict[str, Any]] = {
        "config.json": {"pad_token_id": 0},
        "tokenizer_config.json": {"model_max_length": max_length, "pad_token": "[PAD]"},
        "special_tokens_map.json": {},
    }
    (folder / model_file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle / MODEL, folder / model_file)
    shutil.copyfile(bundle / TOKENIZER, folder / TOKENIZER)
    for file, content in settings.items():
        (folder / file).write_text(json.dumps(content), encoding="utf-8")


def _flashrank(bundle: Path, max_length: int) -> Peer:
    """Put our ONNX file where it expects one of its own; scores pairs of one query, as it asks for."""
    from flashrank import Ranker, RerankRequest
    from flashrank.Config import model_file_map

    name = "ms-marco-MiniLM-L-12-v2"
    with tempfile.TemporaryDirectory() as cache:
        _lay_out(bundle, Path(cache) / name, model_file_map[name], max_length)
        ranker = Ranker(name, cache, max_length, "WARNING")

    def score(pairs: Sequence[Pair]) -> Any:
        passages = [{"id": number, "text": pair.document} for number, pair in enumerate(pairs)]
        ranked = ranker.rerank(RerankRequest(pairs[0].query, passages))
        return [result["score"] for result in sorted(ranked, key=lambda result: result["id"])]

    return Peer(score, "cpu", runs_bundle=True)


def _fastembed(bundle: Path, max_length: int) -> Peer:
    """Give it our ONNX file as the local folder of one of its models; it scores logits of any pairs."""
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    with tempfile.TemporaryDirectory() as folder:
        _lay_out(bundle, Path(folder), "onnx/model.onnx", max_length)
        encoder = TextCrossEncoder(
            "Xenova/ms-marco-MiniLM-L-6-v2", specific_model_path=folder, providers=["CPUExecutionProvider"]
        )

    def score(pairs: Sequence[Pair]) -> Any:
        texts = [(pair.query, pair.document) for pair in pairs]
        return list(encoder.rerank_pairs(texts, batch_size=PEER_BATCH))

    return Peer(score, "cpu", runs_bundle=True)


def _infinity(model: str, max_length: int) -> Peer:
    """Run its engine in this process, without its server; scores pairs of one query, as it asks for.

    It cuts pairs by the tokenizer's own `model_max_length`, so it gets a copy of the model that says ours.
    """
    import torch
    from infinity_emb import EngineArgs, SyncEngineArray
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        AutoModelForSequenceClassification.from_pretrained(model).save_pretrained(folder)
        AutoTokenizer.from_pretrained(model, model_max_length=max_length).save_pretrained(folder)
        settings = {"engine": "torch", "device": device, "dtype": "float32", "batch_size": PEER_BATCH}
        engine = SyncEngineArray(
            [EngineArgs(model_name_or_path=folder, served_model_name=model, model_warmup=False, **settings)]
        )

    def score(pairs: Sequence[Pair]) -> Any:
        documents = [pair.document for pair in pairs]
        ranked, _ = engine.rerank(model=model, query=pairs[0].query, docs=documents).result()
        return [result.relevance_score for result in sorted(ranked, key=lambda result: result.index)]

    return Peer(score, device)


def _rerankers(model: str, max_length: int) -> Peer:
    """Score pairs of one query, as this library asks for: of a request that mixes queries, the first counts."""
    from rerankers import Reranker

    reading = {"model_max_length": max_length}
    ranker = Reranker(
        model, model_type="cross-encoder", verbose=0, batch_size=PEER_BATCH, dtype="float32", tokenizer_kwargs=reading
    )

    def score(pairs: Sequence[Pair]) -> Any:
        documents = [pair.document for pair in pairs]
        ranked = ranker.rank(query=pairs[0].query, docs=documents, doc_ids=list(range(len(documents))))
        return [result.score for result in sorted(ranked.results, key=lambda result: result.document.doc_id)]

    return Peer(score, str(ranker.device))
