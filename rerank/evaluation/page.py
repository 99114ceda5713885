"""An evaluation as one self-contained HTML page."""

import numpy as np

from rerank.evaluation.evaluate import MAIN, Evaluation
from rerank.evaluation.plots import bars, page, table


def evaluation_page(name: str, found: Evaluation) -> str:
    """Return the page: measures, differences, groups and telling queries, with plots."""
    change = {
        other: np.array([found.values[name][q] - values[q] for q in values]) for other, values in found.values.items()
    }
    gains = {
        other: {"better": float((d > 0).mean()), "equal": float((d == 0).mean()), "worse": float((d < 0).mean())}
        for other, d in change.items()
        if other != name
    }
    sections = {
        f"{found.queries} queries": table([{"system": key, **values} for key, values in found.systems.items()]),
        f"{MAIN} by system": bars({key: {MAIN: values[MAIN]} for key, values in found.systems.items()}, MAIN),
        f"Difference in {MAIN}, paired": table([{"to": key, **values} for key, values in found.differences.items()]),
        "Share of queries": bars(gains, "share"),
    }
    for kind, groups in found.groups.items():
        plain = {group: {key: v for key, v in values.items() if key != "queries"} for group, values in groups.items()}
        sections[f"By {kind}"] = bars(plain, MAIN) + table([{kind: key, **v} for key, v in groups.items()])
    sections |= {"Most improved queries": table(found.best), "Most harmed queries": table(found.worst)}
    return page(f"Evaluation of {name}", sections)
