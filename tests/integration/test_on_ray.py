"""A real Ray cluster of one machine: the same bytes, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

from tenfold.data.digits import synthetic_digits
from tenfold.execution.config import Execution
from tenfold.execution.train import resume, train

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

Start = Callable[..., "subprocess.Popen[str]"]
OFTEN = "training.checkpoint_seconds=0.1"
QUICK = ("smoke", "--threads", 1, "--set", OFTEN)

LOOPBACK = """
import socket
from tenfold.ray_cluster import connected
with connected("ray") as ray:
    node, = ray.nodes()
    for address in ("127.0.0.1", "127.0.0.2"):
        try:
            socket.create_connection((address, node["NodeManagerPort"]), 5).close()
            print("open")
        except ConnectionRefusedError:
            print("refused")
    import subprocess, sys, os
    strange = {**os.environ, "RAY_AUTH_TOKEN": "a" * 64}
    script = f"import ray; ray.init({ray.get_runtime_context().gcs_address!r}); print('in')"
    print(subprocess.run([sys.executable, "-c", script], env=strange, capture_output=True).stdout)
"""


def workers(session: int) -> list[int]:
    """Return the processes that train, of those that descend from a session's leader."""
    parents: dict[int, int] = {}
    training = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            )
            if (folder / "cmdline").read_bytes().startswith(b"ray::_train"):
                training.append(int(folder.name))
        except OSError:
            continue

    def descends(pid: int) -> bool:
        return pid == session or (pid in parents and descends(parents[pid]))

    return [pid for pid in training if descends(pid)]


def checkpointed(run: Path, process: "subprocess.Popen[str]") -> None:
    while not list(run.glob("members/*/checkpoint.safetensors")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def test_a_killed_worker_and_ctrl_c_change_no_byte(tmp_path: Path, start: Start) -> None:
    one_thread = Execution(threads=1)
    train("smoke", overrides=[OFTEN], out=tmp_path / "local", execution=one_thread)
    run = tmp_path / "run"
    process = start("train", *QUICK, "--out", run, "--on", "ray")
    checkpointed(run, process)
    killed = workers(process.pid)
    assert killed
    os.kill(killed[0], signal.SIGKILL)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    if process.returncode != 0:  # a fast machine may be done by then
        assert process.returncode == 130, stderr
        assert f"tenfold train --resume --out {run}" in stderr
        assert resume(run).finished  # here, with what the cluster has brought home
    for member in ("00", "01"):
        for name in ("weights.safetensors", "log_probabilities.f16"):
            ours, theirs = (
                folder / "members" / member / name for folder in (run, tmp_path / "local")
            )
            assert ours.read_bytes() == theirs.read_bytes()
        assert len((run / "members" / member / "journal.jsonl").read_text().splitlines()) == 9
    assert json.loads((run / "evaluation.json").read_text()) == json.loads(
        (tmp_path / "local/evaluation.json").read_text()
    )


def test_a_cluster_of_our_own_keeps_to_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOPBACK], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["open", "refused", "b''"]


def test_a_cluster_reads_what_this_machine_reads(tmp_path: Path, start: Start) -> None:
    images = synthetic_digits(60, seed=3).images.numpy()
    pictures = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    for number in range(3):
        table = pa.table({"image": pictures[20 * number : 20 * number + 20]})
        parquet.write_table(table, tmp_path / f"{number}.parquet", row_group_size=10)
    found = []
    for out, more in ((tmp_path / "here", ()), (tmp_path / "there", ("--on", "ray"))):
        process = start(
            "read", *sorted(tmp_path.glob("*.parquet")), "--single", "--out", out, *more
        )
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert "60 rows in 6 files" in stderr
        found.append(dataset.dataset(out, format="parquet").to_table().to_pylist())
    assert found[0] == found[1]
    assert len({row["file"] for row in found[1]}) == 60


@pytest.mark.slow
def test_a_cluster_sweeps(tmp_path: Path, start: Start) -> None:
    """That it finds what this machine finds is held, without Ray, by tests/unit/test_ray.py."""
    space, out = tmp_path / "space.toml", tmp_path / "sweep"
    space.write_text(
        '"training.stages.1.learning_rate.start" = { low = 0.0001, high = 0.05, log = true }'
    )
    words = ("smoke", "--space", space, "--trials", 2, "--seeds", 1, "--out", out, "--on", "ray")
    settings = ("members=1", "training.checkpoint_seconds=20")
    process = start("sweep", *words, *(word for s in settings for word in ("--set", s)))
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    result = json.loads((out / "sweep.json").read_text())
    assert [trial["state"] for trial in result["trials"]] == ["complete"] * 2
    assert (out / "best.toml").exists()
