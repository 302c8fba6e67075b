"""What is printed on a form: combs, single boxes, table cells and rules.

Positions are on the page: relative to the middle of the crop, in pixels.
"""

import numpy as np

from tenfold.rendering.sampling import Random, bernoulli, weighted_choice
from tenfold.rendering.scene import Box, Ruler, Scene


def sample_ruler(random: Random) -> Ruler:
    """Draw how lines are printed: mostly thin and solid, some faint, broken, dashed or bold."""
    width = weighted_choice(random, ((1, 0.62), (2, 0.28), (3, 0.1)))
    dashed = bernoulli(random, 0.05)
    return Ruler(
        width_px=width,
        darkness=random.uniform(0.15, 0.45) if bernoulli(random, 0.4) else random.uniform(0.45, 1),
        missing=random.uniform(0.1, 0.45) if bernoulli(random, 0.15) else 0.0,
        dash_px=width * random.uniform(2, 5) if dashed else 0.0,
    )


def comb(scene: Scene, count: int, pitch: float, height: float, ruler: Ruler) -> list[Box]:
    """Print a row of boxes about (0, 0) and return them.

    They are closed and share walls, or stand apart, or are a line with short ticks.
    """
    random = scene.random
    ticks = bernoulli(random, 0.25)
    apart = 0.0 if ticks or bernoulli(random, 0.6) else random.uniform(0.04, 0.25) * pitch
    tick_top = random.uniform(-0.3, 0.45) * height
    left, top, bottom = -count * pitch / 2, -height / 2, height / 2
    boxes = [(left + i * pitch, top, left + (i + 1) * pitch - apart, bottom) for i in range(count)]
    if not ticks:
        _tint(scene, boxes)
    for box in boxes:
        if ticks:
            scene.rule((box[0], tick_top), (box[0], bottom), ruler)
            scene.rule((box[2], tick_top), (box[2], bottom), ruler)
            scene.rule((box[0], bottom), (box[2], bottom), ruler)
        else:
            scene.frame(box, ruler)
    return boxes


def grid(scene: Scene, pitch: tuple[float, float], ruler: Ruler) -> list[Box]:
    """Print a table over the whole crop, with some bold lines as a Sudoku has; return its cells."""
    random, (w, h) = scene.random, pitch
    reach_x, reach_y = scene.shape[1] / 2 + w, scene.shape[0] / 2 + h
    columns = np.arange(-reach_x + random.uniform(0, w), reach_x, w)
    rows = np.arange(-reach_y + random.uniform(0, h), reach_y, h)
    bold = Ruler(width_px=ruler.width_px + int(random.integers(1, 3)), darkness=ruler.darkness)
    every = 3 if bernoulli(random, 0.5) else 1000
    phase = int(random.integers(3))
    # A table may end within the crop.
    if bernoulli(random, 0.35):
        columns = columns[: max(2, len(columns) - int(random.integers(1, 4)))]
    if bernoulli(random, 0.35):
        rows = rows[int(random.integers(0, 2)) :]
    cells = [
        (float(x), float(y), float(x + w), float(y + h)) for y in rows[:-1] for x in columns[:-1]
    ]
    _tint(scene, cells)
    for number, x in enumerate(columns):
        scene.rule((x, rows[0]), (x, rows[-1]), bold if (number + phase) % every == 0 else ruler)
    for number, y in enumerate(rows):
        thick = bold if (number + phase) % every == 0 else ruler
        scene.rule((columns[0], y), (columns[-1], y), thick)
    return cells


def _tint(scene: Scene, cells: list[Box]) -> None:
    """Tint all cells, some of them, or the paper around them; mostly nothing."""
    random = scene.random
    if not bernoulli(random, 0.15):
        return
    darkness = random.uniform(0.04, 0.3)
    around = bernoulli(random, 0.3)
    if around:
        reach = scene.shape[1]
        scene.shade((-reach, -reach, reach, reach), darkness)
    share = 1.0 if around or bernoulli(random, 0.4) else random.uniform(0.2, 0.6)
    for cell in cells:
        if bernoulli(random, share):
            scene.shade(cell, 0.0 if around else darkness)


def rules_around(scene: Scene, box: Box, unit: float, ruler: Ruler) -> None:
    """Print the lines that a number stands on or in, some touching or crossing it.

    Args:
        scene: what to draw on.
        box: extent of the number.
        unit: height of its digits.
        ruler: how the lines are printed.
    """
    kinds = ((_frame, 0.3), (_table_cell, 0.3), (_underline, 0.2), (_ruled_paper, 0.2))
    weighted_choice(scene.random, kinds)(scene, box, unit, ruler)


def _frame(scene: Scene, box: Box, unit: float, ruler: Ruler) -> None:
    """Print one box, and now and then its neighbour."""
    left, top, right, bottom = (
        edge + outwards * scene.random.uniform(-0.12, 0.6) * unit
        for edge, outwards in zip(box, (-1, -1, 1, 1), strict=True)
    )
    scene.frame((left, top, right, bottom), ruler)
    if bernoulli(scene.random, 0.3):
        start = right + scene.random.uniform(0, 0.5) * unit
        scene.frame((start, top, start + scene.random.uniform(1, 5) * unit, bottom), ruler)


def _table_cell(scene: Scene, box: Box, unit: float, ruler: Ruler) -> None:
    """Print the lines of a table about a number, each there or not."""
    random = scene.random
    reach = scene.shape[1]
    for y in (
        box[1] - random.uniform(-0.15, 0.6) * unit,
        box[3] + random.uniform(-0.15, 0.6) * unit,
    ):
        if bernoulli(random, 0.85):
            whole = bernoulli(random, 0.75)
            start, end = (-reach, reach) if whole else np.sort(random.uniform(-reach, reach, 2))
            scene.rule((start, y), (end, y), ruler)
    columns = []
    if bernoulli(random, 0.6):
        columns.append(box[0] - random.uniform(0, 0.5) * unit)
    if bernoulli(random, 0.6):
        columns.append(box[2] + random.uniform(0, 0.5) * unit)
    if bernoulli(random, 0.15):
        columns.append(random.uniform(-reach / 2, reach / 2))
    for x in columns:
        top = -reach if bernoulli(random, 0.7) else box[1] - random.uniform(0, 0.5) * unit
        bottom = reach if bernoulli(random, 0.7) else box[3] + random.uniform(0, 0.5) * unit
        scene.rule((x, top), (x, bottom), ruler)


def _underline(scene: Scene, box: Box, unit: float, ruler: Ruler) -> None:
    """Print a rule below the number, seldom above it, and seldom a second one."""
    random = scene.random
    below = bernoulli(random, 0.8)
    y = (box[3] if below else box[1]) + (1 if below else -1) * random.uniform(-0.2, 0.35) * unit
    left, right = box[0] - random.uniform(-0.5, 2) * unit, box[2] + random.uniform(-0.5, 3) * unit
    scene.rule((left, y), (right, y), ruler)
    if bernoulli(random, 0.2):
        second = y + random.uniform(2, 5)
        scene.rule((left, second), (right, second), ruler)


def _ruled_paper(scene: Scene, _: Box, unit: float, ruler: Ruler) -> None:
    """Print lined or squared paper, mostly faint."""
    random = scene.random
    faint = Ruler(width_px=1, darkness=random.uniform(0.1, 0.5), dash_px=ruler.dash_px)
    squared = bernoulli(random, 0.6)
    pitch = max(8.0, unit * (random.uniform(0.35, 1.2) if squared else random.uniform(0.8, 2)))
    reach = scene.shape[1] / 2 + pitch
    shift = random.uniform(0, pitch)
    for y in np.arange(-reach + shift, reach, pitch):
        scene.rule((-reach, y), (reach, y), faint)
    if squared:
        for x in np.arange(-reach + random.uniform(0, pitch), reach, pitch):
            scene.rule((x, -reach), (x, reach), faint)
    elif bernoulli(random, 0.15):
        margin = random.uniform(-reach, reach)
        scene.rule((margin, -reach), (margin, reach), faint)
