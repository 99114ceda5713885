import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.evaluation.candidates import CandidateList, read_candidates
from rerank.evaluation.evaluate import evaluate, paired, query_class
from rerank.evaluation.judgements import JudgedQuery, JudgementError
from rerank.evaluation.page import evaluation_page
from rerank.protocols import Pair, Scores
from rerank.template import DEFAULT_TEMPLATE
from tests.rerank.tiny import tiny_reranker


class Longest:
    """Prefers long documents."""

    fingerprint = "longest"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        return np.array([len(pair.document) / 100 for pair in pairs], np.float32)


def lists() -> list[CandidateList]:
    """The relevant document is the longest and comes last; of "ax 5" nothing is relevant."""
    return [
        CandidateList(JudgedQuery("q1", "red shoes", "en"), ("a", "b"), ("x", "xx"), {"b": 1, "a": 0}),
        CandidateList(JudgedQuery("q2", "schuhe", "de"), ("a", "b"), ("x", "xx"), {"b": 1}),
        CandidateList(JudgedQuery("q3", "ax5 case", "de"), ("a", "b"), ("x", "xx"), {"a": 0}),
    ]


def test_the_measures_of_a_known_order() -> None:
    found = evaluate("longest", Longest(), lists())
    second = 1 / np.log2(3)
    assert found.systems["longest"]["nDCG@10"] == pytest.approx((1 + 1 + 0) / 3, abs=1e-5)
    assert found.systems["keep"]["nDCG@10"] == pytest.approx((second + second + 0) / 3, abs=1e-5)
    assert found.systems["keep"]["RR"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3, abs=1e-5)
    assert found.groups["language"]["de"] == {
        "queries": 2,
        "longest": 0.5,
        "keep": pytest.approx(second / 2, abs=1e-5),
        "shuffle": pytest.approx(found.groups["language"]["de"]["shuffle"]),
    }
    assert set(found.groups["class"]) == {"code", "one word", "two words"}
    assert found.differences["keep"]["wins"] == 2
    assert [row["query"] for row in found.best] == ["red shoes", "schuhe"]
    assert found.worst == []


def test_a_baseline_is_compared_query_by_query() -> None:
    found = evaluate("longest", Longest(), lists(), baseline=("same", Longest()))
    assert found.differences["same"] == {
        "delta": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "wins": 0, "losses": 0, "ties": 3
    }  # fmt: skip


def test_the_interval_holds_the_difference() -> None:
    system = {str(number): 0.5 + number / 100 for number in range(20)}
    found = paired(system, dict.fromkeys(system, 0.5))
    assert found["low"] < found["delta"] < found["high"]
    assert found["delta"] == pytest.approx(sum(range(20)) / 20 / 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("hdmi2 cable", "code"), ("mouse", "one word"), ("a b", "two words"), ("a b 12", "three words or more")],
)
def test_the_class_of_a_query(text: str, expected: str) -> None:
    assert query_class(text) == expected


def test_the_page_holds_everything_itself() -> None:
    text = evaluation_page("a <b>", evaluate("a <b>", Longest(), lists()))
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}

    Reader().feed(text)
    assert tags.count("svg") == 4
    assert "script" not in tags
    assert "b" not in tags


def test_the_command_reads_files_and_writes_json_and_page(tmp_path: Path) -> None:
    bundle = tiny_reranker(tmp_path / "bundle").path
    rows = [{"query_id": "1", "doc_id": str(n), "fields": {"title": word}} for n, word in enumerate(("usb", "hose"))]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "q.tsv").write_text("1\tusb cable\n2\tred shoes\n3\tgarden hose\n")
    (tmp_path / "qrels.tsv").write_text("query_id\tdoc_id\trelevance\n1\t0\t3\n2\t0\t1\n3\t0\t0\n9\t0\t1\n")
    names = {"candidates": "c.jsonl", "queries": "q.tsv", "qrels": "qrels.tsv"}
    options = [item for name, file in names.items() for item in (f"--{name}", str(tmp_path / file))]
    arguments = ["evaluate", str(bundle), *options, "--html", str(tmp_path / "page.html"), "--baseline", str(bundle)]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["without_candidates"] == 1
    assert "1 judged queries have no candidate" in result.stderr
    assert set(json.loads(result.stdout)["systems"]) == {"bundle", "baseline bundle", "keep", "shuffle"}
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert CliRunner().invoke(main, arguments).exit_code == 0


@pytest.mark.parametrize("line", ['{"doc_id": "1", "fields": {}}', '{"query": "x"}', "[]", "no json"])
def test_a_broken_candidate_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "c.jsonl").write_text('{"query": "x", "text": "y"}\n' + line)
    with pytest.raises(JudgementError, match=r"c\.jsonl line 2"):
        read_candidates(tmp_path / "c.jsonl", DEFAULT_TEMPLATE)


def test_lists_without_judgements_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"query": "x", "text": "y"}\n')
    with pytest.raises(JudgementError, match="give --qrels"):
        evaluate("longest", Longest(), read_candidates(tmp_path / "c.jsonl", DEFAULT_TEMPLATE))
