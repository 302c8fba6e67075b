"""The most probable filling of a grid or a table whose cells obey a rule, such as a Sudoku's.

The search is best first over sets of readings. Each step takes the set with the least cost. If
its most probable reading breaks a condition, the set is divided by what is in the cells concerned.
"""

import heapq
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tenfold.errors import DataError
from tenfold.reading.constraints import RuleName

Place = tuple[int, int]
Texts = Mapping[Place, str]
Candidates = Mapping[Place, Mapping[str, float]]  # of each cell, its texts' probabilities

EMPTY = ""
MIN_PROBABILITY = 1e-6  # of a text; less probable ones are left out
MAX_WORK = 200_000


@dataclass(frozen=True)
class AllDifferent:
    """No text twice; empty cells are ignored."""

    cells: tuple[Place, ...]

    def broken(self, texts: Texts) -> tuple[Place, ...]:
        """Return two cells with the same text, of which one must be read otherwise, or ()."""
        seen: dict[str, Place] = {}
        for cell in self.cells:
            text = texts.get(cell, EMPTY)
            if text and text in seen:
                return seen[text], cell
            seen[text] = cell
        return ()


@dataclass(frozen=True)
class Sum:
    """The last cell has the sum of the others, in which an empty cell is 0; or it is empty."""

    cells: tuple[Place, ...]

    def broken(self, texts: Texts) -> tuple[Place, ...]:
        """Return all cells that have a text if the sum is wrong, or ()."""
        *parts, total = (texts.get(cell, EMPTY) for cell in self.cells)
        amounts = [_amount(text) for text in parts if text]
        if not total or (None not in amounts and sum(filter(None, amounts)) == _amount(total)):
            return ()
        return tuple(cell for cell in self.cells if cell in texts)


Condition = AllDifferent | Sum


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None


def rule_of(name: RuleName, rows: int, columns: int) -> list[Condition]:
    """Return the conditions of a rule for a grid or table of this size.

    `sudoku`: no number twice in a row, a column or a block. `column-sums`: the last row has the
    sums of the columns. `row-sums`: the last column has the sums of the rows.

    Raises:
        DataError: a Sudoku has another size.
    """
    along = [tuple(itertools.product([row], range(columns))) for row in range(rows)]
    down = [tuple(itertools.product(range(rows), [column])) for column in range(columns)]
    if name == "row-sums":
        return [Sum(cells) for cells in along]
    if name == "column-sums":
        return [Sum(cells) for cells in down]
    if (height := block_height(rows, columns)) is None:
        raise DataError(f"found {rows} x {columns} cells, not a Sudoku")
    width = rows // height
    blocks = [
        tuple(itertools.product(range(top, top + height), range(left, left + width)))
        for top in range(0, rows, height)
        for left in range(0, columns, width)
    ]
    return [AllDifferent(cells) for cells in (*along, *down, *blocks)]


def block_height(rows: int, columns: int) -> int | None:
    """Return how many rows a block of a Sudoku has: 2 of 6, 3 of 9; None if there are no blocks."""
    heights = [h for h in range(2, math.isqrt(rows) + 1) if rows % h == 0]
    return heights[-1] if heights and rows == columns else None


class Filling(NamedTuple):
    """What is in each cell, and the logarithm of the product of the probabilities."""

    texts: dict[Place, str]
    log_probability: float


def decode(cells: Candidates, rule: Sequence[Condition]) -> Filling | None:
    """Return the most probable filling that obeys a rule, or None; see `fillings`."""
    return next(fillings(cells, rule), None)


Options = dict[Place, tuple[tuple[float, str], ...]]  # cost and text, the cheapest first


def fillings(
    cells: Candidates, rule: Sequence[Condition], work: int = MAX_WORK
) -> Iterator[Filling]:
    """Yield the fillings that obey a rule, the most probable first.

    Args:
        cells: have the text "" if they may be empty. A cell that is left out is empty.
        rule: conditions.
        work: steps times cells; after it nothing more is yielded.
    """
    options: Options = {
        cell: tuple(sorted((-math.log(p), t) for t, p in texts.items() if p >= MIN_PROBABILITY))
        for cell, texts in cells.items()
    }
    if not all(options.values()):
        return
    count = itertools.count(1)
    heap = [_ranked(options, rule, 0)]
    for _ in range(work // max(len(cells), 1)):
        if not heap:
            return
        _, _, broken, options = heapq.heappop(heap)
        if not broken:
            cost = sum(choices[0][0] for choices in options.values())
            yield Filling({cell: choices[0][1] for cell, choices in options.items()}, -cost)
        for part in _divided(options, broken or tuple(options)):
            heapq.heappush(heap, _ranked(part, rule, next(count)))


def _ranked(
    options: Options, rule: Sequence[Condition], number: int
) -> tuple[float, int, tuple[Place, ...], Options]:
    """Return the least that a filling can cost, a number of the set, and cells to divide it by.

    Broken conditions that have no cell in common add up: of each, a cell must be read otherwise.
    """
    texts = {cell: choices[0][1] for cell, choices in options.items()}
    cost = sum(choices[0][0] for choices in options.values())
    disjoint: dict[tuple[Place, ...], float] = {}
    for condition in rule:
        broken = condition.broken(texts)
        if broken and not any(cell in other for other in disjoint for cell in broken):
            disjoint[broken] = min(_next_cost(options[cell]) for cell in broken)
    worst = max(disjoint, key=lambda broken: disjoint[broken], default=())
    return cost + sum(disjoint.values()), number, worst, options


def _next_cost(choices: Sequence[tuple[float, str]]) -> float:
    return choices[1][0] - choices[0][0] if len(choices) > 1 else math.inf


def _divided(options: Options, cells: Iterable[Place]) -> Iterator[Options]:
    """Yield parts without a reading in common: in each another of the cells is read otherwise."""
    fixed: Options = {}
    for cell in cells:
        if len(options[cell]) > 1:
            yield options | fixed | {cell: options[cell][1:]}
        fixed[cell] = options[cell][:1]


def posteriors(
    cells: Candidates, rule: Sequence[Condition], found: Sequence[Filling]
) -> dict[Place, dict[str, float]]:
    """Return the probabilities of each cell's texts, given that the rule is obeyed.

    Args:
        cells: see `fillings`.
        rule: conditions.
        found: the most probable fillings. Of each, any one cell may be read otherwise, too.
    """
    concerned = {cell: [c for c in rule if cell in c.cells] for cell in cells}
    weights = [math.exp(filling.log_probability - found[0].log_probability) for filling in found]
    result = {cell: dict.fromkeys(candidates, 0.0) for cell, candidates in cells.items()}
    for filling, weight in zip(found, weights, strict=True):
        texts = dict(filling.texts)
        for cell, candidates in cells.items():
            possible = {}
            for text, p in candidates.items():
                texts[cell] = text
                if not any(condition.broken(texts) for condition in concerned[cell]):
                    possible[text] = p
            texts[cell] = filling.texts[cell]
            share = weight / sum(weights) / sum(possible.values())
            for text, p in possible.items():
                result[cell][text] += share * p
    return result
