"""A run's curves in TensorBoard, for those who watch there (extra `track`)."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.errors import MissingExtraError
from tenfold.training.member import Event

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SCALARS = ("nll_sum", "accuracy", "train_nll", "weight_loss", "learning_rate", "l2_coefficient")


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
        if event["kind"] != "evaluation":
            return
        if self._writer is None:  # it has threads: not before the first workers are forked
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))
        for name in SCALARS:
            self._writer.add_scalar(f"{name}/member {member + 1}", event[name], event["step"])
        self._writer.flush()
