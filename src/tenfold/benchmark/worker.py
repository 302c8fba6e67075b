"""The worker process of a benchmark: builds one candidate and runs steps of it on request.

    python -P worker.py FILE KEY FOLDER BATCH

FILE defines `build(key, folder, batch)`, which returns a function that runs a number of steps and
returns when they are done, and `PACKAGES`, whose versions are reported. Each line of standard
input is a number of steps. Each line of standard output is a JSON object.

Standard library only: Keras and JAX run in an interpreter of their own.
"""

import importlib.util
import json
import os
import queue
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType


def main(file: str, key: str, folder: str, batch: str) -> None:
    """Serve requests until standard input closes, as it does however the parent ends."""
    responses = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error
    module = _load(Path(file))
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    run = module.build(key, Path(folder), int(batch))
    responses.write(json.dumps({"versions": {n: version(n) for n in module.PACKAGES}}) + "\n")
    while True:
        steps = int(requests.get())
        begun = time.perf_counter()
        found = run(steps) or {}
        seconds = time.perf_counter() - begun
        measured = {"seconds": seconds, "peak_memory_mb": peak_memory_mb(), **found}
        responses.write(json.dumps(measured) + "\n")


def _read_requests(requests: "queue.SimpleQueue[str]") -> None:
    """Queue lines; exit at the end of them, whatever is being computed or compiled."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def peak_memory_mb() -> float | None:
    """Return the peak resident memory of this process in MB (10⁶ bytes)."""
    try:
        # Linux keeps the parent's peak in getrusage across exec; VmHWM starts anew.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # torch.compile looks functions up by it
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
