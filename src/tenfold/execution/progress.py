"""What a person sees while members train: a live table, or plain lines without a terminal."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tenfold.training.member import Event
from tenfold.training.recipe import Recipe

LINE_SECONDS = 5.0
FEW = 8  # rows that are all shown


class ProgressView:
    """A context manager whose `on_event` is given to `train`."""

    def __init__(
        self, recipe: Recipe, console: Console, names: Sequence[str] | None = None
    ) -> None:
        self.names = names or [str(number) for number in range(1, recipe.members + 1)]
        self.console = console
        schedule = recipe.schedule
        self.stages = len(schedule.stages)
        self.iterations = schedule.iterations
        self.images = schedule.images_before(schedule.iterations)
        self.rows: list[Event] = [{} for _ in self.names]
        self.begun: dict[int, tuple[float, int]] = {}
        self.printed = 0.0
        # No refresh thread: workers may be forked from this process.
        self.live = Live(self.table(), console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.live.stop()

    def on_event(self, member: int, event: Event) -> None:
        """Take in a progress or evaluation event."""
        row = self.rows[member]
        row.update(event)
        now = time.monotonic()
        start, images = self.begun.setdefault(member, (now, event["images"]))
        done = event["images"] - images
        row["rate"] = done / (now - start) if now > start else 0.0
        if self.console.is_terminal:
            self.live.update(self.table(), refresh=True)
        elif now - self.printed > LINE_SECONDS:
            self.printed = now
            self.console.print(self.line(member), soft_wrap=True)

    def line(self, member: int) -> str:
        """Describe one member in words."""
        cells = dict(zip(COLUMNS, self.cells(member), strict=True))
        return " · ".join(f"{name} {value}" for name, value in cells.items() if value)

    def table(self) -> Table:
        """Draw one row a member; of many, those that are being trained."""
        table = Table(box=None, pad_edge=False)
        for name in COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        ended = [row.get("step") == self.iterations for row in self.rows]
        for member, row in enumerate(self.rows):
            if len(self.rows) <= FEW or (row and not ended[member]):
                table.add_row(*self.cells(member))
        if len(self.rows) > FEW:
            table.caption = f"{sum(ended)} of {len(self.rows)} trained"
        return table

    def cells(self, member: int) -> list[str]:
        """Return what the table shows of one member."""
        row = self.rows[member]
        name = self.names[member]
        if not row:
            return [name, "waiting", *[""] * (len(COLUMNS) - 2)]
        rate = row["rate"]
        left = self.images - row["images"]
        return [
            name,
            f"{row['stage'] + 1}/{self.stages}",
            f"{row['step']}/{self.iterations}",
            f"{row['learning_rate']:.2e}",
            str(row["batch_size"]),
            f"{row['l2_coefficient']:.3g}",
            f"{rate:,.0f}" if rate else "",
            f"{left / rate:.0f} s" if rate and left else "",
            f"{row['nll_sum']:.1f}" if "nll_sum" in row else "",
            f"{100 * row['accuracy']:.2f} %" if "accuracy" in row else "",
        ]


COLUMNS = (
    "member",
    "stage",
    "iteration",
    "learning rate",
    "batch",
    "L2",
    "images/s",
    "left",
    "nll_sum",
    "accuracy",
)
