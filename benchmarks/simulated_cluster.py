"""A Ray cluster of several simulated machines, of which some can be lost.

Each node is a network namespace with an address, a folder of temporary files and one core of its
own, in which `ray start` runs. A bridge connects them. To lose a machine is to send SIGKILL to
every process of its namespace. This needs root, iproute2 and taskset.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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
