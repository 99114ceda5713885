from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.understanding.vocabulary import VocabularyCounter, read_vocabulary, singular, write_vocabulary


def test_documents_are_counted_and_not_occurrences() -> None:
    counter = VocabularyCounter()
    counter.add("en", "USB hub\nusb hubs, USB")
    counter.add("en", "hub")
    counter.add("ja", "ハブ")
    counter.add("und", "hub")
    vocabulary = counter.vocabulary()
    assert vocabulary.size("en") == 2
    assert vocabulary.frequency("en", "hub") == 2
    assert vocabulary.frequency("en", "usb hub") == 1
    assert vocabulary.frequency("en", "hub usb") == 1
    assert vocabulary.languages() == {"en"}


def test_no_pair_spans_two_lines() -> None:
    counter = VocabularyCounter()
    counter.add("de", "maus\nkabel")
    assert counter.vocabulary().frequency("de", "maus kabel") == 0


@pytest.mark.parametrize(
    ("plural", "word"),
    [("batteries", "battery"), ("cases", "case"), ("boxes", "box"), ("bus", "bus"), ("glass", "glass")],
)
def test_english_plurals_are_stripped(plural: str, word: str) -> None:
    assert singular(plural) == word


def test_what_is_written_is_read_and_equal_catalogues_give_equal_files(tmp_path: Path) -> None:
    counter = VocabularyCounter()
    for text in ("wireless mouse", "wireless mouse", "rare word"):
        counter.add("en", text)
    vocabulary = counter.vocabulary(minimum=2)
    path = write_vocabulary(tmp_path, "shop", vocabulary)
    assert path == tmp_path / "vocabulary" / "shop.tsv.gz"
    assert read_vocabulary(path) == vocabulary
    first = path.read_bytes()
    assert write_vocabulary(tmp_path, "shop", vocabulary).read_bytes() == first
    assert vocabulary.frequency("en", "rare") == 0


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tsv.gz").write_bytes(b"plain text")
    with pytest.raises(ResourceError, match="ingest the catalogue again"):
        read_vocabulary(tmp_path / "other.tsv.gz")


def test_memory_is_bounded_and_frequent_words_stay() -> None:
    counter = VocabularyCounter(max_terms=100)
    for place in range(1050):
        counter.add("en", f"wireless\nserial{place}")
        assert len(counter.vocabulary().counts["en"]) <= 100
    vocabulary = counter.vocabulary()
    assert vocabulary.frequency("en", "wireless") == vocabulary.size("en") == 1050
    assert vocabulary.frequency("en", "serial1049") == 1
    assert vocabulary.frequency("en", "serial0") == 0
