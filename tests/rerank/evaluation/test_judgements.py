import gzip
from pathlib import Path

import pytest

from rerank.evaluation.judgements import (
    JudgedQuery,
    Judgement,
    JudgementError,
    read_qrels,
    read_queries,
    write_run,
)


def test_queries_from_json_lines_keep_language_and_split(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.write('{"id": "a", "text": "Zelt", "lang": "de", "split": "dev"}\n\n{"id": 7, "text": "tent"}\n')
    assert read_queries(path) == [JudgedQuery("a", "Zelt", "de", "dev"), JudgedQuery("7", "tent")]
    assert read_queries(path, split="dev") == [JudgedQuery("a", "Zelt", "de", "dev")]


def test_queries_from_tabs_drop_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "queries.tsv"
    path.write_text("\ufeffq1\tred shoes\r\n", encoding="utf-8")
    assert read_queries(path) == [JudgedQuery("q1", "red shoes")]


@pytest.mark.parametrize("line", ['{"id": "a"}', "[1]", "{", '{"id": "a", "text": 3}'])
def test_a_bad_query_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n' + line, encoding="utf-8")
    with pytest.raises(JudgementError, match=r"queries\.jsonl line 2"):
        read_queries(path)


def test_a_split_that_no_query_has_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"id": "a", "text": "x", "split": "train"}', encoding="utf-8")
    with pytest.raises(JudgementError, match="no query of split 'dev'"):
        read_queries(path, split="dev")


def test_qrels_with_a_header_ignore_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("judge\tquery_id\tdoc_id\trelevance\nhuman\tq\td\t3\n", encoding="utf-8")
    assert read_qrels(path) == [Judgement("q", "d", 3)]


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_qrels_in_trec_columns(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text("q 0 d 3\nq 0 e 0\n".replace(" ", separator), encoding="utf-8")
    assert read_qrels(path) == [Judgement("q", "d", 3), Judgement("q", "e", 0)]


@pytest.mark.parametrize(
    "text", ["", "query_id\tdoc_id\trelevance\n", "a\tb\n", "query_id\tdoc_id\trelevance\nq\td\thigh\n"]
)
def test_bad_qrels_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(JudgementError, match=r"qrels\.tsv"):
        read_qrels(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JudgementError, match=r"nowhere\.tsv"):
        read_qrels(tmp_path / "nowhere.tsv")


def test_a_run_has_trec_columns_and_ranks_from_one(tmp_path: Path) -> None:
    write_run(tmp_path / "run.txt", "hybrid", {"q": [("d", 2.5), ("e", 1.0)]})
    assert (tmp_path / "run.txt").read_text() == "q Q0 d 1 2.5 hybrid\nq Q0 e 2 1 hybrid\n"
