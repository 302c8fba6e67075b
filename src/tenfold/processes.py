"""Worker processes, and the memory of a process."""

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path


def end_with_parent(*pipes: Connection) -> None:
    """End this worker process at once when its parent has ended, in whatever way.

    It is for a process that `multiprocessing` or its pools started, and called there first. A
    thread waits for the end of a pipe that the parent holds: that works on every system, and
    whichever of the parent's threads started this process.

    Args:
        pipes: whose other ends the parent holds, too; it ends this process by closing one.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a child
    sentinels = (parent.sentinel, *pipes)
    threading.Thread(target=_wait_and_exit, args=(sentinels,), daemon=True).start()


def _wait_and_exit(sentinels: Sequence[int | Connection]) -> None:
    wait(sentinels)
    os._exit(1)


@contextlib.contextmanager
def memory_limit(more_bytes: int) -> Iterator[None]:
    """Let this process allocate at most `more_bytes` beyond what it has; only Linux can do that.

    It is for libraries that believe the sizes in a file. Those that check their allocations raise
    MemoryError, or an exception of their own.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[5])  # of data and stack
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = pages * resource.getpagesize() + more_bytes
    limits = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
