"""What a person sees while members train: a live table, or plain lines without a terminal."""

import time
from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tenfold.artifacts.training import Event, FailureEvent, TrainingRecord, TrainingState
from tenfold.training.recipe import Recipe
from tenfold.training.tasks import record_type

LINE_SECONDS = 5.0
FEW = 8  # rows that are all shown


class ProgressView:
    """A context manager whose `on_event` is given to `train`."""

    def __init__(
        self, recipe: Recipe, console: Console, names: Sequence[str] | None = None
    ) -> None:
        self.names = names or [str(number) for number in range(1, recipe.members + 1)]
        self.console = console
        self.record = record_type(recipe)
        self.columns = (*COLUMNS, *self.record.FIGURES)
        schedule = recipe.schedule
        self.stages = len(schedule.stages)
        self.iterations = schedule.iterations
        self.images = schedule.images_before(schedule.iterations)
        self.states: list[TrainingState | None] = [None for _ in self.names]
        self.measured: dict[int, TrainingRecord] = {}
        self.begun: dict[int, tuple[float, int]] = {}
        self.rates: dict[int, float] = {}
        self.printed = 0.0
        # No refresh thread: workers may be forked from this process.
        self.live = Live(self.table(), console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def on_event(self, member: int, event: Event) -> None:
        """Take in a progress or evaluation event."""
        if isinstance(event, FailureEvent):
            return
        state = self.states[member] = event.state
        if isinstance(state, TrainingRecord):
            self.measured[member] = state
        now = time.monotonic()
        start, images = self.begun.setdefault(member, (now, state.images))
        self.rates[member] = (state.images - images) / (now - start) if now > start else 0.0
        if self.console.is_terminal:
            self.live.update(self.table(), refresh=True)
        elif now - self.printed > LINE_SECONDS:
            self.printed = now
            self.console.print(self.line(member), soft_wrap=True)

    def line(self, member: int) -> str:
        """Describe one member in words."""
        cells = dict(zip(self.columns, self.cells(member), strict=True))
        return " · ".join(f"{name} {value}" for name, value in cells.items() if value)

    def table(self) -> Table:
        """Draw one row a member; of many, those that are being trained."""
        table = Table(box=None, pad_edge=False)
        for name in self.columns:
            table.add_column(name, justify="right", no_wrap=True)
        ended = [state is not None and state.step == self.iterations for state in self.states]
        for member, state in enumerate(self.states):
            if len(self.states) <= FEW or (state and not ended[member]):
                table.add_row(*self.cells(member))
        if len(self.states) > FEW:
            table.caption = f"{sum(ended)} of {len(self.states)} trained"
        return table

    def cells(self, member: int) -> list[str]:
        """Return what the table shows of one member."""
        name, state = self.names[member], self.states[member]
        if state is None:
            return [name, "waiting", *[""] * (len(self.columns) - 2)]
        rate, measured = self.rates[member], self.measured.get(member)
        left = self.images - state.images
        return [
            name,
            f"{state.stage + 1}/{self.stages}",
            f"{state.step}/{self.iterations}",
            f"{state.learning_rate:.2e}",
            str(state.batch_size),
            f"{state.l2_coefficient:.3g}",
            f"{rate:,.0f}" if rate else "",
            f"{left / rate:.0f} s" if rate and left else "",
            *(measured.figures() if measured else [""] * len(self.record.FIGURES)),
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
)
