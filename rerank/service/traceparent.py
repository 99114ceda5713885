"""The traceparent header, which carries a trace from the search into the service.

Source: W3C Recommendation "Trace Context", 2021, section 3.2.
"""

import re

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace's id, 32 hex digits; None where the header is missing or wrong, which is no error."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else None
