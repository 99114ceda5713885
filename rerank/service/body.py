"""The body of a request, read within limits of size and time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from rerank.service.faults import MalformedRequest, SlowBody, TooLarge
from rerank.service.requests import Limits, read_json

FORM = "application/x-www-form-urlencoded"


async def read_body(request: Request, limits: Limits) -> Mapping[str, Any]:
    """Read a JSON object; the second call returns what the first did.

    Raises:
        TooLarge: it has too many bytes, declared or sent.
        SlowBody: it took too long to come.
        MalformedRequest: it is empty or not a JSON object.
    """
    if not hasattr(request.state, "data"):
        body = await _bytes(request, limits)
        if not body:
            raise MalformedRequest("the body is empty; send JSON")
        request.state.data = read_json(body)
    data: Mapping[str, Any] = request.state.data
    return data


async def read_body_or_form(request: Request, limits: Limits) -> Mapping[str, Any]:
    """Read a JSON object, or a URL-encoded form as one of strings. As `read_body` otherwise."""
    form = request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM
    if form and not hasattr(request.state, "data"):
        request.state.data = _form(await _bytes(request, limits))
    return await read_body(request, limits)


def _form(body: bytes) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError as error:
        raise MalformedRequest(f"the body is not a form: {error}") from error


async def hung_up(request: Request) -> None:
    """Return when the caller hangs up; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def leaving(request: Request) -> Callable[[], Awaitable[None]]:
    """Return `hung_up` for this request, as the waiting functions take it."""
    return lambda: hung_up(request)


async def _bytes(request: Request, limits: Limits) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > limits.body_bytes:
        raise TooLarge(f"the body may have {limits.body_bytes} bytes, got {declared[:20]}")
    try:
        async with asyncio.timeout(limits.body_s):
            return await _stream(request, limits.body_bytes)
    except TimeoutError as error:
        raise SlowBody(f"the body did not arrive within {limits.body_s:g} s") from error


async def _stream(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"the body may have {most} bytes")
    return bytes(body)
