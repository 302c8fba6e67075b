"""Reading in bulk on a Ray cluster: a shard is a task of one core.

Nodes open inputs by the names that they have here, so they must see the same files. Parts come
back and are written here. A shard whose machine is lost is read again by another.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tenfold.errors import DataError, TenfoldError
from tenfold.ray_cluster import connected
from tenfold.reading.parquet import NumberedPartition, ReadingRequest, Work, read_partition
from tenfold.reading.partitions import Partition

_AHEAD = 2  # shards a core that wait for it
_PATIENCE_SECONDS = 5.0


@contextlib.contextmanager
def on_ray(on: str) -> Iterator[Work]:
    """Yield the work of a Ray cluster; see `cluster.connected` for `on` and what is raised."""
    with connected(on) as ray:

        def work(
            shards: Sequence[NumberedPartition], request: ReadingRequest
        ) -> Iterator[tuple[int, bytes]]:
            return _work(ray, shards, request)

        yield work


def _work(
    ray: Any,  # noqa: ANN401 - a module
    shards: Sequence[NumberedPartition],
    request: ReadingRequest,
) -> Iterator[tuple[int, bytes]]:
    task = ray.remote(_read).options(num_cpus=1, max_retries=-1)
    shared = ray.put(request)
    waiting = iter(shards)
    running: dict[Any, int] = {}
    while True:
        cores = max(int(ray.cluster_resources().get("CPU", 0)), 1)  # nodes come and go
        for number, shard in islice(waiting, max(cores * _AHEAD - len(running), 0)):
            running[task.remote(shard, shared)] = number
        if not running:
            return
        done, _ = ray.wait(list(running), timeout=_PATIENCE_SECONDS)
        for ref in done:
            number = running.pop(ref)
            try:
                part = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, ModuleNotFoundError):
                    raise TenfoldError(
                        f"a node: {error.cause}; install tenfold there, with its extra bulk"
                    ) from None
                raise
            if isinstance(part, str):
                raise DataError(part)
            yield number, part


def _read(shard: Partition, request: ReadingRequest) -> bytes | str:
    """Be a Ray task; an error of the input is returned in words."""
    try:
        return read_partition(shard, request)
    except DataError as error:
        return str(error)
