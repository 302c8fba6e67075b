"""Bounded work: what cannot be answered soon is refused at once."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from tenfold.cpu import available_cores
from tenfold.serving.errors import busy

T = TypeVar("T")
Size = Literal["small", "large"]

_STRETCH = 0.005  # seconds of jobs between two looks: refusing the many must not starve the few


class Queue:
    """Computes small jobs on the event loop, a few between two looks at it, others in threads.

    A small digit is found in less time than two threads take to settle who may run Python.

    Args:
        small: small requests that may be under way or wait.
        large: others, their bodies' arrival included.
    """

    def __init__(self, small: int = 128, large: int = 16) -> None:
        self.free: dict[Size, int] = {"small": small, "large": large}
        self._all = small + large
        self._jobs: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._threads = ThreadPoolExecutor(available_cores(), "tenfold")

    @property
    def waiting(self) -> int:
        """Requests that are under way or wait."""
        return self._all - sum(self.free.values())

    @contextmanager
    def place(self, size: Size) -> Iterator[None]:
        """Take a place for a request.

        Raises:
            Refusal: there is none.
        """
        if not self.free[size]:
            raise busy()
        self.free[size] -= 1
        try:
            yield
        finally:
            self.free[size] += 1

    async def in_turn(self, job: Callable[[], T]) -> T:
        """Compute a small job on the event loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.append((job, done))
        if len(self._jobs) == 1:
            loop.call_soon(self._some)
        return await done

    async def in_thread(self, job: Callable[[], T]) -> T:
        """Compute a large job in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def _some(self) -> None:
        until = time.perf_counter() + _STRETCH
        while self._jobs:
            job, done = self._jobs.popleft()
            if not done.cancelled():
                try:
                    done.set_result(job())
                except Exception as error:  # noqa: BLE001 - it belongs to who waits for the job
                    done.set_exception(error)
            if time.perf_counter() >= until:
                break
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._some)
