from pathlib import Path

from ingest.feeds import ListFeed
from ingest.lanes import OwnProcess
from ingest.run import read_chunks
from ingest.words import count_words, pack_words
from rerank.understanding.field_values import read_values, write_values
from rerank.understanding.vocabulary import read_vocabulary, write_vocabulary
from tests.ingest.test_run import stages

PRODUCTS: list[dict[str, object]] = [
    {"id": "1", "title": "Oak tables", "lang": "en", "brand": "Acme", "attrs": {"colour": "brown"}},
    {"id": "2", "title": "Oak chair", "lang": "en", "brand": "Acme", "attrs": {"colour": "brown"}},
    {"id": "3", "title": "Tisch, Eiche", "lang": "de", "text": "f\xfcr's B\xfcro"},
]


def test_packed_words_are_those_of_the_vocabulary_and_are_written_when_told(tmp_path: Path) -> None:
    counter = count_words(read_chunks([ListFeed(PRODUCTS)], 2), OwnProcess(stages()))
    words, values = pack_words(tmp_path / "packed", "shop", counter)
    assert not (tmp_path / "packed").exists()
    vocabulary = counter.vocabulary()
    expected = write_vocabulary(tmp_path, "shop", vocabulary), write_values(tmp_path, "shop", counter.values.rows())
    assert (words.write().read_bytes(), values.write().read_bytes()) == tuple(one.read_bytes() for one in expected)
    assert read_vocabulary(words.target) == vocabulary
    assert vocabulary.frequency("en", "oak table") == 1
    assert vocabulary.frequency("de", "eiche") == 1
    assert {named.field for named in read_values(values.target).named("brown")} == {"attrs.colour"}
    assert {path.name for path in (tmp_path / "packed").rglob("*") if path.is_file()} == {"shop.tsv.gz"}
