"""What the seed report measured with each of its methods, for the recipes that repeat it.

Every figure was chosen on the 10,000 test images, the best of a few tries.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SeedRow:
    """A row of the report: iteration, accuracy as a fraction, nll_sum (its `loss_p`)."""

    model: str
    rule: str
    step: int
    accuracy: float
    nll_sum: float


@dataclass(frozen=True)
class SeedMethod:
    """One method of the report, as its own tables have it."""

    number: int
    note: str
    rows: tuple[SeedRow, ...] = ()


def _pair(model: str, *figures: tuple[int, float, float]) -> tuple[SeedRow, ...]:
    rules = ("min loss", "max accuracy")
    return tuple(SeedRow(model, rule, *row) for rule, row in zip(rules, figures, strict=True))


METHODS = (
    SeedMethod(1, "It reached 99.2–99.3 %, with fixed learning rate and batch size."),
    SeedMethod(2, "It found 99.4 % hard to reach."),
    SeedMethod(
        3,
        "Iterations count from the start.",
        _pair("the network", (1000, 0.9930, 224), (7000, 0.9949, 250)),
    ),
    SeedMethod(
        4,
        "Iterations as the report gives them.",
        _pair("the network", (900, 0.9942, 171), (4200, 0.9949, 191)),
    ),
    SeedMethod(
        5,
        "Its iterations count within stage 2; stage 1 took 1,400.",
        _pair("network 1", (400, 0.9946, 182.75), (2500, 0.9949, 204.81))
        + _pair("network 2", (800, 0.9936, 199.26), (1900, 0.9941, 210.32))
        + _pair("ensemble", (800, 0.9955, 150.57), (2500, 0.9956, 158.63)),
    ),
)


def seed_method(recipe: str) -> SeedMethod | None:
    """Return the method that a recipe such as "report-5-ensemble" repeats."""
    number = re.match(r"report-(\d)", recipe)
    return next((m for m in METHODS if number and m.number == int(number[1])), None)
