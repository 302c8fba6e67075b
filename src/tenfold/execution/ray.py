"""Machines of a Ray cluster: a member is a task that declares the cores and GPUs that it needs."""

import contextlib
from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.execution.remote import Message, RemoteExecutor, Task, train_task
from tenfold.ray_cluster import connected

POLL_SECONDS = 0.2
HEAD_TIMEOUT_SECONDS = 60  # for an answer of the cluster's head
STOP_TIMEOUT_SECONDS = 10  # for the head to take in that all is to stop
MAX_UNACKNOWLEDGED = 20  # messages of a member that may be on their way


@contextlib.contextmanager
def ray_executor(cluster: str) -> Iterator[RemoteExecutor]:
    """Yield the executor of a Ray cluster; see `ray_cluster.connected`."""
    with connected(cluster) as ray:
        yield RemoteExecutor(RayMachines(ray))


class MessageQueue:
    """An actor on the head that holds messages; a sender is answered whether to stop."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended: set[int] = set()
        self.stopping = False

    def put(self, number: int, kind: str, content: Any) -> bool:  # noqa: ANN401 - a message's
        """Add a message; true asks the sender to end."""
        if number not in self.ended:
            self.messages.append((number, kind, content))
        return self.stopping or number in self.ended

    def take(self) -> list[Message]:
        """Return the messages since the last time."""
        messages, self.messages = self.messages, []
        return messages

    def end(self, number: int) -> None:
        """Ask one sender to end."""
        self.ended.add(number)

    def stop(self) -> None:
        """Ask every sender to end."""
        self.stopping = True


def _train(number: int, task: Task, digits: tuple[Digits, Digits], queue: Any) -> None:  # noqa: ANN401 - Ray's handle
    """Be a Ray task.

    Messages are sent without waiting for the answer: a task that waits lends its core to another.
    """
    import ray

    answers: deque[Any] = deque()

    def send(kind: str, content: object) -> bool:
        answers.append(queue.put.remote(number, kind, content))
        stop = False
        while answers and (
            len(answers) > MAX_UNACKNOWLEDGED or ray.wait([answers[0]], timeout=0)[0]
        ):
            stop = ray.get(answers.popleft()) or stop
        return stop

    send("begun", None)
    train_task(task, digits, send)
    ray.get(list(answers))


class RayMachines:
    """`remote.Machines` on a cluster that the module `ray` is connected to.

    Ray's own retries are off: they would begin again with the task's first checkpoint.
    """

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - a module
        self.ray = ray
        # The head is where the cluster ends anyway.
        head = {"node:__internal_head__": 0.001}
        self.queue = ray.remote(MessageQueue).options(num_cpus=0, resources=head).remote()
        self.train = ray.remote(_train)
        self.running: dict[Any, int] = {}
        self.begun: set[int] = set()
        self.needs = (1, 0)  # cores and GPUs of the task that was submitted last
        self.submitted = 0

    def capacity(self) -> int:
        """Return how many tasks like the last can run at a time; nodes come and go.

        Raises:
            RunError: the head does not answer.
        """
        cores, gpus = self.needs
        with self._answering():
            nodes = self._nodes()
        fitting = [
            int(min(node.get("CPU", 0) // cores, node.get("GPU", 0) // gpus if gpus else inf))
            for node in nodes
        ]
        return max(sum(fitting), 1)

    def upload(self, digits: tuple[Digits, Digits]) -> object:
        """Put digits into the object store, from which each node fetches them once."""
        return self.ray.put(digits)

    def submit(self, task: Task, digits: object) -> int:
        """See `Machines`.

        Raises:
            RunError: no node has that many cores.
        """
        job = task.job
        self.needs = cores, gpus = job.threads, int(job.device.startswith("cuda"))
        self._check(cores, gpus)
        self.submitted += 1
        train = self.train.options(num_cpus=cores, num_gpus=gpus, max_retries=0)
        self.running[train.remote(self.submitted, task, digits, self.queue)] = self.submitted
        return self.submitted

    def _check(self, cores: int, gpus: int) -> None:
        """Refuse what Ray would let wait for ever; a cluster without any node waits for some."""
        nodes = [node for node in self._nodes() if node.get("CPU", 0)]
        if nodes and not any(n.get("CPU", 0) >= cores and n.get("GPU", 0) >= gpus for n in nodes):
            largest = max(int(node.get("CPU", 0)) for node in nodes)
            raise RunError(
                f"a member needs {cores} cores{' and a GPU' * gpus}, the largest node has "
                f"{largest}; begin the run with fewer --threads"
            )

    def receive(self) -> tuple[list[Message], dict[int, str]]:
        """See `Machines`.

        Raises:
            RunError: the head does not answer.
        """
        tasks = list(self.running)
        with self._answering():
            done, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=POLL_SECONDS)
            messages = self.ray.get(self.queue.take.remote(), timeout=HEAD_TIMEOUT_SECONDS)
        self.begun.update(number for number, kind, _ in messages if kind == "begun")
        ended = {self.running.pop(task): self._why_lost(task) for task in done}
        return [message for message in messages if message[1] != "begun"], ended

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
        self.queue.end.remote(number)

    def stop(self) -> None:
        """See `Machines`."""
        self.ray.get(self.queue.stop.remote(), timeout=STOP_TIMEOUT_SECONDS)
        for task, number in self.running.items():
            if number not in self.begun:
                self.ray.cancel(task)
