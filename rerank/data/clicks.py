"""Training pairs from clicks: how much a document is liked once its place is accounted for, as grade and teacher."""

from collections import Counter
from collections.abc import Sequence

from rerank.data.click_log import ClickLog
from rerank.data.documents import Documents
from rerank.data.judged import Built
from rerank.data.position_model import fit_position_model
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError

GRADES = (0.1, 0.3, 0.6)
"""Attractiveness from which a document has grade 1, 2 and 3."""

FEWEST = 5
"""Impressions below which a document says nothing about its query."""


def clicked_pairs(
    log: ClickLog, documents: Documents, *, grades: Sequence[float] = GRADES, fewest: int = FEWEST
) -> Built:
    """Fit the position-based model and grade each (query, document) that was shown often enough.

    A pair's `teacher` is its attractiveness, for the losses that learn probabilities; its `relevance` the number of
    `grades` that it reaches, one more (up to the highest) where somebody bought. Queries nobody clicked are left out:
    nothing tells their documents apart. Pairs are in the order of query and document id.

    Raises:
        TrainingError: `grades` do not rise within 0..1, or no pair is left.
    """
    if list(grades) != sorted(set(grades)) or not grades or not 0.0 < grades[0] <= grades[-1] <= 1.0:
        raise TrainingError(f"grades must be rising numbers from 0 to 1, not {list(grades)}")
    model = fit_position_model(log.impressions)
    shown = Counter((item.query, item.doc_id) for item in log.impressions)
    bought = {(item.query, item.doc_id) for item in log.impressions if item.bought}
    answered = {item.query for item in log.impressions if item.clicked}
    left_out: Counter[str] = Counter(log.left_out)
    pairs: list[TrainingPair] = []
    for (query, doc_id), liked in model.attractiveness.items():
        if query not in answered:
            left_out["documents of queries without a click"] += 1
        elif shown[query, doc_id] < fewest:
            left_out[f"documents shown fewer than {fewest} times"] += 1
        elif doc_id not in documents:
            left_out["documents that the catalogue lacks"] += 1
        else:
            grade = sum(liked >= bound for bound in grades) + ((query, doc_id) in bought)
            pairs.append(TrainingPair(query, documents[doc_id], min(grade, len(grades)), liked))
    if not pairs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise TrainingError(f"the click log makes no training pair ({reasons}); a longer log or --fewest 1 may")
    facts = {
        "impressions": len(log.impressions),
        "clicks": sum(item.clicked for item in log.impressions),
        "purchases": sum(item.bought for item in log.impressions),
        "impressions of documents seen at several ranks": round(model.moved, 4),
        "propensity": {str(rank): round(value, 4) for rank, value in model.propensity.items()},
    }
    return Built(pairs, dict(left_out), facts)
