"""A command that is killed at any write finishes when it is given again, with the same bytes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name != "posix", reason="forks, and kills by SIGKILL"),
]

HARNESS = Path(__file__).with_name("kill_points.py")


# A few points of each command; the harness by itself tries them all.
@pytest.mark.parametrize(
    ("command", "points"),
    [
        ("train", 5),
        pytest.param("repeat", 2, marks=pytest.mark.slow),
        pytest.param("sweep", 2, marks=pytest.mark.slow),
    ],
)
def test_the_same_command_finishes(command: str, points: int) -> None:
    words = [sys.executable, str(HARNESS), "--command", command, "--sample", str(points)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    row = re.fullmatch(rf"{command} +(\d+) +(\d+) +0 +\d+", done.stdout.splitlines()[-1])
    assert row, done.stdout
    assert int(row[1]) > 200
    assert int(row[2]) == points
