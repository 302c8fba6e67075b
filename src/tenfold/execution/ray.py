"""Machines of a Ray cluster: a member is a task that declares the cores and GPUs that it needs."""

import contextlib
from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.execution.local import PATIENCE_SECONDS
from tenfold.execution.remote import Letter, Parcel, Remote, train_parcel
from tenfold.ray_cluster import connected

LISTEN_SECONDS = 0.2
UNANSWERED = 20  # letters of a member that may be on their way
SILENCE_SECONDS = 60  # of a head that may be gone


@contextlib.contextmanager
def on_ray(on: str) -> Iterator[Remote]:
    """Yield a launcher for a Ray cluster; see `cluster.connected` for `on` and what is raised."""
    with connected(on) as ray:
        yield Remote(RayMachines(ray))


class Mailbox:
    """An actor on the head: letters wait here, and whoever brings one is told whether to stop."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.over: set[int] = set()
        self.stopping = False

    def post(self, number: int, kind: str, content: Any) -> bool:  # noqa: ANN401 - a letter's
        """Leave a letter; true asks the sender to end."""
        if number not in self.over:
            self.letters.append((number, kind, content))
        return self.stopping or number in self.over

    def take(self) -> list[Letter]:
        """Return the letters since the last time."""
        letters, self.letters = self.letters, []
        return letters

    def end(self, number: int) -> None:
        """Tell one when it comes by."""
        self.over.add(number)

    def stop(self) -> None:
        """Tell everyone who comes by."""
        self.stopping = True


def _train(number: int, parcel: Parcel, digits: tuple[Digits, Digits], mailbox: Any) -> None:  # noqa: ANN401 - Ray's handle
    """Be a Ray task.

    Letters are sent without waiting for the answer: a task that waits lends its core to another.
    """
    import ray

    answers: deque[Any] = deque()

    def post(kind: str, content: object) -> bool:
        answers.append(mailbox.post.remote(number, kind, content))
        stop = False
        while answers and (len(answers) > UNANSWERED or ray.wait([answers[0]], timeout=0)[0]):
            stop = ray.get(answers.popleft()) or stop
        return stop

    post("begun", None)
    train_parcel(parcel, digits, post)
    ray.get(list(answers))


class RayMachines:
    """`remote.Machines` on a cluster that the module `ray` is connected to.

    Ray's own retries are off: they would begin again with the parcel's first checkpoint.
    """

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - a module
        self.ray = ray
        # The head is where the cluster ends anyway.
        head = {"node:__internal_head__": 0.001}
        self.mailbox = ray.remote(Mailbox).options(num_cpus=0, resources=head).remote()
        self.task = ray.remote(_train)
        self.running: dict[Any, int] = {}
        self.begun: set[int] = set()
        self.needs = (1, 0)  # cores and GPUs of the parcel that was sent last
        self.sent = 0

    def room(self) -> int:
        """Return how many like the last can train at a time; nodes come and go.

        Raises:
            RunError: the head does not answer.
        """
        cores, gpus = self.needs
        with self._answering():
            nodes = self._nodes()
        rooms = [
            int(min(node.get("CPU", 0) // cores, node.get("GPU", 0) // gpus if gpus else inf))
            for node in nodes
        ]
        return max(sum(rooms), 1)

    def share(self, digits: tuple[Digits, Digits]) -> object:
        """Put digits into the object store, from which each node fetches them once."""
        return self.ray.put(digits)

    def send(self, parcel: Parcel, digits: object) -> int:
        """See `Machines`.

        Raises:
            RunError: no node has that many cores.
        """
        job = parcel.job
        self.needs = (job.threads, int(job.device.startswith("cuda")))
        self._check(*self.needs)
        self.sent += 1
        task = self.task.options(num_cpus=job.threads, num_gpus=self.needs[1], max_retries=0)
        self.running[task.remote(self.sent, parcel, digits, self.mailbox)] = self.sent
        return self.sent

    def _check(self, cores: int, gpus: int) -> None:
        """Refuse what Ray would let wait for ever; a cluster without any node waits for some."""
        nodes = [node for node in self._nodes() if node.get("CPU", 0)]
        if nodes and not any(n.get("CPU", 0) >= cores and n.get("GPU", 0) >= gpus for n in nodes):
            largest = max((int(node.get("CPU", 0)) for node in nodes), default=0)
            raise RunError(
                f"a member needs {cores} cores{' and a GPU' * gpus}, the largest node has "
                f"{largest}; begin the run with fewer --threads"
            )

    def listen(self) -> tuple[list[Letter], dict[int, str]]:
        """See `Machines`.

        Raises:
            RunError: the head does not answer.
        """
        tasks = list(self.running)
        with self._answering():
            done, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=LISTEN_SECONDS)
            letters = self.ray.get(self.mailbox.take.remote(), timeout=SILENCE_SECONDS)
        self.begun.update(number for number, kind, _ in letters if kind == "begun")
        ended = {self.running.pop(task): self._why_lost(task) for task in done}
        return [letter for letter in letters if letter[1] != "begun"], ended

    def _nodes(self) -> list[dict[str, float]]:
        """Return what each node that is there has."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            raise RunError(f"the cluster's head is gone ({type(error).__name__})") from error

    def _why_lost(self, task: Any) -> str:  # noqa: ANN401 - Ray's reference
        errors = self.ray.exceptions
        try:
            self.ray.get(task)
        except errors.RayTaskError as error:
            if isinstance(error.cause, ModuleNotFoundError):
                raise RunError(
                    f"a node of the cluster: {error.cause}; install tenfold there"
                ) from None
            if not isinstance(error.cause, errors.RayError):
                raise  # a bug, with the node's traceback
            return type(error.cause).__name__
        except errors.RayError as error:
            return type(error).__name__
        return ""

    def end(self, number: int) -> None:
        """See `Machines`."""
        self.mailbox.end.remote(number)

    def stop(self) -> None:
        """See `Machines`."""
        self.ray.get(self.mailbox.stop.remote(), timeout=PATIENCE_SECONDS)
        for task, number in self.running.items():
            if number not in self.begun:
                self.ray.cancel(task)
