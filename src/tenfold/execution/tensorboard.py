"""A run's curves in TensorBoard (extra `track`)."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.artifacts.training import EvaluationEvent, Event
from tenfold.errors import MissingExtraError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

NOT_DRAWN = {"step", "stage", "batch_size", "images", "seconds", "images_per_second"}


class TensorBoard:
    """Writes every evaluation of every member as scalars against the iteration.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self) -> None:
        if find_spec("tensorboard") is None:
            raise MissingExtraError("--tensorboard", "track")
        self._writer: SummaryWriter | None = None

    def on_event(self, folder: Path, member: int, event: Event) -> None:
        """Take in an event, as `ProgressView` does; the first evaluation opens `folder`."""
        if not isinstance(event, EvaluationEvent):
            return
        if self._writer is None:  # it has threads: not before the first workers are forked
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))
        for name, value in event.record.model_dump(exclude=NOT_DRAWN).items():
            self._writer.add_scalar(f"{name}/member {member + 1}", value, event.record.step)
        self._writer.flush()
