"""Processes for what may take long. Each is killed when its time is up or its caller has gone."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from traceback import format_exc
from typing import Any, TypeVar

import cv2
from starlette.exceptions import HTTPException

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.processes import end_with_parent
from tenfold.reading.reader import Reader, load_cell_detector, load_number_reader

T = TypeVar("T")

WAIT_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 20.0
NICENESS = 5  # processes that read photographs let the event loop go first
# What the processes import. The last one is for the script that has started the service: each
# process runs it again, but for its call.
IMPORTS = ("tenfold.serving.read", "tenfold.serving.kserve", "tenfold.cli")

load_classifier = lru_cache(OnnxClassifier.load)  # once a process


@lru_cache
def load_reader(bundle: str | Path) -> Reader:
    """Return the reader of a bundle, as `Reader.load` does, but load it once a process."""
    classifier = load_classifier(bundle)
    numbers = load_number_reader(bundle, classifier=classifier)
    return Reader(classifier, numbers, load_cell_detector(bundle))


@lru_cache
def _context() -> ForkServerContext | SpawnContext:
    """Return how processes start.

    On Linux they are forked from one that has done the imports, which take most of a second, and
    nothing else: it has no threads and no model.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts them when it is imported
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTS))
    return context


async def run_in_thread(job: Callable[[bytes], T], body: bytes) -> T:
    """Return `job(body)`, as `ReaderPool.run` does, but from a thread: it cannot be stopped."""
    return await asyncio.to_thread(job, body)


class ReaderPool:
    """Runs jobs in processes, which load a bundle first; one that was killed starts again."""

    def __init__(self, model: str | Path, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._readers = [_Reader(model) for _ in range(size)]
        self._idle = list(self._readers)
        self._threads = ThreadPoolExecutor(2 * size, "tenfold-pipe")  # they wait for processes

    def start(self) -> None:
        """Start the processes, without waiting for them."""
        for reader in self._readers:
            self._threads.submit(reader.start)

    async def run(self, job: Callable[[bytes], T], body: bytes) -> T:
        """Return `job(body)`, or raise its error; if this is cancelled, the process is killed.

        Raises:
            HTTPException: no process was free for `WAIT_TIMEOUT_S` (503), or the job took longer
                than `READ_TIMEOUT_S` (422).
            EOFError: the process died.
        """
        await self._wait_for_reader()
        reader = self._idle.pop()
        try:
            await self._in_thread(reader.start)
            succeeded, result = await self._call(reader, job, body)
        finally:
            self._idle.append(reader)
            self._free.release()
        if succeeded:
            return result  # type: ignore[no-any-return]  # of the job
        raise result

    async def _wait_for_reader(self) -> None:
        try:
            async with asyncio.timeout(WAIT_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError:
            raise HTTPException(
                503, "other requests take too long; try again", {"Retry-After": "1"}
            ) from None

    async def _call(
        self, reader: "_Reader", job: Callable[[bytes], Any], body: bytes
    ) -> tuple[bool, Any]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._in_thread(reader.call, job, body)
        except BaseException as error:
            reader.kill()
            if isinstance(error, TimeoutError):
                raise HTTPException(
                    422, f"reading takes more than {READ_TIMEOUT_S:g} s; send a plainer picture"
                ) from None
            raise

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Kill the processes, whatever they do."""
        for reader in self._readers:
            reader.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Reader:
    """One process and the pipe to it. Its methods block; any thread may call them."""

    def __init__(self, model: str | Path) -> None:
        self._model = model
        self._starting = threading.Lock()
        self._process: Any = None
        self._closed = False

    def start(self) -> None:
        """Start the process unless it runs, and wait until it has loaded the model."""
        with self._starting:
            if self._closed or (self._process and self._process.is_alive()):
                return
            self._pipe, theirs = _context().Pipe()
            process = _context().Process(target=_run_jobs, args=(theirs, self._model))
            process.start()
            self._process = process
            theirs.close()
            self._pipe.recv()

    def call(self, job: Callable[[bytes], Any], body: bytes) -> tuple[bool, Any]:
        """Return whether the job succeeded, and its result or its error."""
        pipe = self._pipe  # `start` may replace it after a `kill` by another thread
        pipe.send(job)
        pipe.send_bytes(body)
        answer: tuple[bool, Any] = pipe.recv()
        return answer

    def kill(self) -> None:
        """Kill the process; a thread that waits for its answer gets an EOFError."""
        process, self._process = self._process, None
        if process:
            process.kill()

    def close(self) -> None:
        """Kill the process for good."""
        self._closed = True
        self.kill()
        with self._starting:
            self.kill()


def _run_jobs(pipe: "Connection[Any, Any]", model: str | Path) -> None:
    """Answer jobs until killed."""
    end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a request may be under way: the parent decides
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    cv2.setNumThreads(1)
    load_reader(model)
    with suppress(EOFError, ConnectionError):  # the parent has ended
        pipe.send(None)
        while True:
            job = pipe.recv()
            pipe.send(_answer(job, pipe.recv_bytes()))


def _answer(job: Callable[[bytes], Any], body: bytes) -> tuple[bool, Any]:
    try:
        return True, job(body)
    except Exception as error:  # noqa: BLE001 - raised where the result is awaited
        error.add_note(format_exc())
        return False, error
