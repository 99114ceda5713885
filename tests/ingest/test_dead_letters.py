from pathlib import Path

import pytest

from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter
from ingest.errors import IngestError
from ingest.feeds import open_dead_letters
from tests.ingest.feed_contract import records


def test_no_letters_make_no_file(tmp_path: Path) -> None:
    with DeadLetterFile(tmp_path / "dead.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_letters_empties_the_file_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").write_text("old\n")
    with DeadLetterFile(tmp_path / "dead.jsonl"):
        pass
    assert (tmp_path / "dead.jsonl").read_text() == ""


def test_letters_can_be_read_while_their_successors_are_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "dead.jsonl"
    with DeadLetterFile(path) as file:
        file.write(DeadLetter("a", 1, "why", record={"id": 1, "odd": "\ud800"}))
    with DeadLetterFile(path) as file:
        for entry in open_dead_letters(path).entries():
            file.write(DeadLetter(entry.feed, entry.line, "again", record=getattr(entry, "fields", None)))
    assert file.count == 1
    assert records(open_dead_letters(path))[0].fields == {"id": 1, "odd": "\ud800"}


def test_letters_survive_an_error_of_the_run(tmp_path: Path) -> None:
    def run() -> None:
        with DeadLetterFile(tmp_path / "dead.jsonl") as file:
            file.write(DeadLetter("a", 1, "why"))
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert (tmp_path / "dead.jsonl").read_text().count("\n") == 1


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with DeadLetterFile(tmp_path / "file" / "dead.jsonl") as file, pytest.raises(IngestError, match="--dead-letters"):
        file.write(DeadLetter("a", 1, "why"))
