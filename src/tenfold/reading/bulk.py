"""Many pictures, on all cores: the same outcomes in the same order, in constant memory."""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from tenfold.errors import DataError
from tenfold.reading.reader import Layout, Picture, Reader, Reading

Outcome = list[Reading] | DataError

_CHUNK = 128  # pictures that travel together
_AHEAD = 2  # chunks a worker that wait for it

_reader: Reader  # of this worker


def read_in_bulk(
    pictures: Iterable[Picture],
    model: Path,
    layout: Layout = "line",
    *,
    accept: float | None = None,
    workers: int = 1,
) -> Iterator[Outcome]:
    """Read pictures in `workers` processes; yield what `Reader.outcomes` would, as it would.

    At most a few chunks of pictures are held at a time, however many there are.

    Args:
        pictures: paths are decoded in the workers.
        model: the bundle folder, read once a worker.
        layout: see `Reader.read`.
        accept: see `Reader`.
        workers: processes; 1 reads in this one.

    Raises:
        BundleError: see `Reader.load`.
    """
    if workers == 1:
        yield from Reader.load(model, accept).outcomes(pictures, layout)
        return
    context = multiprocessing.get_context("spawn")
    waiting = iter(pictures)
    running: deque[Future[list[Outcome]]] = deque()
    with ProcessPoolExecutor(workers, context, _begin, (model, accept)) as pool:
        while True:
            while len(running) < workers * _AHEAD and (chunk := list(islice(waiting, _CHUNK))):
                running.append(pool.submit(_read, chunk, layout))
            if not running:
                return
            yield from running.popleft().result()


def _begin(model: Path, accept: float | None) -> None:
    global _reader  # noqa: PLW0603 - a worker has one for its life
    _reader = Reader.load(model, accept)


def _read(chunk: list[Picture], layout: Layout) -> list[Outcome]:
    return list(_reader.outcomes(chunk, layout))
