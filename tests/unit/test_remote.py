"""Members trained elsewhere, on machines that are a function call away and die when told to."""

import contextlib
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.execution import remote
from tenfold.execution.local import Job, LaunchBy, Local, run_job
from tenfold.execution.ray import Mailbox
from tenfold.execution.remote import Letter, Parcel, Remote, train_parcel
from tenfold.execution.run import Run
from tenfold.execution.train import jobs_of, prepare, train
from tenfold.studies.space import load_space
from tenfold.studies.sweep import open_sweep
from tenfold.training.member import Interrupted
from tenfold.training.recipe import load_recipe
from tenfold.training.trainer import Trainer

pytestmark = pytest.mark.processes

NAMES = ("here", "elsewhere")
SMALL = ("training.stages.0.iterations=12", "training.stages.1.iterations=12")


@pytest.fixture(autouse=True)
def no_letters_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.training.member.PROGRESS_SECONDS", 1e9)


class Died(Exception):  # noqa: N818
    pass


class Nearby:
    """Machines that train one parcel at a time; the n-th dies after `deaths[n]` letters."""

    def __init__(
        self, deaths: dict[int, int], stop_after: int | None = None, rooms: int = 2
    ) -> None:
        self.deaths = deaths
        self.rooms = rooms
        self.over: list[int] = []
        self.stop_after = stop_after  # letters in all, whereupon Ctrl-C is pressed
        self.waiting: list[tuple[int, Parcel, Any]] = []
        self.parcels: list[Parcel] = []
        self.shared = 0
        self.pressed = threading.Event()
        self.stopped = False
        self.received = 0

    def room(self) -> int:
        return self.rooms

    def end(self, number: int) -> None:
        self.over.append(number)

    def share(self, digits: tuple[Digits, Digits]) -> object:
        self.shared += 1
        return digits

    def send(self, parcel: Parcel, digits: Any) -> int:
        self.parcels.append(parcel)
        self.waiting.append((len(self.parcels), parcel, digits))
        return len(self.parcels)

    def listen(self) -> tuple[list[Letter], dict[int, str]]:
        number, parcel, digits = self.waiting.pop(0)
        letters: list[Letter] = []
        if self.stopped:
            return [], {number: "TaskCancelledError"}

        def post(kind: str, content: Any) -> bool:
            if len(letters) == self.deaths.get(number):
                raise Died
            letters.append((number, kind, content))
            self.received += 1
            if self.received == self.stop_after:
                self.pressed.set()
            return self.pressed.is_set() or number in self.over

        try:
            train_parcel(parcel, digits, post)
        except Died:
            return letters, {number: "NodeDiedError"}
        return letters, {number: ""}

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the same on this machine."""
    return train(
        "smoke", overrides=SMALL, out=tmp_path_factory.mktemp("local") / "run", threads=1
    ).path


def lay(folder: Path, *more: str) -> Run:
    return prepare(load_recipe("smoke", [*SMALL, *more]), out=folder, threads=1)


def launch(run: Run, machines: Nearby) -> list[tuple[int, dict[str, Any]]]:
    events: list[tuple[int, dict[str, Any]]] = []
    Remote(machines)(jobs_of(run), lambda job, event: events.append((job.member, event)))
    return events


def assert_same(run: Path, local: Path) -> None:
    for name in ("00", "01"):
        ours, theirs = run / "members" / name, local / "members" / name
        assert sorted(f.name for f in ours.iterdir()) == sorted(f.name for f in theirs.iterdir())
        for file in ("weights.safetensors", "log_probabilities.f16"):
            assert (ours / file).read_bytes() == (theirs / file).read_bytes()
        lines = (ours / "journal.jsonl").read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == [10, 20, 24]


def test_machines_elsewhere_train_the_same_bytes(tmp_path: Path, local: Path) -> None:
    run = lay(tmp_path / "run")
    machines = Nearby({})
    events = launch(run, machines)
    assert_same(run.path, local)
    assert machines.shared == 1  # both members train on the same digits
    assert [e["step"] for m, e in events if m == 1 and e["kind"] == "evaluation"] == [10, 20, 24]
    assert launch(run, machines) == []  # what is trained is not sent again
    assert len(machines.parcels) == 2


def test_a_lost_member_goes_on_from_its_last_checkpoint(
    tmp_path: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lay(tmp_path / "run")
    taken: list[int] = []
    step = Trainer.step

    def noted(self: Trainer) -> None:
        taken.append(self.step_count)
        step(self)

    monkeypatch.setattr(Trainer, "step", noted)
    # A life's letters: files (checkpoint 9), event 10, files (19), event 20, files (23), event 24,
    # files. The first ends before its third letter, the second, which begins at 9, too.
    machines = Nearby({1: 2, 3: 2})
    launch(run, machines)
    assert_same(run.path, local)
    assert [parcel.job.member for parcel in machines.parcels] == [0, 1, 0, 0]
    assert "checkpoint.safetensors" not in machines.parcels[0].files
    assert taken == [*range(20), *range(24), *range(9, 20), *range(19, 24)]


def test_a_member_that_never_reaches_a_checkpoint_is_given_up(tmp_path: Path) -> None:
    run = lay(tmp_path / "run", "members=1")
    machines = Nearby(dict.fromkeys(range(10), 1))
    with pytest.raises(
        RunError, match=r"member 0: lost its machine 3 times .*training\.checkpoint_seconds"
    ):
        launch(run, machines)
    assert len(machines.parcels) == remote.LOSSES


def test_ctrl_c_brings_every_checkpoint_home(
    tmp_path: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lay(tmp_path / "run")
    machines = Nearby({}, stop_after=1)
    monkeypatch.setattr(
        remote, "interruptible", lambda: contextlib.nullcontext(machines.pressed.is_set)
    )
    with pytest.raises(Interrupted):
        launch(run, machines)
    first, second = run.members
    assert (first / "checkpoint.safetensors").exists()
    assert not second.exists()
    monkeypatch.undo()
    launch(run, Nearby({}))
    assert_same(run.path, local)


def test_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lay(tmp_path / "run", "members=1")
    sent = iter([{"torch": "1.0"}, {"torch": "2.0"}])
    monkeypatch.setattr(remote, "_versions", lambda: next(sent))
    with pytest.raises(RunError, match=r"member 0: .*: torch is 2\.0, not 1\.0; install the same"):
        launch(run, Nearby({}))
    assert not run.members[0].exists()


def test_an_error_elsewhere_names_the_folder_here(tmp_path: Path) -> None:
    run = lay(tmp_path / "run", "members=1")
    run.members[0].mkdir(parents=True)
    (run.members[0] / "checkpoint.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match="damaged checkpoint") as told:
        launch(run, Nearby({}))
    assert str(run.members[0] / "checkpoint.safetensors") in str(told.value)


def test_letters_of_a_machine_given_up_for_lost_are_not_taken_in(tmp_path: Path) -> None:
    run = lay(tmp_path / "run", "members=1")

    class Haunted(Nearby):
        def listen(self) -> tuple[list[Letter], dict[int, str]]:
            if len(self.parcels) == 1:
                self.waiting.clear()
                return [], {1: "NodeDiedError"}
            letters, ended = super().listen()
            return [(1, "files", {"weights.safetensors": b"of a ghost"}), *letters], ended

    launch(run, Haunted({}))
    assert (run.members[0] / "weights.safetensors").read_bytes() != b"of a ghost"


def test_jobs_are_taken_when_there_is_room_and_end_when_told(tmp_path: Path) -> None:
    runs = [lay(tmp_path / f"run-{number}", "members=1") for number in range(3)]
    machines = Nearby({}, rooms=1)
    begun: list[int] = []

    def lazily() -> Iterator[Job]:
        for number, run in enumerate(runs):
            assert len(machines.parcels) == number  # the one before has ended
            begun.append(number)
            yield jobs_of(run)[0]

    ended: list[tuple[str, int]] = []

    def on_event(job: Job, event: dict[str, Any]) -> bool:
        ended.append((job.run.name, event["step"]))
        return job.run.name == "run-1"  # at its first evaluation

    Remote(machines)(lazily(), on_event)
    assert begun == [0, 1, 2]
    assert [step for name, step in ended if name == "run-1"] == [10]
    assert machines.over == [2]
    assert [(run.members[0] / "weights.safetensors").exists() for run in runs] == [
        True,
        False,
        True,
    ]


def test_a_sweep_elsewhere_is_a_sweep_here(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        '"training.stages.1.learning_rate.start" = { low = 0.0001, high = 0.05, log = true }'
    )
    space = load_space(tmp_path / "space.toml", load_recipe("smoke", SMALL))
    found = []
    launchers: list[LaunchBy] = [Local(1), Remote(Nearby({2: 3}, rooms=1))]
    for name, launcher in zip(NAMES, launchers, strict=True):
        with open_sweep(space, tmp_path / name) as sweep:
            sweep.run(3, launcher=launcher)
            found.append([(t.value, t.intermediate_values, t.params) for t in sweep.trials()])
    assert found[0] == found[1]
    weights = [tmp_path / name / "trials/0002/members/00/weights.safetensors" for name in NAMES]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_what_is_stored_last_counts_what_is_stored_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(remote, "write_atomically", lambda path, _: written.append(path.name))
    names = ("checkpoint.safetensors", "journal.jsonl", "log_probabilities.f16")
    remote.store(tmp_path, dict.fromkeys(names, b""))
    assert written == list(reversed(names))  # killed in between, a journal counts no more than is


def test_a_mailbox_forgets_who_is_to_end() -> None:
    mailbox = Mailbox()
    assert not mailbox.post(1, "event", "a")
    mailbox.end(2)
    assert mailbox.post(2, "event", "b")
    assert not mailbox.post(1, "event", "c")
    assert mailbox.take() == [(1, "event", "a"), (1, "event", "c")]
    mailbox.stop()
    assert mailbox.post(1, "event", "d")


def test_a_job_is_plain_data(tmp_path: Path) -> None:
    job = Job(tmp_path, 0, "cpu", "float32", 1)
    parcel = Parcel(run_job, job, "", {"a": b"b"}, {})
    assert pickle.loads(pickle.dumps(parcel)) == parcel
