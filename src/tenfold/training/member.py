"""A member's folder while it trains: journal, checkpoints, exact resumption, kept weights."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tenfold.artifacts.training import (
    EvaluationEvent,
    Event,
    ProgressEvent,
    TrainingRecord,
    TrainingState,
)
from tenfold.errors import RunError
from tenfold.training.checkpoint import load_checkpoint, save_checkpoint
from tenfold.training.journal import Journal
from tenfold.training.loss import weight_loss
from tenfold.training.task import Measurement
from tenfold.training.trainer import Trainer

PROGRESS_SECONDS = 0.25


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; a checkpoint has been written."""


class MemberRun:
    """A trainer with its folder: journal, checkpoint, kept weights."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.trainer = trainer
        self.folder = folder
        self.journal = Journal(folder)
        self.checkpoint_path = folder / "checkpoint.safetensors"
        self.weights_path = folder / "weights.safetensors"
        self.seconds = 0.0
        self.recorded_images = 0
        self.recorded_seconds = 0.0
        self.best: dict[str, Any] = {}
        self.best_state: list[Tensor] = []

    def resume(self) -> None:
        """Continue at the checkpoint, or start: the journal is cut to match."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sizes = None
        if self.checkpoint_path.exists():
            tensors, values = load_checkpoint(self.checkpoint_path)
            self.trainer.restore(tensors, values["step"])
            self.best_state = [tensors[f"best.{i}"] for i in range(values["best_tensors"])]
            for name in ("seconds", "recorded_images", "recorded_seconds", "best"):
                setattr(self, name, values[name])
            sizes = values["journal_sizes"]
        self.journal.truncate(sizes)

    def save_checkpoint(self) -> None:
        """Write everything that the rest of this member's training depends on."""
        best = {f"best.{index}": tensor for index, tensor in enumerate(self.best_state)}
        values = {
            "step": self.trainer.step_count,
            "seconds": self.seconds,
            "recorded_images": self.recorded_images,
            "recorded_seconds": self.recorded_seconds,
            "best": self.best,
            "best_tensors": len(self.best_state),
            "journal_sizes": self.journal.sizes(),
        }
        save_checkpoint(self.checkpoint_path, self.trainer.checkpoint() | best, values)

    def evaluate(self) -> TrainingRecord:
        """Measure, write the record, keep the weights if they are the best.

        Raises:
            RunError: the network's outputs are no longer numbers.
        """
        trainer = self.trainer
        step = trainer.step_count
        measured = self._measure()
        images = trainer.schedule.images_before(step)
        new_images = images - self.recorded_images
        new_seconds = self.seconds - self.recorded_seconds
        facts = {
            "step": step,
            **trainer.schedule.at(step - 1)._asdict(),
            "images": images,
            "seconds": round(self.seconds, 3),
            "train_nll": float(trainer.loss_total) / new_images,
            "weight_loss": weight_loss(trainer.network.hidden_weights()),
            "images_per_second": round(new_images / new_seconds, 1) if new_seconds else None,
        }
        record = trainer.task.record.model_validate({**facts, **measured.metrics})
        self.journal.append(record, measured.predictions)
        self.recorded_images, self.recorded_seconds = images, self.seconds
        trainer.loss_total.zero_()
        if score := trainer.task.score:
            self._keep(score(measured.metrics), step)
        return record

    def _measure(self) -> Measurement:
        measure = self.trainer.task.measure
        measured = measure(self.trainer.evaluated_network()) if measure else Measurement({})
        finite = all(map(math.isfinite, measured.metrics.values()))
        if measured.predictions is not None:
            finite = finite and bool(np.isfinite(measured.predictions).all())
        if not finite:
            raise RunError(
                f"{self.folder}: training diverged by iteration {self.trainer.step_count}; "
                "lower training.stages.*.learning_rate"
            )
        return measured

    def _keep(self, score: float, step: int) -> None:
        if not self.best or score > self.best["score"]:
            self.best = {"score": score, "step": step}
            self.best_state = [tensor.clone() for tensor in self.trainer.ema.averages]

    def finish(self) -> None:
        """Write the kept weights; their presence says that this member is trained."""
        state = self.best_state or None
        step = self.best.get("step", self.trainer.step_count)
        save_checkpoint(self.weights_path, self.trainer.state_dict(state), {"step": step})
        self.checkpoint_path.unlink(missing_ok=True)


def train_member(run: MemberRun, stop: Callable[[], bool]) -> Iterator[Event]:
    """Train to the end of the schedule, yielding progress and evaluation events.

    Raises:
        Interrupted: `stop()` became true; the checkpoint is written.
        RunError: training diverged, or the checkpoint or the journal is damaged.
    """
    if run.weights_path.exists():
        return
    run.resume()
    trainer, settings = run.trainer, run.trainer.settings
    last = trainer.schedule.iterations
    checkpointed = reported = begun = time.monotonic()
    while trainer.step_count < last:
        trainer.step()
        now = time.monotonic()
        run.seconds += now - begun
        begun = now
        if trainer.step_count % settings.evaluate_every == 0 or trainer.step_count == last:
            record = run.evaluate()
            begun = time.monotonic()
            yield EvaluationEvent(record=record)
        if stop():
            run.save_checkpoint()
            raise Interrupted
        if now - checkpointed > settings.checkpoint_seconds:
            run.save_checkpoint()
            checkpointed = begun = time.monotonic()
        if now - reported > PROGRESS_SECONDS:
            reported = now
            yield progress(run)
    run.finish()


def progress(run: MemberRun) -> ProgressEvent:
    """Describe where a member is."""
    trainer = run.trainer
    step = trainer.step_count
    state = TrainingState(
        step=step,
        **trainer.schedule.at(min(step, trainer.schedule.iterations - 1))._asdict(),
        images=trainer.schedule.images_before(step),
        seconds=run.seconds,
    )
    return ProgressEvent(state=state)
