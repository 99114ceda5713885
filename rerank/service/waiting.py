"""Waiting for a batch result: until it is there, the caller leaves, or time is up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rerank.service.batcher import Batcher
from rerank.service.faults import ClientLeft, Expired
from rerank.service.work import Outcome, Work


async def finish(batcher: Batcher, work: Work, gone: Callable[[], Awaitable[None]], until: float) -> Outcome:
    """Wait for a submitted request; what it still had to compute is dropped when it ends early.

    Args:
        batcher: where the work was submitted.
        work: the request.
        gone: returns when the caller has hung up.
        until: end of its time, on the clock of `time.monotonic`; anytime work keeps what it has by then.

    Raises:
        ClientLeft: the caller hung up.
        Expired: time is up.
        PolyrankError: the batcher or the model failed.
    """
    result = asyncio.wrap_future(work.future)
    left = asyncio.ensure_future(gone())
    try:
        timeout = max(0.0, until - time.monotonic())
        either: set[asyncio.Future[Any]] = {result, left}
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return result.result()
        outcome = batcher.settle(work)
        if left.done():
            raise ClientLeft("the caller hung up before its answer")
        if work.anytime:
            return outcome
        raise Expired(f"{batcher.name} could not end this in time")
    finally:
        left.cancel()
        if not result.done():
            result.cancel()
