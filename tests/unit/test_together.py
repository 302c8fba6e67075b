"""One network trained by two processes: the same bytes again, and what one process would train."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from tenfold.errors import RecipeError, RunError
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.launch import Job, Local
from tenfold.training.member import Event, Interrupted
from tenfold.training.recipe import load_recipe
from tenfold.training.run import Run
from tenfold.training.share import Share
from tenfold.training.together import Together, check
from tenfold.training.train import jobs_of, prepare

pytestmark = pytest.mark.processes

SMALL = (
    "members=1",
    "training.stages.0.iterations=5",
    "training.stages.1.iterations=4",
    "training.evaluate_every=4",
)
# Nothing drawn at random and no statistics of a batch: the sum over shares is the whole.
PLAIN = (
    *SMALL,
    "network.normalisation=none",
    "network.dropout=0.0",
    "augmentation.rotation=0.0",
    "augmentation.translation=0.0",
)


def lay(folder: Path, changes: tuple[str, ...], processes: int | None = 2) -> Run:
    recipe = load_recipe("smoke", changes)
    run = prepare(recipe, out=folder, precision="float32", threads=1)
    if processes:
        run.write_manifest({**run.manifest, "processes": processes})
    return run


def work(rank: int, meeting: Path, runs: list[Path]) -> None:
    """Be one of two processes, of which the second is told to stop in the middle of `resumed`."""
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)

    def on_event(job: Job, event: Event) -> None:
        if job.run.name == "resumed" and rank == 1 and event["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    for path in runs:
        try:
            Together(Share(rank, 2))(jobs_of(Run.open(path)), on_event)
        except Interrupted:
            (path / f"stopped-{rank}").touch()
            dist.barrier()
            Together(Share(rank, 2))(jobs_of(Run.open(path)), lambda _job, _event: None)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Train two runs alike, another one in two goes, and a plain one, in two processes."""
    folder = tmp_path_factory.mktemp("together")
    runs = {name: lay(folder / name, SMALL) for name in ("first", "second", "resumed")}
    runs["plain"] = lay(folder / "plain", PLAIN)
    spawn(  # type: ignore[no-untyped-call]
        work, (folder / "meeting", [run.path for run in runs.values()]), nprocs=2
    )
    return runs


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.members[0] / "weights.safetensors")[0]


def journal(run: Run) -> list[dict[str, Any]]:
    lines = (run.members[0] / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("other", ["second", "resumed"])
def test_as_many_processes_train_the_same_bytes(other: str, trained: dict[str, Run]) -> None:
    first, again = trained["first"], trained[other]
    name = "weights.safetensors"
    assert (first.members[0] / name).read_bytes() == (again.members[0] / name).read_bytes()
    timed = {"seconds", "images_per_second"}
    records = [
        [{key: r[key] for key in r.keys() - timed} for r in journal(run)] for run in (first, again)
    ]
    assert records[0] == records[1]
    assert [r["step"] for r in records[0]] == [4, 8, 9]
    stopped = [(again.path / f"stopped-{rank}").exists() for rank in (0, 1)]
    assert stopped == [other == "resumed"] * 2


def test_two_processes_train_what_one_would(trained: dict[str, Run], tmp_path: Path) -> None:
    alone = lay(tmp_path / "alone", PLAIN, processes=None)
    Local(1)(jobs_of(alone), lambda _job, _event: None)
    together = weights(trained["plain"])
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-4, atol=1e-5)
    for one, two in zip(journal(alone), journal(trained["plain"]), strict=True):
        assert two["train_nll"] == pytest.approx(one["train_nll"], rel=1e-4)
        assert two["images"] == one["images"]


def test_a_run_stays_with_its_number_of_processes(tmp_path: Path) -> None:
    run = lay(tmp_path / "run", SMALL, processes=3)
    with pytest.raises(RunError, match="began with 3 processes, not 2"):
        check(run, Share(0, 2))
    with pytest.raises(RunError, match="torchrun --nproc-per-node 3 -m tenfold train --resume"):
        Local(1)(jobs_of(run), lambda _job, _event: None)
    with pytest.raises(RecipeError, match="a batch of 32 images is too small for 17 processes"):
        check(lay(tmp_path / "many", SMALL, processes=17), Share(0, 17))


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_are_a_partition(world: int) -> None:
    batch = torch.arange(20)
    parts = [Share(rank, world).part(batch) for rank in range(world)]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len({Share(rank, world).seed for rank in range(world)}) == world
