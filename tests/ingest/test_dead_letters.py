import json
from pathlib import Path

import pytest

from ingest.dead_letters import DeadLetterFile, letters_path, refuse_other_letters
from ingest.document import DeadLetter
from ingest.errors import IngestError
from ingest.feeds import open_dead_letters
from tests.ingest.feed_contract import records


def test_no_letters_make_no_file(tmp_path: Path) -> None:
    with DeadLetterFile(tmp_path / "dead.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def letter(number: int, feed: str = "a", **told: object) -> DeadLetter:
    return DeadLetter(feed, number, "why", record={"id": number}, source=feed, **told)  # type: ignore[arg-type]


def write(path: Path, *letters: DeadLetter, settled: list[str] | None = None, replayed: bool = False) -> DeadLetterFile:
    """A run that ends well."""
    with DeadLetterFile(path, replayed=replayed) as file:
        for one in letters:
            file.write(one)
        file.settle(settled)
    return file


def fail(path: Path, *letters: DeadLetter, replayed: bool = False) -> None:
    """A run that ends with an error, after it said what it read."""

    def run() -> None:
        with DeadLetterFile(path, replayed=replayed) as file:
            for one in letters:
                file.write(one)
            file.settle(None)
            raise KeyError

    with pytest.raises(KeyError):
        run()


def lines_of(path: Path) -> list[tuple[str, int]]:
    return [(one["feed"], one["line"]) for one in map(json.loads, path.read_text().splitlines())]


def test_a_feed_that_was_read_to_its_end_settles_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    write(path, letter(1), letter(2), letter(3, "b"))
    assert write(path, letter(2), settled=["a"]).waiting == 1
    assert lines_of(path) == [("a", 2), ("b", 3)]
    write(path, settled=["a", "b"])
    assert not path.exists()


def test_letters_wait_while_their_records_are_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    write(path, letter(1), letter(2))
    assert write(path, settled=[]).waiting == 2
    file = write(path, letter(2, version=9), letter(4), settled=[])
    assert (file.count, file.waiting) == (2, 1)
    assert lines_of(path) == [("a", 2), ("a", 4), ("a", 1)]


def test_a_run_that_fails_loses_no_letter(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    fail(path, letter(1))
    assert lines_of(path) == [("a", 1)]
    fail(path, letter(2))
    assert lines_of(path) == [("a", 2), ("a", 1)]
    fail(path)
    assert lines_of(path) == [("a", 2), ("a", 1)]


def test_a_replay_leaves_what_failed_again_and_a_failed_one_all(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    write(path, *map(letter, range(5)))
    before = path.read_bytes()
    fail(path, letter(0), replayed=True)
    assert path.read_bytes() == before
    write(path, letter(3), replayed=True)
    assert lines_of(path) == [("a", 3)]
    write(path, replayed=True)
    assert list(tmp_path.iterdir()) == []


def test_lines_that_are_no_letters_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_bytes(b'{"feed": "a", "record": {"id": 1\n\n{"feed": "a", "raw": "\xe9"}')
    write(path, letter(2), settled=["b"])
    odd = path.read_bytes().splitlines()[1:]
    assert odd == [b'{"feed": "a", "record": {"id": 1', b'{"feed": "a", "raw": "\xe9"}']


def test_the_letters_of_another_alias_are_not_taken_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    for own in (letters_path("shop"), letters_path("shop-000002"), tmp_path / "dead.jsonl"):
        refuse_other_letters(own, "shop")
    with pytest.raises(IngestError, match="give --index other"):
        refuse_other_letters(letters_path("other"), "shop")


def test_letters_can_be_read_while_their_successors_are_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "dead.jsonl"
    with DeadLetterFile(path) as file:
        file.write(DeadLetter("a", 1, "why", record={"id": 1, "odd": "\ud800"}))
    with DeadLetterFile(path) as file:
        for entry in open_dead_letters(path).entries():
            file.write(DeadLetter(entry.feed, entry.line, "again", record=getattr(entry, "fields", None)))
        file.settle(None)
    assert file.count == 1
    assert records(open_dead_letters(path))[0].fields == {"id": 1, "odd": "\ud800"}


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with DeadLetterFile(tmp_path / "file" / "dead.jsonl") as file, pytest.raises(IngestError, match="--dead-letters"):
        file.write(DeadLetter("a", 1, "why"))
