"""Measure a Ray cluster of several simulated machines: its cost, and what losing some costs.

The machines are network namespaces (`simulated_cluster.py`). This needs root, iproute2 and taskset,
and takes twenty minutes:

    python benchmarks/ray_cluster.py --iterations 3000 --out benchmarks/records/ray-cluster.json

Eight members of `smoke` are trained on this machine, then on clusters of one and two nodes,
then on two nodes that are killed and replaced, then on a cluster whose head is killed.
"""

import argparse
import hashlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulated_cluster import ADDRESS, Cluster, started_cluster

MEMBERS = 8
CHECKPOINT_SECONDS = 1


def drive(folder: Path, on: str | None) -> None:
    """Train a run; append every event to the file `NAME.events` beside the folder."""
    from tenfold.artifacts.training import Event, FailureEvent
    from tenfold.execution.config import Execution
    from tenfold.execution.train import resume

    start = time.monotonic()
    with (
        folder.with_suffix(".events").open("a") as events,
        Execution(cluster=on).connected() as execution,
    ):
        events.write(json.dumps({"connected": time.monotonic() - start}) + "\n")

        def write_event(member: int, event: Event) -> None:
            if isinstance(event, FailureEvent):  # of trials only
                return
            seconds = round(time.monotonic() - start, 2)
            row = {"member": member, "step": event.state.step, "seconds": seconds}
            events.write(json.dumps(row) + "\n")
            events.flush()

        resume(folder, execution=execution, on_event=write_event)


def create(folder: Path, iterations: int) -> Path:
    """Create a run of eight members, to be trained by one thread each."""
    from tenfold.execution.config import Execution
    from tenfold.execution.create import open_or_create
    from tenfold.training.recipe import load_recipe

    settings = [f"members={MEMBERS}", f"training.stages.1.iterations={iterations}"]
    settings += ["training.evaluate_every=200", f"training.checkpoint_seconds={CHECKPOINT_SECONDS}"]
    open_or_create(load_recipe("smoke", settings), folder, Execution(threads=1))
    return folder


def events_of(folder: Path) -> list[dict[str, Any]]:
    """Return the events that were written, whole lines only."""
    path = folder.with_suffix(".events")
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def hashes(folder: Path) -> list[str]:
    """Return the SHA-256 of each member's weights."""
    paths = [folder / "members" / f"{m:02}" / "weights.safetensors" for m in range(MEMBERS)]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def repeated_steps(folder: Path) -> dict[str, Any]:
    """Return where members resumed after a loss, and how many steps were taken twice."""
    steps: dict[int, list[int]] = defaultdict(list)
    for event in events_of(folder):
        if "member" in event:
            steps[event["member"]].append(event["step"])
    resumed = [
        {"member": member, "had_reached": before, "first_seen_at": after}
        for member, seen in sorted(steps.items())
        for before, after in itertools.pairwise(seen)
        if after < before
    ]
    return {
        "resumed": resumed,
        "steps_taken_twice": sum(a["had_reached"] - a["first_seen_at"] for a in resumed),
        "steps_in_all": sum(max(seen) for seen in steps.values()),
    }


def between_members(folder: Path) -> float:
    """Return the median seconds from a member's last event to the next one's first, on one core.

    They contain what an executor costs, but not how fast members train on a busy machine.
    """
    events = [event for event in events_of(folder) if "member" in event]
    gaps = [
        after["seconds"] - before["seconds"]
        for before, after in itertools.pairwise(events)
        if after["member"] != before["member"]
    ]
    return round(float(statistics.median(gaps)), 2)


def progress(folder: Path) -> float:
    """Return the share of all steps that have been taken."""
    from tenfold.execution.run import Run

    reached: dict[int, int] = {}
    for event in events_of(folder):
        if "member" in event:
            reached[event["member"]] = event["step"]
    return sum(reached.values()) / MEMBERS / Run.open(folder).recipe.schedule.iterations


def wait_until(process: "subprocess.Popen[bytes]", condition: Callable[[], bool]) -> None:
    """Wait until a condition holds or the driver ends."""
    while process.poll() is None and not condition():
        time.sleep(0.2)


def start_driver(folder: Path, cluster: Cluster | None = None) -> "subprocess.Popen[bytes]":
    """Train a run folder from the cluster's head; without Ray, on one core like a node's."""
    words = [sys.executable, __file__, "--drive", str(folder)]
    if cluster is None:
        return subprocess.Popen(["taskset", "-c", "0", *words])  # noqa: S607
    return cluster.head.start(*words, "--on", ADDRESS, log="driver")


def timed(folder: Path, cluster: Cluster | None = None) -> dict[str, Any]:
    """Train to the end; return the seconds of the whole process and of training."""
    start = time.monotonic()
    if start_driver(folder, cluster).wait():
        raise RuntimeError(f"{folder}: the driver failed")
    whole = time.monotonic() - start
    from tenfold.execution.run import Run

    return {
        "seconds": round(whole, 1),
        "training_seconds": Run.open(folder).manifest.timings.training_seconds,
    }


def measure(folder: Path, iterations: int) -> dict[str, Any]:
    """Run every part of the benchmark; return its figures."""
    figures: dict[str, Any] = {"members": MEMBERS, "iterations": iterations}
    local = create(folder / "local", iterations)
    figures["local, one core"] = timed(local)
    expected = hashes(local)
    for nodes in (1, 2):
        with started_cluster(nodes) as cluster:
            remote = create(folder / f"nodes-{nodes}", iterations)
            row = timed(remote, cluster)
            figures[f"{nodes} nodes"] = {**row, "same_bytes": hashes(remote) == expected}
            if nodes == 1:
                figures["between_members"] = {
                    "local": between_members(local),
                    "ray": between_members(remote),
                }
            print(json.dumps(figures), flush=True)
    figures["two nodes killed"] = kill_nodes(create(folder / "killed", iterations), expected)
    print(json.dumps(figures["two nodes killed"]), flush=True)
    figures["head killed"] = kill_head(create(folder / "headless", iterations), expected)
    return figures


def kill_nodes(folder: Path, expected: list[str]) -> dict[str, Any]:
    """Lose one node at 30 % of the steps, the other at 60 %."""
    start = time.monotonic()
    with started_cluster(2) as cluster:
        process = start_driver(folder, cluster)
        for which, share in ((0, 0.3), (1, 0.6)):
            wait_until(process, lambda share=share: progress(folder) > share)  # type: ignore[misc]
            cluster.replace(which)
        code = process.wait()
    seconds = round(time.monotonic() - start, 1)
    same = hashes(folder) == expected
    return {"exit_code": code, "seconds": seconds, "same_bytes": same, **repeated_steps(folder)}


def kill_head(folder: Path, expected: list[str]) -> dict[str, Any]:
    """Lose the head at 40 %, driver and all; resume on another cluster."""
    with started_cluster(2) as cluster:
        process = start_driver(folder, cluster)
        wait_until(process, lambda: progress(folder) > 0.4)  # noqa: PLR2004
        cluster.head.kill()
        process.wait()
    with started_cluster(2) as cluster:
        code = start_driver(folder, cluster).wait()
    return {"exit_code": code, "same_bytes": hashes(folder) == expected, **repeated_steps(folder)}


def main() -> None:
    """Parse, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="file of the record")
    parser.add_argument("--iterations", type=int, default=1500, help="of the second stage")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--on", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive, options.on)
        return
    from measurement import save

    with tempfile.TemporaryDirectory(prefix="tenfold-") as folder:
        figures = measure(Path(folder), options.iterations)
    print(json.dumps(figures, indent=1))
    save(options.out, **figures)


if __name__ == "__main__":
    main()
