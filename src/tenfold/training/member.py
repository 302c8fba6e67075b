"""A member's folder while it trains: journal, checkpoints, exact resumption, kept weights."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from tenfold.data.digits import Digits
from tenfold.errors import RunError
from tenfold.training.checkpoint import load_checkpoint, save_checkpoint
from tenfold.training.journal import Journal, Record
from tenfold.training.loss import nll_sum, weight_loss
from tenfold.training.trainer import Trainer

PROGRESS_SECONDS = 0.25

Event = dict[str, Any]


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The user asked to stop; a checkpoint has been written."""


class MemberRun:
    """A trainer with its folder: journal, checkpoint, kept weights."""

    def __init__(self, trainer: Trainer, folder: Path, monitored: Digits) -> None:
        self.trainer = trainer
        self.folder = folder
        self.monitored = monitored
        self.journal = Journal(folder)
        self.checkpoint_path = folder / "checkpoint.safetensors"
        self.weights_path = folder / "weights.safetensors"
        self.evaluations = 0
        self.seconds = 0.0
        self.recorded_images = 0
        self.recorded_seconds = 0.0
        self.best: dict[str, Any] = {}
        self.best_state: list[Tensor] = []

    def resume(self) -> None:
        """Continue at the checkpoint, or start: journal and probabilities are cut to match."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint_path.exists():
            tensors, values = load_checkpoint(self.checkpoint_path)
            trainer = self.trainer
            trainer.optimizer.load_state(tensors)
            for name, group in self._groups().items():
                for index, tensor in enumerate(group):
                    tensor.copy_(tensors[f"{name}.{index}"])
            trainer.loss_total.copy_(tensors["loss_total"])
            trainer.step_count = values["step"]
            self.best_state = [tensors[f"best.{i}"] for i in range(values["best_tensors"])]
            for name in ("evaluations", "seconds", "recorded_images", "recorded_seconds", "best"):
                setattr(self, name, values[name])
        self.journal.keep(self.evaluations, len(self.monitored))

    def save_checkpoint(self) -> None:
        """Write everything that the rest of this member's training depends on."""
        tensors = {**self.trainer.optimizer.state(), "loss_total": self.trainer.loss_total}
        for name, group in {**self._groups(), "best": self.best_state}.items():
            tensors |= {f"{name}.{index}": tensor for index, tensor in enumerate(group)}
        values = {
            "step": self.trainer.step_count,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "recorded_images": self.recorded_images,
            "recorded_seconds": self.recorded_seconds,
            "best": self.best,
            "best_tensors": len(self.best_state),
        }
        save_checkpoint(self.checkpoint_path, tensors, values)

    def _groups(self) -> dict[str, list[Tensor]]:
        trainer = self.trainer
        return {"buffer": list(trainer.network.buffers()), "average": trainer.ema.averages}

    def evaluate(self) -> Record:
        """Measure on the monitored set, write the record, keep the weights if they are best.

        Raises:
            RunError: the network's outputs are no longer numbers.
        """
        trainer = self.trainer
        log_p = trainer.log_probabilities(self.monitored.images)
        step = trainer.step_count
        if not log_p.isfinite().all():
            raise RunError(
                f"{self.folder}: training diverged by iteration {step}; "
                "lower training.stages.*.learning_rate"
            )
        images = trainer.schedule.images_before(step)
        new_images = images - self.recorded_images
        new_seconds = self.seconds - self.recorded_seconds
        record = {
            "step": step,
            **trainer.schedule.at(step - 1)._asdict(),
            "images": images,
            "train_nll": float(trainer.loss_total) / new_images,
            "weight_loss": weight_loss(
                layer.weight for layer in trainer.network.penalised_layers()
            ),
            "nll_sum": float(nll_sum(log_p, self.monitored.labels)),
            "accuracy": float((log_p.argmax(1) == self.monitored.labels).double().mean()),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(new_images / new_seconds, 1) if new_seconds else None,
        }
        self.journal.append(record, log_p.numpy())
        self.evaluations += 1
        self.recorded_images, self.recorded_seconds = images, self.seconds
        trainer.loss_total.zero_()
        self._keep(record)
        return record

    def _keep(self, record: Record) -> None:
        keep = self.trainer.recipe.training.keep
        if keep == "last":
            return
        score = -record["nll_sum"] if keep == "min-nll" else record["accuracy"]
        if not self.best or score > self.best["score"]:
            self.best = {"score": score, "step": record["step"]}
            self.best_state = [t.clone() for t in self.trainer.evaluated_state()]

    def finish(self) -> None:
        """Write the kept weights; their presence says that this member is trained."""
        state = self.best_state or self.trainer.evaluated_state()
        step = self.best.get("step", self.trainer.step_count)
        save_checkpoint(self.weights_path, self.trainer.state_dict(state), {"step": step})
        self.checkpoint_path.unlink(missing_ok=True)


def train_member(run: MemberRun, stop: Callable[[], bool]) -> Iterator[Event]:
    """Train to the end of the schedule, yielding progress and evaluation events.

    Raises:
        Interrupted: `stop()` became true; the checkpoint is written.
    """
    if run.weights_path.exists():
        return
    run.resume()
    trainer, settings = run.trainer, run.trainer.recipe.training
    checkpointed = reported = begun = time.monotonic()
    while trainer.step_count < trainer.schedule.iterations:
        trainer.step()
        now = time.monotonic()
        run.seconds += now - begun
        begun = now
        if trainer.step_count % settings.evaluate_every == 0 or (
            trainer.step_count == trainer.schedule.iterations
        ):
            record = run.evaluate()
            begun = time.monotonic()
            yield {"kind": "evaluation", **record}
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


def progress(run: MemberRun) -> Event:
    """Describe where a member is."""
    trainer = run.trainer
    step = trainer.step_count
    return {
        "kind": "progress",
        "step": step,
        **trainer.schedule.at(min(step, trainer.schedule.iterations - 1))._asdict(),
        "images": trainer.schedule.images_before(step),
        "seconds": run.seconds,
    }
