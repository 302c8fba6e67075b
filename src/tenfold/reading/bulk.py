"""Many pictures on all cores, in constant memory."""

import functools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import cv2

from tenfold.cpu import available_cores
from tenfold.data.decoding import Picture
from tenfold.errors import DataError, TenfoldError
from tenfold.processes import end_with_parent
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.page import Page
from tenfold.reading.reader import Layout, Reader

T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N")
Outcome = Page | DataError

# Pages are slow: what was read is printed soon, and all cores have work to the end.
PICTURES_PER_TASK: dict[Layout, int] = {"single": 200, "numbers": 8, "grid": 2, "table": 2}
QUEUED_PER_WORKER = 2  # tasks that are submitted before a worker is free


def read_in_bulk(  # noqa: PLR0913 - how pictures are read
    pictures: Iterable[Picture],
    model: Path,
    layout: Layout = "numbers",
    *,
    constraints: Constraints = ANYTHING,
    min_probability: float | None = None,
    workers: int = 1,
) -> Iterator[Outcome]:
    """Read pictures in `workers` processes; yield the outcomes of `Reader.outcomes`, in order.

    Args:
        pictures: any number; only a few batches are held at a time. Workers decode paths.
        model: the bundle folder, read once a worker.
        layout: see `Reader.read`.
        constraints: see `Reader.read`.
        min_probability: see `Reader`.
        workers: processes; 1 reads in this process.

    Raises:
        BundleError: see `Reader.load`.
        TenfoldError: a worker died.
    """
    if workers == 1:
        reader = Reader.load(model, min_probability, available_cores())
        yield from reader.outcomes(pictures, layout, constraints)
        return
    Reader.load(model, min_probability)  # its errors come before any worker's
    read = functools.partial(_read_batch, model, layout, constraints, min_probability)
    for outcomes in run_in_processes(
        read, batched(pictures, PICTURES_PER_TASK[layout]), workers, in_order=True
    ):
        yield from outcomes


def _read_batch(
    model: Path,
    layout: Layout,
    constraints: Constraints,
    min_probability: float | None,
    pictures: Sequence[Picture],
) -> list[Outcome]:
    return list(_load_reader(model, min_probability).outcomes(pictures, layout, constraints))


_load_reader = functools.lru_cache(maxsize=1)(Reader.load)  # of this worker


def run_in_processes(
    function: Callable[[T], R], items: Iterable[T], workers: int, *, in_order: bool = False
) -> Iterator[R]:
    """Yield the results of a picklable function, in order or as they come.

    Items are taken only when a worker will soon be free. One worker is this process. Others end at
    once with the iterator, whatever they are at.

    Raises:
        TenfoldError: a worker died.
    """
    if workers == 1:
        yield from map(function, items)
        return
    waiting = iter(items)
    running: list[Future[R]] = []
    context = multiprocessing.get_context("spawn")
    end, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _initialize_worker, (end,))
    try:
        while True:
            free = workers * QUEUED_PER_WORKER - len(running)
            running += [pool.submit(function, item) for item in islice(waiting, free)]
            if not running:
                return
            watched = running[:1] if in_order else running
            for future in wait(watched, return_when=FIRST_COMPLETED).done:
                running.remove(future)
                yield future.result()
    except BrokenProcessPool:
        raise TenfoldError(
            "a reading process died; is there memory for pictures of this size?"
        ) from None
    finally:  # also if the caller stops early
        results = pool._result_queue  # noqa: SLF001
        pool.shutdown(wait=False, cancel_futures=True)
        held.close()
        # Else Python would wait at its exit for the rest of a result that a worker was sending.
        results._writer.close()  # type: ignore[attr-defined]  # noqa: SLF001


def _initialize_worker(end: Connection) -> None:
    end_with_parent(end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    cv2.setNumThreads(1)


def with_names(
    read: Callable[[Iterable[T]], Iterator[R]], named: Iterable[tuple[N, T]]
) -> Iterator[tuple[N, R]]:
    """Yield each picture's name with its outcome.

    Args:
        read: yields the outcomes of pictures, in order.
        named: names and pictures; they are taken as `read` takes them.
    """
    names: deque[N] = deque()

    def pictures() -> Iterator[T]:
        for name, picture in named:
            names.append(name)
            yield picture

    for outcome in read(pictures()):
        yield names.popleft(), outcome


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield `size` items at a time, and the rest at the end."""
    waiting = iter(items)
    while batch := tuple(islice(waiting, size)):
        yield batch
