"""Measure a Ray cluster of several simulated machines: its cost, and what losing some costs.

Each node is a network namespace with an address, a folder of temporary files and one core of its
own, in which `ray start` runs. A bridge connects them. To lose a machine is to send SIGKILL to
every process of its namespace. This needs root, iproute2 and taskset, and takes twenty minutes:

    python benchmarks/ray_cluster.py --iterations 3000 --out benchmarks/records/ray-cluster.json

Eight members of `smoke` are trained on this machine, then on clusters of one and two nodes,
then on two nodes that are killed and replaced, then on a cluster whose head is killed.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MEMBERS = 8
CHECKPOINT_SECONDS = 1
HEAD = "10.77.0.1"
ADDRESS = f"{HEAD}:6379"


def run(*words: object) -> None:
    """Run a command that must work."""
    subprocess.run([str(word) for word in words], check=True)


class Node:
    """A namespace with `ray start` in it."""

    def __init__(self, number: int, root: Path, core: int | None = None) -> None:
        self.name = f"tenfold{number}"
        self.temporary = root / str(number)
        address = f"10.77.0.{number}"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "eth0", "netns", self.name)
        run("ip", "link", "set", self.name, "master", "tenfold", "up")
        run("ip", "-n", self.name, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        ray = [str(Path(sys.executable).parent / "ray"), "start", "--node-ip-address", address]
        ray += ["--temp-dir", str(self.temporary), "--object-store-memory", str(200 * 2**20)]
        ray += ["--num-cpus", str(int(core is not None)), "--disable-usage-stats", "--block"]
        head = ["--head", "--port", "6379", "--include-dashboard", "false"]
        ray += head if number == 1 else ["--address", ADDRESS]
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.process = self.start(*pinned, *ray)

    def start(self, *words: str, log: str = "log") -> "subprocess.Popen[bytes]":
        """Start a command on this machine."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        with (self.temporary / log).open("wb") as file:
            command = ["ip", "netns", "exec", self.name, *words]
            return subprocess.Popen(command, stdout=file, stderr=file)

    def kill(self) -> None:
        """Lose the machine."""
        figures = subprocess.run(
            ["ip", "netns", "pids", self.name],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        for pid in figures.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.process.wait()
        run("ip", "link", "delete", self.name)  # with its namespace alone it would linger
        run("ip", "netns", "delete", self.name)
        shutil.rmtree(self.temporary, ignore_errors=True)


class Cluster:
    """A head without cores, where the driver runs, and nodes of one core each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.numbers = iter(range(2, 250))
        run("ip", "link", "add", "tenfold", "type", "bridge")
        run("ip", "link", "set", "tenfold", "up")
        self.head = Node(1, root)
        self.nodes: list[Node] = []

    def start(self, nodes: int) -> None:
        """Start machines, and wait for them."""
        self.wait(0)
        for core in range(nodes):
            self.nodes.append(self.add(core))
        self.wait(nodes)

    def add(self, core: int) -> Node:
        """Start a machine."""
        return Node(next(self.numbers), self.root, core)

    def replace(self, which: int) -> None:
        """Lose a machine and start another."""
        self.nodes[which].kill()
        self.nodes[which] = self.add(which)

    def wait(self, cores: int) -> None:
        """Wait until so many cores are there."""
        script = f"import ray, sys\nray.init('{ADDRESS}', log_to_driver=False)\nsys.exit("
        script += f"ray.cluster_resources().get('CPU', 0) < {cores})"
        words = [sys.executable, "-c", script]
        for number in range(30):
            if not self.head.start(*words, log=f"wait-{number}").wait():
                return
            time.sleep(1)
        logs = [node.temporary / "log" for node in (self.head, *self.nodes)]
        raise RuntimeError("no cluster:\n" + "\n".join(log.read_text() for log in logs))

    def drive(self, folder: Path) -> "subprocess.Popen[bytes]":
        """Train a run folder from the head's machine."""
        words = [sys.executable, __file__, "--drive", str(folder), "--on", ADDRESS]
        return self.head.start(*words, log="driver")

    def close(self) -> None:
        """Lose everything."""
        for node in (*self.nodes, self.head):
            with contextlib.suppress(subprocess.CalledProcessError):
                node.kill()
        run("ip", "link", "delete", "tenfold")


@contextlib.contextmanager
def started_cluster(nodes: int) -> Iterator[Cluster]:
    """Start a cluster under /tmp, since sockets need short names."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as root:
        cluster = Cluster(Path(root))
        try:
            cluster.start(nodes)
            yield cluster
        finally:
            cluster.close()


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


def timed(folder: Path, launch: Callable[[Path], "subprocess.Popen[bytes]"]) -> dict[str, Any]:
    """Train to the end; return the seconds of the whole process and of training."""
    start = time.monotonic()
    if launch(folder).wait():
        raise RuntimeError(f"{folder}: the driver failed")
    whole = time.monotonic() - start
    from tenfold.execution.run import Run

    return {
        "seconds": round(whole, 1),
        "training_seconds": Run.open(folder).manifest.timings.training_seconds,
    }


def on_one_core(folder: Path) -> "subprocess.Popen[bytes]":
    """Train without Ray, on one core like a node's."""
    return subprocess.Popen(
        ["taskset", "-c", "0", sys.executable, __file__, "--drive", str(folder)]  # noqa: S607
    )


def measure(folder: Path, iterations: int) -> dict[str, Any]:
    """Run every part of the benchmark; return its figures."""
    figures: dict[str, Any] = {"members": MEMBERS, "iterations": iterations}
    local = create(folder / "local", iterations)
    figures["local, one core"] = timed(local, on_one_core)
    expected = hashes(local)
    for nodes in (1, 2):
        with started_cluster(nodes) as cluster:
            remote = create(folder / f"nodes-{nodes}", iterations)
            row = timed(remote, cluster.drive)
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
        process = cluster.drive(folder)
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
        process = cluster.drive(folder)
        wait_until(process, lambda: progress(folder) > 0.4)  # noqa: PLR2004
        cluster.head.kill()
        process.wait()
    with started_cluster(2) as cluster:
        code = cluster.drive(folder).wait()
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
