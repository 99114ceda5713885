import asyncio
import threading
import time

import pytest

from rerank.service.faults import ClientLeft, Expired, Overloaded
from rerank.service.lane import Lane


async def present() -> bool:
    return False


async def left() -> bool:
    return True


def test_what_does_not_fit_is_refused_at_once() -> None:
    async def scenario() -> None:
        lane, release = Lane("test", workers=1, waiting=1), threading.Event()
        jobs = [asyncio.create_task(lane.run(release.wait, present)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="test lane"):
            await lane.run(release.wait, present)
        release.set()
        assert await asyncio.gather(*jobs) == [True, True]
        assert lane.pending == 0
        assert await lane.run(lambda: 7, present) == 7
        lane.close()

    asyncio.run(scenario())


def test_a_caller_who_left_costs_nothing() -> None:
    async def scenario() -> None:
        lane, ran = Lane("test", workers=1, waiting=1), []
        with pytest.raises(ClientLeft):
            await lane.run(lambda: ran.append(1), left)
        assert ran == []
        assert lane.pending == 0
        lane.close()

    asyncio.run(scenario())


def test_a_job_whose_time_is_up_before_its_turn_does_not_start() -> None:
    async def scenario() -> None:
        lane, release, ran = Lane("test", workers=1, waiting=1), threading.Event(), []
        first = asyncio.create_task(lane.run(release.wait, present, time.monotonic() + 60))
        late = asyncio.create_task(lane.run(lambda: ran.append(1), present, time.monotonic()))
        await asyncio.sleep(0)
        release.set()
        assert await first
        with pytest.raises(Expired, match="test lane"):
            await late
        assert ran == []
        assert lane.pending == 0
        lane.close()

    asyncio.run(scenario())


def test_a_failing_job_frees_its_place() -> None:
    async def scenario() -> None:
        lane = Lane("test", workers=1, waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(lambda: 1 // 0, present)
        lane.close()

    asyncio.run(scenario())
