"""A line gives what Python's own reader gives, whichever reads it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.json_feed import DECODER, parse_object

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        '"',
        '"a"',
        "1",
        "-0",
        "1e5",
        "1e999",
        "0.1",
        "NaN",
        "null",
        " ",
        "\\ud800",
        "\x01",
        "é",
    ]
)


def by_python(line: str) -> Any:
    try:
        return DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return str(error)


@given(st.dictionaries(st.text(), VALUES), st.booleans())
def test_objects_read_as_python_reads_them(value: dict[str, Any], ascii_only: bool) -> None:
    line = json.dumps(value, ensure_ascii=ascii_only)
    assert repr(parse_object(line)) == repr((by_python(line), ""))


@given(st.lists(PIECES, max_size=8).map(lambda parts: '{"a":' + "".join(parts) + "}"))
def test_broken_lines_fail_with_python_s_words(line: str) -> None:
    expected = by_python(line)
    assert parse_object(line) == ((None, f"not JSON: {expected}") if isinstance(expected, str) else (expected, ""))


@pytest.mark.parametrize(
    "line", ['{"a": "\\ud800"}', '{"a": 1e999}', '{"a": 123456789012345678901234567890}', '{"a": -0}']
)
def test_what_only_python_reads_is_read(line: str) -> None:
    fields, reason = parse_object(line)
    assert (repr(fields), reason) == (repr(json.loads(line)), "")
