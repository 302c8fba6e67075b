"""Bulk reading on a Ray cluster: a partition is a task of one core.

Nodes open inputs by the same paths, so they need a shared file system. Parquet files come back and
are written here. A partition whose machine is lost is read again on another.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tenfold.errors import DataError, TenfoldError
from tenfold.ray_cluster import connected
from tenfold.reading.bulk import QUEUED_PER_WORKER
from tenfold.reading.parquet import Backend, NumberedPartition, ReadingRequest, read_partition
from tenfold.reading.partitions import Partition

_CORE_COUNT_INTERVAL_SECONDS = 5.0  # nodes join and leave


@contextlib.contextmanager
def on_ray(on: str) -> Iterator[Backend]:
    """Yield the backend of a Ray cluster; see `ray_cluster.connected` for `on` and errors."""
    with connected(on) as ray:

        def backend(
            partitions: Sequence[NumberedPartition], request: ReadingRequest
        ) -> Iterator[tuple[int, bytes]]:
            return _read_on_ray(ray, partitions, request)

        yield backend


def _read_on_ray(
    ray: Any,  # noqa: ANN401 - a module
    partitions: Sequence[NumberedPartition],
    request: ReadingRequest,
) -> Iterator[tuple[int, bytes]]:
    task = ray.remote(_read).options(num_cpus=1, max_retries=-1)
    shared = ray.put(request)
    waiting = iter(partitions)
    running: dict[Any, int] = {}
    while True:
        cores = max(int(ray.cluster_resources().get("CPU", 0)), 1)
        free = max(cores * QUEUED_PER_WORKER - len(running), 0)
        for number, partition in islice(waiting, free):
            running[task.remote(partition, shared)] = number
        if not running:
            return
        done, _ = ray.wait(list(running), timeout=_CORE_COUNT_INTERVAL_SECONDS)
        for ref in done:
            yield running.pop(ref), _result(ray, ref)


def _result(ray: Any, ref: Any) -> bytes:  # noqa: ANN401
    try:
        result: bytes | str = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ModuleNotFoundError):
            raise TenfoldError(
                f"a node: {error.cause}; install tenfold there, with its extra bulk"
            ) from None
        raise
    if isinstance(result, str):
        raise DataError(result)
    return result


def _read(partition: Partition, request: ReadingRequest) -> bytes | str:
    """Be a Ray task; return the message of an input's error."""
    try:
        return read_partition(partition, request)
    except DataError as error:
        return str(error)
