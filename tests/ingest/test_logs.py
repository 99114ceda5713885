"""What a run tells on stderr."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.logs import LEVELS, log_to_stderr


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    before = {name: (one.handlers, one.level, one.propagate) for name in LEVELS for one in [logging.getLogger(name)]}
    yield
    for name, (handlers, level, propagate) in before.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_every_line_is_json_whoever_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(as_json=True)
    logging.getLogger("polyrank.ingest.books").warning("%s is gone", "brand")
    logging.getLogger("rerank.translation").warning("the engine failed")
    logging.getLogger("rerank.resources").info("nobody asked")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["message"] for one in told] == ["brand is gone", "the engine failed"]
    log_to_stderr()
    logging.getLogger("polyrank.ingest").info("reading")
    assert capsys.readouterr().err == "reading\n"


def test_the_error_that_ends_a_run_is_told_like_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    given = ["run", str(tmp_path / "gone.csv"), "--index", "shop"]
    plain = CliRunner().invoke(main, given)
    assert (plain.exit_code, plain.stderr) == (4, f"error: there is no feed {tmp_path / 'gone.csv'}\n")
    told = CliRunner().invoke(main, [*given, "--log-format", "json"])
    assert told.exit_code == 4
    (line,) = map(json.loads, told.stderr.splitlines())
    assert line["message"] == f"there is no feed {tmp_path / 'gone.csv'}"
