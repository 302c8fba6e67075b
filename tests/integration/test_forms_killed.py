"""A killed `tenfold forms read` continues: every page is there once."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from .slip_form import FORM, draw

pytestmark = pytest.mark.processes

PAGES = 24


def start(folder: Path, *options: str, table: str = "table.csv") -> "subprocess.Popen[bytes]":
    command = ["forms", "read", str(folder / "form.toml"), str(folder / "scans")]
    options = ("--out", str(folder / table), *(options or ("--workers", "2")))
    return subprocess.Popen(
        [sys.executable, "-m", "tenfold", *command, *options], start_new_session=True
    )


def write_scans(folder: Path, count: int) -> None:
    (folder / "form.toml").write_text(FORM)
    (folder / "scans").mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / "scans" / f"{number:02}.png"), draw(100 + number))


def journal(folder: Path) -> list[str]:
    path = folder / "table.csv.review" / "pages.jsonl"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_killed_command_continues(tmp_path: Path, whole_group: bool) -> None:  # noqa: FBT001
    write_scans(tmp_path, PAGES)
    process = start(tmp_path)
    deadline = time.monotonic() + 120
    while len(journal(tmp_path)) < PAGES // 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    kill = os.killpg if whole_group else os.kill
    kill(process.pid, signal.SIGKILL)
    process.wait()
    before = journal(tmp_path)
    assert PAGES // 3 <= len(before) < PAGES
    assert not (tmp_path / "table.csv").exists()
    again = start(tmp_path)
    assert again.wait(timeout=120) == 0
    lines = journal(tmp_path)
    assert lines[: len(before) - 1] == before[:-1]  # the last may have been cut
    files = [Path(json.loads(line)["file"]).name for line in lines]
    assert sorted(files) == [f"{number:02}.png" for number in range(PAGES)]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["n"] for row in rows] == [str(100 + number) for number in range(PAGES)]


@pytest.mark.slow
def test_a_cluster_reads_what_this_machine_reads(tmp_path: Path) -> None:
    """That Parquet files are read alike on a cluster is held in `test_on_ray.py`, quicker."""
    pytest.importorskip("ray")
    write_scans(tmp_path, 5)
    cv2.imwrite(str(tmp_path / "scans" / "9.png"), np.full((300, 300), 200, np.uint8))
    for table, options in (("here.csv", ("--workers", "1")), ("there.csv", ("--on", "ray"))):
        # A page is none of the form.
        assert start(tmp_path, *options, table=table).wait(timeout=120) == 2
    there = (tmp_path / "there.csv").read_text()
    assert there == (tmp_path / "here.csv").read_text()
    assert there.count("foreign page") == 1
    assert [row["n"] for row in csv.DictReader(there.splitlines())] == [
        *(str(100 + number) for number in range(5)),
        "",
    ]
