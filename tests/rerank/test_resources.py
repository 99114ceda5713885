import gzip
from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.resources import Resources, load_resources, write_glossary
from rerank.understanding.vocabulary import VocabularyCounter, write_vocabulary


def test_a_folder_that_is_absent_is_empty(tmp_path: Path) -> None:
    resources = load_resources(tmp_path / "nowhere")
    assert resources.glossaries() == ()
    assert resources.vocabulary("shop") is None
    assert resources.vocabulary(None) is None


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    resources = Resources(tmp_path, recheck_seconds=0.0)
    counter = VocabularyCounter()
    counter.add("en", "mouse")
    write_vocabulary(tmp_path, "shop", counter.vocabulary())
    first = resources.vocabulary("shop")
    assert first is resources.vocabulary("shop")
    counter.add("en", "mouse")
    write_vocabulary(tmp_path, "shop", counter.vocabulary())
    second = resources.vocabulary("shop")
    assert second is not None
    assert second.frequency("en", "mouse") == 2


def test_an_alias_cannot_leave_the_folder(tmp_path: Path) -> None:
    assert Resources(tmp_path).vocabulary("../shop") is None


def test_a_wrong_glossary_is_not_copied(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("only one column\n")
    with pytest.raises(ResourceError):
        write_glossary(tmp_path / "resources", "mine", wrong)
    assert not list((tmp_path / "resources").rglob("*.tsv"))


def test_a_gzipped_glossary_is_copied_plain(tmp_path: Path) -> None:
    source = tmp_path / "mine.tsv.gz"
    source.write_bytes(gzip.compress(b"en\tde\nmouse\tMaus\n"))
    write_glossary(tmp_path / "resources", "mine", source)
    (glossary,) = Resources(tmp_path / "resources").glossaries()
    assert glossary.lookup("maus", "de", "en") == ("mouse",)


def test_a_glossary_that_is_broken_while_searches_run_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "glossary" / "mine.tsv"
    path.parent.mkdir()
    path.write_text("en\tde\nmouse\tMaus\n")
    resources = Resources(tmp_path, recheck_seconds=0.0)
    before = resources.glossaries()
    path.write_text("en\tde\nmouse\n")
    assert resources.glossaries() == before
    path.write_text("en\tde\nkeyboard\tTastatur\n")
    assert resources.glossaries()[0].lookup("tastatur", "de", "en") == ("keyboard",)
