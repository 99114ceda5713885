from dataclasses import replace
from pathlib import Path

from rerank.exporting.model_card import model_card
from tests.rerank.tiny import tiny_reranker


def test_the_forms_that_were_tried_are_a_table(tmp_path: Path) -> None:
    tried = [
        {"variant": "static", "megabytes": 1.0, "cpu_ms_per_100": 2.0, "ndcg_share": 0.9, "tau": 0.8, "refused": "tau"},
        {
            "variant": "dynamic",
            "megabytes": 1.0,
            "cpu_ms_per_100": 3.0,
            "ndcg_share": 1.0,
            "tau": 0.99,
            "refused": None,
        },
    ]
    manifest = tiny_reranker(tmp_path / "bundle").manifest
    text = model_card(replace(manifest, metrics={"int8_to_fp32": {"variant": "dynamic", "tau": 0.99, "tried": tried}}))
    assert "| static | 1.0 | 2.0 | 0.9 | 0.8 | tau |" in text
    assert "| dynamic | 1.0 | 3.0 | 1.0 | 0.99 | chosen |" in text
    assert '"tried"' not in text


def test_a_card_says_what_the_manifest_says(tmp_path: Path) -> None:
    manifest = tiny_reranker(tmp_path / "bundle", licence="mit", languages=("en", "de")).manifest
    text = model_card(manifest)
    assert text.startswith("# bundle\n")
    assert "- Licence: mit\n- Languages: en, de\n" in text
    assert "Forms tried" not in text
