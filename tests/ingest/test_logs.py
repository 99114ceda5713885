"""What a run tells on stderr."""

import json
import logging
from collections.abc import Iterator

import pytest

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
