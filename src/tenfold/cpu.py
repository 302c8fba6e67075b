"""What this process may use of the machine."""

import os


def available_cores() -> int:
    """Return the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
