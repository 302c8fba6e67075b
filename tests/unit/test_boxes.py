"""Boxes, tables and rules are printed where the cells that are returned have their edges."""

import numpy as np
import pytest

from tenfold.rendering.boxes import comb, grid, rules_around, sample_ruler
from tenfold.rendering.scene import Box, Ruler, Scene

SOLID = Ruler(width_px=1, darkness=1.0)


def blank(seed: int, shape: tuple[int, int] = (64, 192)) -> Scene:
    return Scene(shape, (1.0, 0.0), np.random.default_rng(seed), max_labels=16)


def dark_share(scene: Scene, box: Box, edge: str) -> float:
    """Return how much of an edge of a box, as far as it is in the crop, is printed."""
    left, top = scene.to_crop(box[0], box[1])
    right, bottom = scene.to_crop(box[2], box[3])
    dark = np.pad((scene.printed > 60).astype(float), 3)
    x = np.clip(np.rint([left, right]), 0, scene.shape[1]).astype(int) + 3
    y = np.clip(np.rint([top, bottom]), 0, scene.shape[0]).astype(int) + 3
    rows, columns = {
        "left": (slice(*y), slice(x[0] - 2, x[0] + 3)),
        "bottom": (slice(y[1] - 2, y[1] + 3), slice(*x)),
    }[edge]
    lines = dark[rows, columns].max(axis=1 if edge == "left" else 0)
    return float(lines.mean()) if lines.size else 1.0


@pytest.mark.parametrize("seed", range(12))
def test_a_comb_has_its_boxes_about_the_middle(seed: int) -> None:
    scene = blank(seed)
    cells = comb(scene, 4, pitch=30, height=40, ruler=SOLID)
    assert len(cells) == 4
    assert {(cell[1], cell[3]) for cell in cells} == {(-20, 20)}
    assert [cell[0] for cell in cells] == pytest.approx([-60, -30, 0, 30])
    assert all(dark_share(scene, cell, "bottom") > 0.9 for cell in cells)
    walls = [dark_share(scene, cell, "left") for cell in cells]
    ticks = scene.printed[8:12].max() == 0  # nothing is printed at the upper edge
    assert min(walls) > (0.1 if ticks else 0.9)


@pytest.mark.parametrize("seed", range(12))
def test_a_grid_has_rules_at_the_edges_of_its_cells(seed: int) -> None:
    scene = blank(seed)
    cells = grid(scene, (40.0, 25.0), SOLID)
    seen = [
        cell
        for cell in cells
        if max(abs(cell[0]), abs(cell[2])) < 90 and max(abs(cell[1]), abs(cell[3])) < 30
    ]
    assert seen or seed
    for cell in seen:
        assert cell[2] - cell[0] == pytest.approx(40)
        assert cell[3] - cell[1] == pytest.approx(25)
        assert dark_share(scene, cell, "left") > 0.9
        assert dark_share(scene, cell, "bottom") > 0.9


def test_rules_around_a_number_are_near_it() -> None:
    printed = 0
    for seed in range(40):
        scene = blank(seed)
        rules_around(scene, (-40.0, -12.0, 40.0, 12.0), 24.0, SOLID)
        near = scene.printed[32 - 12 - 16 : 32 + 12 + 16, 96 - 40 - 16 : 96 + 40 + 16]
        printed += near.max() > 20
        # No rule that is as dark as a pen crosses the middle of the digits.
        middle = scene.printed[32 - 5 : 32 + 5, 96 - 30 : 96 + 30]
        across = (middle > 140).mean(axis=1).max()
        assert across < 0.9
    assert printed >= 36


def test_rulers_are_varied() -> None:
    random = np.random.default_rng(0)
    rulers = [sample_ruler(random) for _ in range(400)]
    assert {ruler.width_px for ruler in rulers} == {1, 2, 3}
    assert 0.05 < np.mean([ruler.missing > 0 for ruler in rulers]) < 0.3
    assert 0.01 < np.mean([ruler.dash_px > 0 for ruler in rulers]) < 0.15
    assert all(0 < ruler.darkness <= 1 for ruler in rulers)
