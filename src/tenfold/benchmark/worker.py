"""The far end of `bench`: builds one variant in this process and runs bursts of its steps.

    python -P worker.py FILE VARIANT FOLDER BATCH

FILE defines `build(variant, folder, batch)`, which returns a function that takes that many
steps and comes back when they are done, and `PACKAGES`, whose versions are told. Each line of
standard input is a number of steps; each line of standard output is a JSON object.

Standard library only: peers are run by an interpreter of their own.
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


def main(file: str, variant: str, folder: str, batch: str) -> None:
    """Answer bursts until standard input closes, as it does however the parent ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    module = _load(Path(file))
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    run = module.build(variant, Path(folder), int(batch))
    answers.write(json.dumps({"versions": {n: version(n) for n in module.PACKAGES}}) + "\n")
    while True:
        steps = int(asked.get())
        begun = time.perf_counter()
        found = run(steps) or {}
        seconds = time.perf_counter() - begun
        answer = {"seconds": seconds, "peak_memory_mb": peak_memory_mb(), **found}
        answers.write(json.dumps(answer) + "\n")


def _listen(asked: "queue.SimpleQueue[str]") -> None:
    """Pass lines on; at the end leave at once, whatever is being computed or compiled."""
    for line in sys.stdin:
        asked.put(line)
    os._exit(0)


def peak_memory_mb() -> float | None:
    """Return the most memory that this process has had resident, in MB (10⁶ bytes)."""
    try:
        # Linux keeps the parent's peak in getrusage across exec; this one starts anew.
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
