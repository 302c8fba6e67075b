"""A bounded queue of work: requests beyond its capacity are rejected at once."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")
Size = Literal["small", "large"]

# The event loop runs jobs for this long before it looks for new connections again. Without the
# limit, rejecting many clients would starve the requests that were accepted.
LOOP_SLICE_S = 0.005


class WorkQueue:
    """Admits requests whose bodies have come: as many `small` and `large` ones may run or wait.

    Small jobs run on the event loop: a digit is found in less time than it takes to hand Python's
    lock to another thread.
    """

    def __init__(self, small: int = 128, large: int = 16) -> None:
        self.free: dict[Size, int] = {"small": small, "large": large}
        self._capacity = small + large
        self._jobs: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()

    @property
    def pending(self) -> int:
        """How many requests run or wait."""
        return self._capacity - sum(self.free.values())

    @contextmanager
    def admit(self, size: Size) -> Iterator[None]:
        """Count a request as pending.

        Raises:
            HTTPException: the queue is full (503).
        """
        if not self.free[size]:
            raise HTTPException(
                503, "too many requests wait already; try again", {"Retry-After": "1"}
            )
        self.free[size] -= 1
        try:
            yield
        finally:
            self.free[size] += 1

    async def run_on_loop(self, job: Callable[[], T]) -> T:
        """Run a small job on the event loop."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._jobs.append((job, result))
        if len(self._jobs) == 1:
            loop.call_soon(self._run_jobs)
        return await result

    def _run_jobs(self) -> None:
        end = time.perf_counter() + LOOP_SLICE_S
        while self._jobs:
            job, result = self._jobs.popleft()
            if not result.cancelled():
                try:
                    result.set_result(job())
                except Exception as error:  # noqa: BLE001 - raised where the result is awaited
                    result.set_exception(error)
            if time.perf_counter() >= end:
                break
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._run_jobs)
