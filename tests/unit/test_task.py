"""The engine with another task: lines through points, by another network and another metric."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tenfold.artifacts.training import EvaluationEvent, TrainingRecord
from tenfold.data.seeds import derive_seed
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.ema import EMAConfig
from tenfold.training.member import Interrupted, MemberRun, train_member
from tenfold.training.schedule import Ramp, Stage
from tenfold.training.settings import TrainingConfig
from tenfold.training.task import Measurement, Task
from tenfold.training.trainer import Trainer

TARGET = torch.tensor([[1.0, -2.0, 0.5]])
SETTINGS = TrainingConfig(
    stages=(
        Stage(
            iterations=60,
            learning_rate=Ramp(start=0.05, end=0.01),
            batch_size=Ramp(start=8, end=24),
            batch_multiple=8,
        ),
    ),
    evaluate_every=20,
    checkpoint_seconds=1e9,
)


class Line(TrainableNetwork):
    """y = tanh(W x) v + b, with dropout in between."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(3, 16), nn.Linear(16, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            ).mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, 3] to [n, 1]."""
        x = functional.dropout(self.hidden(x).tanh(), 0.1, training=self.training)
        y: Tensor = self.output(x)
        return y


class LineRecord(TrainingRecord):
    """What a journal holds of a line."""

    rmse: float


class Points:
    """Random points and their heights; the batch size follows the schedule."""

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return points [n, 3] and heights [n, 1]."""
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(SETTINGS.schedule.at(step).batch_size, 3, generator=generator)
        return x, x @ TARGET.T


def squares(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs - labels).square().sum()


def measure(network: TrainableNetwork) -> Measurement:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(99))
    with torch.inference_mode():
        error = network(x) - x @ TARGET.T
    return Measurement({"rmse": float(error.square().mean().sqrt())})


NOTHING_MEASURED: dict[str, Any] = {"measure": None, "score": None, "record": TrainingRecord}


def member(folder: Path, **parts: Any) -> MemberRun:
    task = Task(Line(), Points(), squares, 5, measure, lambda m: -m["rmse"], LineRecord)
    task = dataclasses.replace(task, **parts)
    return MemberRun(Trainer(task, SETTINGS, EMAConfig(decay=0.8, every=2)), folder)


def journal(folder: Path) -> list[dict[str, float]]:
    lines = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    clock = {"seconds", "images_per_second"}
    return [{key: line[key] for key in line.keys() - clock} for line in lines]


def test_another_task_is_trained_and_recorded_by_the_same_engine(tmp_path: Path) -> None:
    events = list(train_member(member(tmp_path), stop=lambda: False))
    records = journal(tmp_path)
    assert [record["step"] for record in records] == [20, 40, 60]
    found = [e.record.model_dump()["rmse"] for e in events if isinstance(e, EvaluationEvent)]
    assert found == [r["rmse"] for r in records]
    assert records[-1]["rmse"] < 0.5 * measure(Line().eval()).metrics["rmse"]
    assert records[-1]["images"] == sum(SETTINGS.schedule.at(s).batch_size for s in range(60))
    tensors, values = load_checkpoint(tmp_path / "weights.safetensors")
    best = min(records, key=lambda record: record["rmse"])
    assert values == {"step": best["step"]}
    network = Line().eval()
    network.load_state_dict(tensors)
    assert measure(network).metrics["rmse"] == pytest.approx(best["rmse"])


@pytest.mark.parametrize("step", [1, 20, 33])
def test_another_task_resumes_to_the_same_bytes(step: int, tmp_path: Path) -> None:
    list(train_member(member(tmp_path / "whole"), stop=lambda: False))
    steps = iter(range(1, 61))
    with pytest.raises(Interrupted):
        list(train_member(member(tmp_path / "stopped"), stop=lambda: next(steps) == step))
    list(train_member(member(tmp_path / "stopped"), stop=lambda: False))
    assert journal(tmp_path / "stopped") == journal(tmp_path / "whole")
    weights = [
        (tmp_path / run / "weights.safetensors").read_bytes() for run in ("whole", "stopped")
    ]
    assert weights[0] == weights[1]


def test_predictions_are_kept_where_a_task_has_some(tmp_path: Path) -> None:
    predictions = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    measured = Measurement({"rmse": 1.0}, predictions)
    list(train_member(member(tmp_path, measure=lambda _: measured), stop=lambda: False))
    kept = np.fromfile(tmp_path / "log_probabilities.f16", np.float16).reshape(3, 4, 3)
    np.testing.assert_array_equal(kept, np.stack([predictions.astype(np.float16)] * 3))


def test_a_task_that_measures_nothing_keeps_the_last_weights(tmp_path: Path) -> None:
    list(train_member(member(tmp_path, **NOTHING_MEASURED), stop=lambda: False))
    assert load_checkpoint(tmp_path / "weights.safetensors")[1] == {"step": 60}
    assert "rmse" not in journal(tmp_path)[-1]


def test_a_part_of_a_task_is_replaced_by_another(tmp_path: Path) -> None:
    class Doubled:
        def at(self, step: int) -> tuple[Tensor, Tensor]:
            x, y = Points().at(step)
            return x, 2 * y

    def absolute(outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs - labels).abs().sum()

    run = member(tmp_path, batches=Doubled(), loss=absolute, **NOTHING_MEASURED)
    run.trainer.step()
    (x, y), network = Points().at(0), Line()
    torch.manual_seed(derive_seed(5, "step", 0))
    expected = (network(x) - 2 * y).abs().sum().detach()
    assert float(run.trainer.loss_total) == pytest.approx(float(expected))
