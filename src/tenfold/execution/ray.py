"""Machines of a Ray cluster: a member is a task that declares the cores and GPUs that it needs.

Machines share no folder with this one, and may go away. Only this side writes into the run
folder, so that whatever happens elsewhere it holds a member's last checkpoint, which is what the
next machine is given. Ray's own retries are off: they would begin again with the checkpoint of
the first try, and some of them never end.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.execution.job import Job, OnEvent, TrainJob, interruptible, run_job
from tenfold.execution.remote import Message, Task, store, train_task
from tenfold.execution.run import Run
from tenfold.training.member import Interrupted

MAX_LOSSES = 3  # in a row, of one member, without a checkpoint between them
MAX_UNACKNOWLEDGED = 20  # messages of a member that may be on their way
POLL_SECONDS = 0.2
HEAD_TIMEOUT_SECONDS = 60  # for an answer of the cluster's head
STOP_TIMEOUT_SECONDS = 10  # for the head to take in that all is to stop


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
        while answers:
            if len(answers) <= MAX_UNACKNOWLEDGED and not ray.wait([answers[0]], timeout=0)[0]:
                break
            stop = ray.get(answers.popleft()) or stop
        return stop

    send("begun", None)
    train_task(task, digits, send)
    ray.get(list(answers))


class RayExecutor:
    """An `Executor` that sends members to the cluster that the module `ray` is connected to.

    A member whose machine is lost is sent again.
    """

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - a module
        self.ray = ray
        # The head is where the cluster ends anyway.
        head = {"node:__internal_head__": 0.001}
        self.queue = ray.remote(MessageQueue).options(num_cpus=0, resources=head).remote()
        self.train = ray.remote(_train)
        self.submitted = 0
        self.jobs: dict[int, Job] = {}  # that train or wait, by their tasks' numbers
        self.tasks: dict[Any, int] = {}  # numbers by Ray's references
        self.begun: set[int] = set()
        self.uploaded: dict[str, Any] = {}  # digits, by the recipe's data settings
        self.losses: Counter[Job] = Counter()
        self.needs = (1, 0)  # cores and GPUs of the job that was submitted last

    def __call__(self, jobs: Iterable[Job], on_event: OnEvent, train: TrainJob = run_job) -> None:
        """See `Executor`.

        Raises:
            RunError: a member cannot be trained, loses its machine time and again, or the
                cluster is gone.
        """
        waiting = iter(jobs)
        stopping = False
        with interruptible() as stop:
            while True:
                if stop() and not stopping:
                    stopping, waiting = True, iter(())
                    self._stop()
                while not stop() and len(self.jobs) < self._capacity():
                    if (job := next(waiting, None)) is None:
                        break
                    self._submit(job, train)
                if not self.jobs:
                    break
                lost = self._receive(on_event)
                for job in [] if stopping else lost:
                    self._submit(job, train)
            if stop():
                raise Interrupted

    def _capacity(self) -> int:
        """Return how many jobs like the last can train at a time; nodes come and go."""
        cores, gpus = self.needs
        fitting = (
            int(min(node.get("CPU", 0) // cores, node.get("GPU", 0) // gpus if gpus else inf))
            for node in self._nodes()
        )
        return max(sum(fitting), 1)

    def _nodes(self) -> list[dict[str, float]]:
        """Return what each node that is there has."""
        with self._answering():
            return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def _submit(self, job: Job, train: TrainJob) -> None:
        self.needs = cores, gpus = job.threads, int(job.device.startswith("cuda"))
        self._check(cores, gpus)
        run = Run.open(job.run)
        data = run.recipe.data.model_dump_json()
        if data not in self.uploaded:  # each node fetches it once
            self.uploaded[data] = self.ray.put(run.digits())
        self.submitted += 1
        options = self.train.options(num_cpus=cores, num_gpus=gpus, max_retries=0)
        task = options.remote(self.submitted, Task.of(job, train), self.uploaded[data], self.queue)
        self.tasks[task] = self.submitted
        self.jobs[self.submitted] = job

    def _check(self, cores: int, gpus: int) -> None:
        """Refuse what Ray would let wait for ever; a cluster without any node waits for some."""
        nodes = [node for node in self._nodes() if node.get("CPU", 0)]
        if nodes and not any(n["CPU"] >= cores and n.get("GPU", 0) >= gpus for n in nodes):
            largest = max(int(node["CPU"]) for node in nodes)
            raise RunError(
                f"a member needs {cores} cores{' and a GPU' * gpus}, the largest node has "
                f"{largest}; begin the run with fewer --threads"
            )

    def _receive(self, on_event: OnEvent) -> list[Job]:
        """Wait a moment and take in what came; return the jobs that lost their machine."""
        with self._answering():
            tasks = list(self.tasks)
            done, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=POLL_SECONDS)
            messages = self.ray.get(self.queue.take.remote(), timeout=HEAD_TIMEOUT_SECONDS)
        for number, kind, content in messages:
            self._take_in(number, kind, content, on_event)
        lost = []
        for task in done:
            job = self.jobs.pop(self.tasks.pop(task), None)
            reason = self._why_lost(task)
            if job and reason:
                self._count_loss(job, reason)
                lost.append(job)
        return lost

    def _take_in(self, number: int, kind: str, content: Any, on_event: OnEvent) -> None:  # noqa: ANN401 - by kind
        job = self.jobs.get(number)
        if job is None:  # lost, or ended
            return
        if kind == "error":
            raise RunError(f"member {job.member}: {content}")
        if kind == "begun":
            self.begun.add(number)
        elif kind == "files":
            self.losses[job] = 0
            store(Run.open(job.run).members[job.member], content)
        elif on_event(job, content):
            del self.jobs[number]
            self.queue.end.remote(number)

    def _why_lost(self, task: Any) -> str:  # noqa: ANN401 - Ray's reference
        """Return why a task's machine was lost; empty if it was not."""
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

    def _count_loss(self, job: Job, reason: str) -> None:
        self.losses[job] += 1
        if self.losses[job] == MAX_LOSSES:
            raise RunError(
                f"member {job.member}: lost its machine {MAX_LOSSES} times before it wrote a "
                f"checkpoint ({reason}); lower training.checkpoint_seconds, or continue with: "
                f"tenfold train --resume --out {job.run}"
            )

    def _stop(self) -> None:
        """Ask running tasks to write a checkpoint and end; those that wait never begin."""
        self.ray.get(self.queue.stop.remote(), timeout=STOP_TIMEOUT_SECONDS)
        for task, number in self.tasks.items():
            if number not in self.begun:
                self.ray.cancel(task)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            raise RunError(f"the cluster's head is gone ({type(error).__name__})") from error
