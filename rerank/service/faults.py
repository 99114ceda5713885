"""Every way a request can fail, and the one table that gives each its HTTP status."""

import math
from typing import Any

from starlette.responses import JSONResponse

from rerank.errors import ModelInputError, PolyrankError


class ServiceError(PolyrankError):
    """The service cannot start; the message says why and what to do."""


class RequestError(PolyrankError):
    """A request that gets an error answer."""


class MalformedRequest(RequestError):  # noqa: N818
    """The body is not JSON."""


class RefusedValue(RequestError):  # noqa: N818
    """The body is JSON with a missing or wrong value."""


class TooLarge(RequestError):  # noqa: N818
    """The body or the number of documents is over the limit."""


class Overloaded(RequestError):  # noqa: N818
    """The queue is full, or too slow for the deadline: come back in a moment, or ask another instance."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        """Say when the queue will have moved on."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Expired(RequestError):  # noqa: N818
    """The deadline passed while the request waited or was computed."""


class NotReady(RequestError):  # noqa: N818
    """The models are still warming up, the service is going down, or this instance has no model for the task."""


class Unloaded(RequestError):  # noqa: N818
    """The model was unloaded or replaced while the request waited."""


class ClientLeft(RequestError):  # noqa: N818
    """The caller hung up while waiting, so nothing more was computed."""


class SlowBody(RequestError):  # noqa: N818
    """The body did not arrive in time."""


class Unauthorized(RequestError):  # noqa: N818
    """There is no valid bearer token."""


class Forbidden(RequestError):  # noqa: N818
    """The token is valid and may not do this."""


class UnknownModel(RequestError):  # noqa: N818
    """No model of this name is loaded or there to load."""


STATUS: dict[type[PolyrankError], tuple[int, str]] = {
    MalformedRequest: (400, "malformed_request"),
    RefusedValue: (422, "invalid_value"),
    ModelInputError: (422, "invalid_text"),
    TooLarge: (413, "too_large"),
    Overloaded: (429, "overloaded"),
    Expired: (429, "expired"),
    NotReady: (503, "not_ready"),
    Unloaded: (503, "unloaded"),
    ClientLeft: (503, "client_left"),
    SlowBody: (408, "slow_body"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    UnknownModel: (404, "unknown_model"),
}
"""Error type -> status and code; anything else is our own defect, 500."""


MAX_RETRY_AFTER_S = 30


def answer_error(status: int, code: str, message: str, retry_after_s: float = 1.0, *, path: str = "") -> JSONResponse:
    """Return the error answer: {"error": {"code", "message"}}; 429 and 503 say after how many seconds to come back.

    Voyage's and Jina's clients read `detail`, so their paths have the message there as well.
    """
    content: dict[str, Any] = {"error": {"code": code, "message": message}}
    if path.startswith(("/voyage/", "/jina/")):
        content["detail"] = message
    headers = {}
    if status in (429, 503):
        headers["Retry-After"] = str(min(max(1, math.ceil(retry_after_s)), MAX_RETRY_AFTER_S))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="polyrank"'
    return JSONResponse(content, status_code=status, headers=headers)


def answer_fault(error: PolyrankError, path: str = "") -> JSONResponse:
    """Return the answer that the table has for this error of a request to `path`."""
    status, code = STATUS.get(type(error), (500, "internal"))
    retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else 1.0
    return answer_error(status, code, str(error), retry_after_s, path=path)
