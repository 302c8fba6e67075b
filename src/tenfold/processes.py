"""Worker processes."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """End this worker process at once when its parent has ended, in whatever way.

    It is for a process that `multiprocessing` or its pools started, and called there first. A
    thread waits for the end of a pipe that the parent holds: that works on every system, and
    whichever of the parent's threads started this process.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a child
    threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def _wait_and_exit(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
