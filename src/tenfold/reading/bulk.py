"""Many pictures, on all cores: the same outcomes in the same order, in constant memory."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import cv2

from tenfold.data.decoding import Picture
from tenfold.errors import DataError, TenfoldError
from tenfold.reading.crops import Layout
from tenfold.reading.reader import BATCH, Reader, Reading

Outcome = list[Reading] | DataError

_AHEAD = 2  # chunks a worker that wait for it

_reader: Reader  # of this worker


def read_in_bulk(
    pictures: Iterable[Picture],
    model: Path,
    layout: Layout = "line",
    *,
    rejection_threshold: float | None = None,
    workers: int = 1,
) -> Iterator[Outcome]:
    """Read pictures in `workers` processes; yield what `Reader.outcomes` would, as it would.

    At most a few chunks of pictures are held at a time, however many there are.

    Args:
        pictures: paths are decoded in the workers.
        model: the bundle folder, read once a worker.
        layout: see `Reader.read`.
        rejection_threshold: see `Reader`.
        workers: processes; 1 reads in this one.

    Raises:
        BundleError: see `Reader.load`.
        TenfoldError: a worker died.
    """
    reader = Reader.load(model, rejection_threshold)
    if workers == 1:
        yield from reader.outcomes(pictures, layout)
        return
    context = multiprocessing.get_context("spawn")
    waiting = iter(pictures)
    running: deque[Future[list[Outcome]]] = deque()
    pool = ProcessPoolExecutor(workers, context, _begin, (model, rejection_threshold))
    try:
        while True:
            while len(running) < workers * _AHEAD and (chunk := list(islice(waiting, BATCH))):
                running.append(pool.submit(_read, chunk, layout))
            if not running:
                return
            yield from running.popleft().result()
    except BrokenProcessPool:
        raise TenfoldError(
            "a reading process died; is there memory for pictures of this size?"
        ) from None
    finally:  # also where the caller wants no more
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(model: Path, rejection_threshold: float | None) -> None:
    global _reader  # noqa: PLW0603 - a worker has one for its life
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    cv2.setNumThreads(1)
    _reader = Reader.load(model, rejection_threshold)


def _read(chunk: list[Picture], layout: Layout) -> list[Outcome]:
    return list(_reader.outcomes(chunk, layout))
