"""Bounded work: what cannot be answered soon is refused at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from tenfold.machine import available_cores
from tenfold.serving.refusal import busy

T = TypeVar("T")


class Queue:
    """Computes jobs: small ones on the event loop, one between two looks at it, others in threads.

    A small digit is read in less time than two threads take to settle who may run Python.

    Args:
        small: small jobs that may wait.
        large: other jobs that may be under way or wait, their bodies' arrival included.
    """

    def __init__(self, small: int = 128, large: int = 16) -> None:
        self._small, self._large = small, large
        self._jobs: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._places = 0
        self._threads = ThreadPoolExecutor(available_cores(), "tenfold")

    @property
    def waiting(self) -> int:
        """Jobs that are under way or wait."""
        return len(self._jobs) + self._places

    async def in_turn(self, job: Callable[[], T]) -> T:
        """Compute a small job on the event loop.

        Raises:
            Refusal: too many wait.
        """
        if len(self._jobs) >= self._small:
            raise busy()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.append((job, done))
        if len(self._jobs) == 1:
            loop.call_soon(self._next)
        return await done

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place among the large jobs.

        Raises:
            Refusal: there is none.
        """
        if self._places >= self._large:
            raise busy()
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def in_thread(self, job: Callable[[], T]) -> T:
        """Compute a large job, for which a place is held, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def _next(self) -> None:
        job, done = self._jobs[0]
        if not done.cancelled():
            try:
                done.set_result(job())
            except Exception as error:  # noqa: BLE001 - it belongs to who waits for the job
                done.set_exception(error)
        self._jobs.popleft()
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._next)
