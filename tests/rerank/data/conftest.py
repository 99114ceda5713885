"""A shop whose files the steps of `rerank data` read."""

import json
from pathlib import Path

import pytest

from tests.rerank.tiny import WORDS

KINDS = tuple(" ".join(WORDS[at : at + 2]) for at in (4, 2, 6, 0))
"""Red shoes, usb cable, garden hose, wireless headphones."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop of twenty products, four judged queries and a run."""
    products = {f"{kind.split()[0]}-{number}": f"{kind} {number}" for kind in KINDS for number in range(5)}
    rows = [{"id": doc_id, "title": title, "brand": f"b{int(doc_id[-1]) % 2}"} for doc_id, title in products.items()]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.tsv").write_text("".join(f"{number}\t{kind}\n" for number, kind in enumerate(KINDS)))
    (tmp_path / "qrels.txt").write_text(
        "".join(f"{number} 0 {kind.split()[0]}-0 3\n" for number, kind in enumerate(KINDS))
    )
    hits = [f"{n} Q0 {doc} {r} {30 - r} x\n" for n in range(4) for r, doc in enumerate(products, start=1)]
    (tmp_path / "engine.run").write_text("".join(hits))
    return tmp_path
