"""A worker process does not outlive the process that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL"),
]

# A worker that waits, one that computes, and a pool of bulk reading whose tasks never end.
PARENT = """
import multiprocessing, sys, threading, time
from tenfold.processes import end_with_parent
from tenfold.reading.bulk import run_in_processes

def idle(seconds):
    print(multiprocessing.current_process().pid, flush=True)
    time.sleep(seconds)

def busy(_):
    print(multiprocessing.current_process().pid, flush=True)
    while True:
        pass

def large(_):
    print(multiprocessing.current_process().pid, flush=True)
    return bytes(2**26)  # takes some time to be sent

def alone(function):
    end_with_parent()
    function(60)

def start(method, function):
    context = multiprocessing.get_context(method)
    context.Process(target=alone, args=(function,)).start()

if __name__ == "__main__":
    kind = sys.argv[1]
    if kind == "pool":
        list(run_in_processes(idle, [60, 60], 2))
    elif kind == "closed":
        results = run_in_processes(large, range(20), 2)
        next(results)
        results.close()
    else:
        # The thread that starts a worker may end before it.
        for function in (idle, busy):
            starter = threading.Thread(target=start, args=(kind, function))
            starter.start()
            starter.join()
        time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["fork", "spawn", "forkserver", "pool"])
def test_workers_end_with_a_parent_that_is_killed(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script, kind], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(_is_alive, workers))
        parent.send_signal(signal.SIGKILL)
        try:
            assert _comes_true(lambda: not any(map(_is_alive, workers)))
        finally:
            for worker in filter(_is_alive, workers):
                os.kill(worker, signal.SIGKILL)


def test_workers_end_with_the_results_that_are_wanted(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    begun = time.monotonic()
    done = subprocess.run([sys.executable, script, "closed"], capture_output=True, check=True)
    assert done.stderr == b""
    assert time.monotonic() - begun < 30
    assert not any(_is_alive(int(worker)) for worker in done.stdout.split())


def _is_alive(process: int) -> bool:
    """Return whether a process runs; an orphan that has ended may wait for init to collect it."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc, or it ended after the signal
        return not Path("/proc/self").exists()


def _comes_true(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
