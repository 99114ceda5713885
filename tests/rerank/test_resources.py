from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.resources import Resources, load_resources, write_glossary
from rerank.vocabulary import VocabularyCounter, write_vocabulary


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
