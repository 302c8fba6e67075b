"""Where and how members are trained, as one value."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

from tenfold.execution.job import Executor, Job, OnEvent, TrainJob, run_job
from tenfold.execution.local import LocalExecutor
from tenfold.training.hardware import Precision


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how members are trained. It changes no result but by device and precision.

    Attributes:
        device: auto, cpu, cuda or mps; auto takes a GPU where there is one.
        precision: auto, float32 or bfloat16; auto takes bfloat16 where the hardware has it.
        threads: CPU threads in use at a time, of all members together; all cores by default.
        cluster: None is this machine; `ray`, `HOST:PORT` or `ray://HOST:PORT` a Ray cluster,
            see `ray_cluster.connected`.
        start_method: of worker processes; `fork` saves each the import of torch, but is safe
            only where this process has not computed anything with torch yet.
        executor: trains the jobs, in place of this machine or a cluster.
    """

    device: str = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    cluster: str | None = None
    start_method: Literal["fork", "spawn"] = "spawn"
    executor: Executor | None = None

    @contextlib.contextmanager
    def connected(self) -> Iterator[Self]:
        """Yield this execution with its cluster started or joined, once for several calls.

        Raises:
            TenfoldError: there is no such cluster; see `ray_cluster.connected`.
        """
        if self.cluster is None or self.executor:
            yield self
            return
        from tenfold import ray_cluster
        from tenfold.execution.ray import RayExecutor

        with ray_cluster.connected(self.cluster) as ray:
            yield replace(self, executor=RayExecutor(ray))

    def run(
        self, jobs: Iterable[Job], on_event: OnEvent, *, workers: int, train: TrainJob = run_job
    ) -> None:
        """Train every job to its end; `workers` at a time on this machine.

        Raises:
            Interrupted: see `Executor`.
        """
        with self.connected() as execution:
            executor = execution.executor or LocalExecutor(workers, self.start_method)
            executor(jobs, on_event, train)


THIS_MACHINE = Execution()
