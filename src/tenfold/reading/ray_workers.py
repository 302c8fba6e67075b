"""Reading on a Ray cluster: an item is a task of one core.

Nodes open inputs by the same paths, so they need a shared file system. Results come back here. An
item whose machine is lost is done again on another.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import cv2

from tenfold.errors import DataError, TenfoldError
from tenfold.reading.bulk import QUEUED_PER_WORKER

T = TypeVar("T")
R = TypeVar("R")

_CORE_COUNT_INTERVAL_SECONDS = 5.0  # nodes join and leave


def run_on_ray(
    ray: Any,  # noqa: ANN401 - a module
    function: Callable[[T], R],
    items: Iterable[T],
    extra: str,
) -> Iterator[R]:
    """Yield the results of a picklable function as they come; each is a task of one core.

    Args:
        ray: see `ray_cluster.connected`.
        function: is run on the nodes.
        items: are taken only when a core will soon be free.
        extra: of tenfold, that nodes need.

    Raises:
        DataError: the function raised it.
        TenfoldError: a node has not what the function needs.
    """
    task = ray.remote(_attempt).options(num_cpus=1, max_retries=-1)
    shared = ray.put(function)
    waiting = iter(items)
    running: list[Any] = []
    while True:
        cores = max(int(ray.cluster_resources().get("CPU", 0)), 1)
        free = max(cores * QUEUED_PER_WORKER - len(running), 0)
        running += [task.remote(shared, item) for item in islice(waiting, free)]
        if not running:
            return
        done, running = ray.wait(running, timeout=_CORE_COUNT_INTERVAL_SECONDS)
        for ref in done:
            yield _result(ray, ref, extra)


def _result(ray: Any, ref: Any, extra: str) -> Any:  # noqa: ANN401
    try:
        result, fault = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ModuleNotFoundError):
            raise TenfoldError(
                f"a node: {error.cause}; install tenfold there, with its extra {extra}"
            ) from None
        raise
    if fault:
        raise DataError(fault)
    return result


def _attempt(function: Callable[[T], R], item: T) -> tuple[R | None, str]:
    """Be a Ray task; return the result, or the message of an input's error."""
    cv2.setNumThreads(1)
    try:
        return function(item), ""
    except DataError as error:
        return None, str(error)
