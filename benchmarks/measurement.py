"""Write what a benchmark measured, with the command, the date and the machine."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from tenfold.files import write_atomically
from tenfold.training.hardware import choose_device, describe_machine


def save(path: Path | None, *, device: str = "cpu", **figures: Any) -> None:  # noqa: ANN401 - JSON
    """Write a record, if a path is given; `device` is what was measured."""
    if path is None:
        return
    record = {
        "command": shlex.join(["python", *sys.argv]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": describe_machine(choose_device(device)).model_dump(),
        **figures,
    }
    write_atomically(path, json.dumps(record, indent=1) + "\n")
