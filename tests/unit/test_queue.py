"""The bounded queue of work."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from tenfold.serving import queue as queue_module
from tenfold.serving.queue import WorkQueue


async def test_small_jobs_run_in_order_and_let_the_event_loop_run_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    clock = [0.0]
    monkeypatch.setattr(queue_module, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def job(number: int) -> Callable[[], int]:
        def done() -> int:
            clock[0] += 0.003
            seen.append(number)
            asyncio.get_running_loop().call_soon(seen.append, "loop")
            return number

        return done

    queue = WorkQueue()
    numbers = await asyncio.gather(*(queue.run_on_loop(job(k)) for k in range(4)))
    assert numbers == [0, 1, 2, 3]
    assert [entry for entry in seen if entry != "loop"] == [0, 1, 2, 3]
    assert seen.index("loop") == 2  # after 5 ms of work


async def test_an_error_reaches_only_its_own_job() -> None:
    queue = WorkQueue()
    jobs: list[Callable[[], float]] = [lambda: 1 / 1, lambda: 1 / 0, lambda: 1 / 2]
    first, second, third = await asyncio.gather(
        *map(queue.run_on_loop, jobs), return_exceptions=True
    )
    assert (first, third) == (1.0, 0.5)
    assert isinstance(second, ZeroDivisionError)


async def test_cancelled_jobs_are_skipped() -> None:
    done: list[int] = []
    queue = WorkQueue()
    jobs = [asyncio.ensure_future(queue.run_on_loop(partial(done.append, k))) for k in range(3)]
    await asyncio.sleep(0)
    jobs[1].cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    assert done == [0, 2]


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_number_of_pending_requests_is_bounded(size: Any) -> None:
    queue = WorkQueue(small=2, large=2)
    with queue.admit(size), queue.admit(size):
        assert queue.pending == 2
        with pytest.raises(HTTPException) as caught, queue.admit(size):
            pass
        assert caught.value.status_code == 503
        with queue.admit("large" if size == "small" else "small"):
            assert queue.pending == 3
    with pytest.raises(KeyError), queue.admit(size):
        raise KeyError
    assert queue.pending == 0
