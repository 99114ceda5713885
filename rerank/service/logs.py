"""Structured logs: a JSON object a line. Neither texts nor headers that may hold secrets are ever written."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from rerank.service.traceparent import trace_id

access = logging.getLogger("rerank.access")

REQUEST_ID = 128
"""Characters kept of a caller's X-Opaque-Id (OpenSearch's name for it) or X-Request-Id."""


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object; what a record's `fields` hold becomes keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {"time": self.formatTime(record), "level": record.levelname, "logger": record.name}
        fields = getattr(record, "fields", None)
        line |= fields if isinstance(fields, dict) else {"message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time, ISO 8601 in UTC with milliseconds."""

        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AccessLog:
    """One record a request."""

    def write(self, request: Request, path: str, status: int, seconds: float, caller: str | None) -> None:
        """Log endpoint, status, milliseconds, and what connects this line with the caller's own logs."""
        fields: dict[str, Any] = {"endpoint": path, "status": status, "ms": round(seconds * 1000, 2)}
        if caller is not None:
            fields["caller"] = caller
        headers = request.headers
        if given := headers.get("x-opaque-id") or headers.get("x-request-id"):
            fields["request_id"] = given[:REQUEST_ID]
        if found := trace_id(headers.get("traceparent")):
            fields["trace_id"] = found
        access.info("%s", json.dumps(fields), extra={"fields": fields})
