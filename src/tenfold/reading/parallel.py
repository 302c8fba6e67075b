"""Where reading is done: in processes of this machine, or on a Ray cluster."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tenfold.ray_cluster import connected
from tenfold.reading.bulk import run_in_processes
from tenfold.reading.ray_workers import run_on_ray

T = TypeVar("T")
R = TypeVar("R")
# Yields a function's results for items, as they come.
ParallelMap = Callable[[Callable[[T], R], Iterable[T]], Iterator[R]]


@contextlib.contextmanager
def parallel_map(workers: int, on: str | None, extra: str) -> Iterator[ParallelMap[Any, Any]]:
    """Yield what maps a picklable function over items: `run_in_processes` or `run_on_ray`.

    Args:
        workers: processes on this machine.
        on: a Ray cluster in their place; see `ray_cluster.connected` for it and for errors.
        extra: of tenfold, that the nodes of a cluster need.
    """
    if on is None:
        yield functools.partial(run_in_processes, workers=workers)
        return
    with connected(on) as ray:
        yield functools.partial(run_on_ray, ray, extra=extra)
