"""The rules of a rendered table: where they are, and how they are printed."""

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from tenfold.arrays import Floats
from tenfold.rendering.sampling import Random, bernoulli, weighted_choice
from tenfold.rendering.scene import Box, Ruler, Scene


@dataclass(frozen=True, eq=False)
class Table:
    """A table on the page: positions of its rules, and every how many one is bold; 0 for none."""

    columns: Floats
    rows: Floats
    bold_every: int

    def cells(self) -> list[Box]:
        """Return left, top, right and bottom of each cell, row by row."""
        return [
            (left, top, right, bottom)
            for top, bottom in itertools.pairwise(self.rows.tolist())
            for left, right in itertools.pairwise(self.columns.tolist())
        ]


def table_beside(table: Table, unit: float, random: Random) -> Table:
    """Return a table like another, on one of its sides."""
    gap = unit * (random.uniform(0.15, 1.2) if bernoulli(random, 0.6) else random.uniform(0.3, 3))
    sign = 1 if bernoulli(random, 0.5) else -1
    if bernoulli(random, 0.5):
        shift = sign * (table.columns[-1] - table.columns[0] + gap)
        return dataclasses.replace(table, columns=table.columns + np.float32(shift))
    shift = sign * (table.rows[-1] - table.rows[0] + gap)
    return dataclasses.replace(table, rows=table.rows + np.float32(shift))


def print_rules(scene: Scene, table: Table, unit: float) -> None:
    """Print thin rules, bold ones, and a frame; some are faint or broken."""
    random = scene.random
    thin = Ruler(
        width_px=weighted_choice(random, ((1, 0.75), (2, 0.25))) if unit > 16 else 1,  # noqa: PLR2004
        darkness=random.uniform(0.12, 0.45) if bernoulli(random, 0.5) else random.uniform(0.4, 1),
        missing=random.uniform(0.02, 0.25) if bernoulli(random, 0.15) else 0.0,
        dash_px=random.uniform(2, 5) if bernoulli(random, 0.06) else 0.0,
    )
    bold_px = thin.width_px + int(random.integers(0, 3 if unit < 24 else 5))  # noqa: PLR2004
    bold = Ruler(width_px=bold_px, darkness=min(1.0, thin.darkness * random.uniform(1, 3)))
    framed = bernoulli(random, 0.7)
    phase = 0 if bernoulli(random, 0.8) else int(random.integers(0, max(1, table.bold_every)))
    ends = ((table.columns[0], table.columns[-1]), (table.rows[0], table.rows[-1]))
    for axis, places in enumerate((table.columns, table.rows)):
        first, last = (float(end) for end in ends[1 - axis])
        for number, place in enumerate(places.tolist()):
            is_frame = framed and number in {0, len(places) - 1}
            is_bold = table.bold_every and (number + phase) % table.bold_every == 0
            along = ((place, first), (place, last))
            start, end = along if axis == 0 else ((first, place), (last, place))
            scene.rule(start, end, bold if is_bold or is_frame else thin)
    if bernoulli(random, 0.08):
        grown = random.uniform(2, 5)
        box = (ends[0][0] - grown, ends[1][0] - grown, ends[0][1] + grown, ends[1][1] + grown)
        scene.frame((float(box[0]), float(box[1]), float(box[2]), float(box[3])), thin)
    _occupy(scene, table)


def _occupy(scene: Scene, table: Table) -> None:
    """Keep what is printed beside tables out of them."""
    left, right = float(table.columns[0]), float(table.columns[-1])
    top, bottom = float(table.rows[0]), float(table.rows[-1])
    x, y = zip(
        *(scene.to_crop(*corner) for corner in itertools.product((left, right), (top, bottom))),
        strict=True,
    )
    scene.occupied.append((min(x), min(y), max(x), max(y)))
