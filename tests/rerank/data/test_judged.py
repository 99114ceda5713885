"""Pairs from judgements: TREC, BEIR and JSON lines come to the same; what does not belong together is said."""

import json
from pathlib import Path

import pytest

from rerank.data.documents import read_documents
from rerank.data.judged import judged_from_files, judged_pairs, random_pairs, read_beir
from rerank.evaluation.judgements import JudgedQuery, Judgement
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError

DOCUMENTS = {
    "m1": {"title": "Red mouse", "attributes": "colour: red; wireless: true"},
    "k1": {"title": "Keyboard", "text": "mechanical"},
    "h1": {"title": "Garden hose"},
}
PAIRS = [TrainingPair("red mice", DOCUMENTS["m1"], 3), TrainingPair("red mice", DOCUMENTS["k1"], 0)]


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(
        tmp_path / "corpus.jsonl",
        {"_id": "m1", "title": "Red mouse", "attributes": {"colour": "red", "wireless": True}, "text": None},
        {"_id": "k1", "title": "Keyboard", "text": "mechanical"},
        {"_id": "h1", "title": "Garden hose"},
    )


def test_a_catalogue_keeps_its_fields_as_texts(corpus: Path) -> None:
    assert read_documents(corpus) == DOCUMENTS


def test_trec_beir_and_json_lines_are_the_same_pairs(tmp_path: Path, corpus: Path) -> None:
    queries = write(tmp_path / "queries.jsonl", {"id": "7", "_id": "7", "text": "red mice", "lang": "en"})
    trec = write(tmp_path / "qrels.txt", "7 0 m1 3", "7 0 k1 -2")
    write(tmp_path / "qrels/train.tsv", "query-id\tcorpus-id\tscore", "7\tm1\t3", "7\tk1\t0")
    lines = write(
        tmp_path / "judged.jsonl",
        {"query": "red mice", "doc_id": "m1", "relevance": 3},
        {"query": "red mice", "doc_id": "k1", "relevance": 0},
    )
    from_trec = judged_from_files(trec, queries, DOCUMENTS, split=None, random_negatives=0, seed=1)
    from_lines = judged_from_files(lines, None, DOCUMENTS, split=None, random_negatives=0, seed=1)
    from_beir = judged_pairs(*read_beir(tmp_path, "train"))
    assert from_trec.pairs == from_lines.pairs == from_beir.pairs == PAIRS
    assert from_trec.facts == {"languages": {"en": 1}}


def test_what_is_left_out_is_counted() -> None:
    judgements = [Judgement("1", "m1", 1), Judgement("1", "gone", 2), Judgement("2", "m1", 1)]
    built = judged_pairs([JudgedQuery("1", "mouse")], judgements, DOCUMENTS)
    assert built.left_out == {"judgements without their document": 1, "judgements without their query": 1}


def test_files_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(TrainingError, match="belong together"):
        judged_pairs([JudgedQuery("1", "mouse")], [Judgement("1", "gone", 2)], DOCUMENTS)


def test_random_negatives_share_no_word_with_the_query() -> None:
    drawn = random_pairs("mechanical hoses", DOCUMENTS, 5, seed=1)
    assert [pair.fields["title"] for pair in drawn] == ["Red mouse"]
    assert drawn == random_pairs("mechanical hoses", DOCUMENTS, 5, seed=1)


@pytest.mark.parametrize(
    "row", ['["a"]', "nonsense", '{"query": "a", "relevance": 1.5, "doc_id": "b"}', '{"query": " "}']
)
def test_a_broken_line_is_named(tmp_path: Path, row: str) -> None:
    path = write(tmp_path / "judged.jsonl", row)
    with pytest.raises(TrainingError, match="line 1"):
        judged_from_files(path, None, DOCUMENTS, split=None, random_negatives=0, seed=1)


@pytest.mark.parametrize(
    ("rows", "reason"), [(['{"a": 1}'], "line 1"), (['{"id": 1}'] * 2, "twice"), ([], "no document")]
)
def test_a_broken_catalogue_is_named(tmp_path: Path, rows: list[str], reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        read_documents(write(tmp_path / "corpus.jsonl", *rows))
