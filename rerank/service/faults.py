"""Every way a request can fail, and the one table that gives each its HTTP status."""

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
    """The queue is full: come back in a moment, or ask another instance."""


class NotReady(RequestError):  # noqa: N818
    """The models are still warming up, or this instance has none for the task."""


class ClientLeft(RequestError):  # noqa: N818
    """The caller hung up while waiting, so nothing was computed."""


STATUS: dict[type[PolyrankError], tuple[int, str]] = {
    MalformedRequest: (400, "malformed_request"),
    RefusedValue: (422, "invalid_value"),
    ModelInputError: (422, "invalid_text"),
    TooLarge: (413, "too_large"),
    Overloaded: (429, "overloaded"),
    NotReady: (503, "not_ready"),
    ClientLeft: (503, "client_left"),
}
"""Error type -> status and code; anything else is our own defect, 500."""


def answer_error(status: int, code: str, message: str) -> JSONResponse:
    """Return the error answer: {"error": {"code", "message"}}; 429 and 503 say when to come back."""
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def answer_fault(error: PolyrankError) -> JSONResponse:
    """Return the answer that the table has for this error."""
    status, code = STATUS.get(type(error), (500, "internal"))
    return answer_error(status, code, str(error))
