"""How much of a model's ranking its reduced form keeps, per language, and whether that is enough."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.bundle import Bundle
from rerank.cross_encoder import CrossEncoder, activate
from rerank.embedder import SentenceEmbedder
from rerank.evaluation.candidates import CandidateList
from rerank.evaluation.metrics import ndcg
from rerank.manifest import Manifest, Task
from rerank.session import SessionOptions

Rankings = list[NDArray[np.float32]]
"""One array of scores a candidate list, in the order of its documents."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a reduced model must keep, in every language.

    `ndcg_share` of the fp32 model's nDCG@10; `tau` mean Kendall's tau-b to the fp32 order (rerankers); `cosine` mean
    cosine to the fp32 vectors (embedders).
    """

    ndcg_share: float = 0.995
    tau: float = 0.95
    cosine: float = 0.999


@dataclass(frozen=True, slots=True)
class Quality:
    """What was kept: the worst language counts. `difference_max` is of logits, or of cosines query to document."""

    queries: int
    ndcg_share: float
    tau: float
    difference_max: float
    cosine: float | None
    languages: Mapping[str, Mapping[str, float]]

    def missing(self, budget: Budget, task: Task) -> str | None:
        """Say what falls short of the budget, or None."""
        short = []
        if not self.ndcg_share >= budget.ndcg_share:
            share = f"{self.ndcg_share:.4f} of fp32{self._where('ndcg_share')}"
            short.append(f"nDCG@10 is {share} (at least {budget.ndcg_share})")
        if task == "rerank" and not self.tau >= budget.tau:
            short.append(f"Kendall's tau is {self.tau:.4f}{self._where('tau')} (at least {budget.tau})")
        if task == "embed" and not (self.cosine or 0.0) >= budget.cosine:
            short.append(f"the cosine is {self.cosine or 0.0:.4f}{self._where('cosine')} (at least {budget.cosine})")
        return ", ".join(short) or None

    def _where(self, key: str) -> str:
        """Name the worst language where there are several."""
        worst = min(self.languages, key=lambda code: self.languages[code][key])
        return f" in {worst}" if len(self.languages) > 1 else ""

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's form, without what does not apply."""
        data = asdict(self) | {"languages": {code: dict(values) for code, values in self.languages.items()}}
        return {key: value for key, value in data.items() if value is not None}


class Probe:
    """Runs bundles over the same candidate lists and compares each with the first, which is the measure."""

    def __init__(self, original: Bundle, lists: Sequence[CandidateList]) -> None:
        """Run the fp32 bundle."""
        self._lists, self._manifest = lists, original.manifest
        self._documents = list(dict.fromkeys(text for item in lists for text in item.documents))
        self._expected, self._vectors = self._run(original, None)

    def compare(self, bundle: Bundle, options: SessionOptions | None = None) -> Quality:
        """Run a reduced bundle and say what it keeps."""
        found, vectors = self._run(bundle, options)
        languages = compare_by_language(self._manifest, self._lists, self._expected, found)
        if vectors is not None and self._vectors is not None:
            cosines = (self._vectors * vectors).sum(axis=1)
            for code, values in languages.items():
                values["cosine"] = _short(cosines[self._rows(code)].mean())
        return Quality(
            queries=len(found),
            ndcg_share=min(values["ndcg_share"] for values in languages.values()),
            tau=min(values["tau"] for values in languages.values()),
            difference_max=_short(max(np.abs(a - b).max() for a, b in zip(self._expected, found, strict=True))),
            cosine=None if vectors is None else min(values["cosine"] for values in languages.values()),
            languages=languages,
        )

    def _rows(self, language: str) -> list[int]:
        """Return where the vectors of a language's queries and of their documents stand: queries first, each once."""
        lists = self._lists
        places = {text: len(lists) + row for row, text in enumerate(self._documents)}
        chosen = [row for row, item in enumerate(lists) if item.query.language == language]
        return [*chosen, *dict.fromkeys(places[text] for row in chosen for text in lists[row].documents)]

    def _run(self, bundle: Bundle, options: SessionOptions | None) -> tuple[Rankings, NDArray[np.float32] | None]:
        if bundle.manifest.task == "rerank":
            logits = CrossEncoder(bundle, options).logits([pair for item in self._lists for pair in item.pairs()])
            ends = np.cumsum([len(item.documents) for item in self._lists])
            return list(np.split(logits, ends[:-1])), None
        model = SentenceEmbedder(bundle, options)
        queries = model.embed_queries([item.query.text for item in self._lists])
        documents = model.embed_documents(self._documents)
        rows = {text: row for row, text in enumerate(self._documents)}
        chosen = [[rows[text] for text in item.documents] for item in self._lists]
        near = [documents[indices] @ query for indices, query in zip(chosen, queries, strict=True)]
        return near, np.concatenate([queries, documents])


def compare_by_language(
    manifest: Manifest, lists: Sequence[CandidateList], expected: Rankings, found: Rankings
) -> dict[str, dict[str, float]]:
    """Compare two models' scores of the same lists: language to nDCG@10 of both, its share, and Kendall's tau.

    Args:
        manifest: of the model that gave `expected`, whose scores are the gains of lists without judgements.
        lists: the candidates.
        expected: the first model's scores, a list each.
        found: the second model's.
    """
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for item, before, after in zip(lists, expected, found, strict=True):
        gains = _gains(manifest, item, before)
        ideal = None if item.grades is None else np.array(list(item.grades.values()), np.float64)
        both = ndcg(gains[_order(before)], ideal), ndcg(gains[_order(after)], ideal)
        rows[item.query.language].append((*both, _tau(before, after)))
    return {code: _language(values) for code, values in sorted(rows.items())}


def compare_rankings(
    manifest: Manifest, lists: Sequence[CandidateList], expected: Rankings, found: Rankings
) -> tuple[float, float, float]:
    """Return Kendall's tau and both nDCG@10, means over all lists; arguments as of `compare_by_language`."""
    languages = compare_by_language(manifest, lists, expected, found).values()
    weights = [values["queries"] for values in languages]
    keys = ("tau", "ndcg_fp32", "ndcg")
    tau, before, after = (float(np.average([item[key] for item in languages], weights=weights)) for key in keys)
    return tau, before, after


def _gains(manifest: Manifest, item: CandidateList, before: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what each candidate is worth: its grade, or without judgements what the first model gives it."""
    if item.grades is not None:
        return np.array([item.grades.get(doc_id, 0) for doc_id in item.doc_ids], np.float64)
    if manifest.task == "rerank":
        return activate(manifest, before).astype(np.float64)
    return np.maximum(before, 0).astype(np.float64)


def _order(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")


def _tau(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    from scipy.stats import kendalltau  # takes a second: only who compares waits for it

    if len(before) < 2:
        return 1.0
    statistic = float(kendalltau(before, after).statistic)
    if statistic == statistic:
        return statistic
    return float(np.array_equal(before, after))  # all equal on one side: no order to keep, or one that is lost


def _language(rows: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    before, after, tau = np.array(rows).mean(axis=0)
    return {
        "queries": len(rows),
        "ndcg_fp32": _short(before),
        "ndcg": _short(after),
        "ndcg_share": _short(after / before) if before else 1.0,
        "tau": _short(tau),
    }


def _short(number: Any) -> float:
    return round(float(number), 5)
