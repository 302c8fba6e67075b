"""The page's reader finds grids and tables, and reads their cells, as tenfold's Reader does."""

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from clear_digits import on_paper
from page_in_node import PAGE, Pixels, read_in_node, run_in_node
from stub_network import EVEN, Stub
from test_grid import drawn_grid
from test_lattice import cells_of, crossings, found

from tenfold.bundle.detector_runtime import (
    Cells,
    Detections,
    OnnxCellDetector,
    OnnxDetector,
)
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.digits import Digits
from tenfold.errors import DataError
from tenfold.reading.constraints import Constraints
from tenfold.reading.grid import GridConfig, GridReader
from tenfold.reading.lattice import LatticeConfig, find_lattices
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig
from tenfold.reading.page import Page
from tenfold.reading.reader import Layout, Reader
from tenfold.reading.straighten import straighten
from tenfold.rendering.documents import grid_documents
from tenfold.rendering.tables import TableRenderer

MAX_BOX_DIFFERENCE_PX = 1  # positions are rounded to whole pixels
MAX_DIFFERENCE = 0.01  # of probabilities: a few grey levels of crops may differ by one
SEEN: list[dict[str, float]] = [
    {},
    {"turn": 0.5},
    {"perspective": 0.2, "turn": -0.3},
    {"widths": 0.3},
]


@pytest.fixture
def node(require_tool: Callable[[str], str]) -> str:
    """Return the path of Node."""
    return require_tool("node")


def call(node: str, script: str, body: str, given: Any) -> Any:
    """Return what a function's body makes of `given`, with `m`, a module of the page's reader."""
    module = json.dumps((PAGE / "reader" / f"{script}.js").as_uri())
    code = (
        f"const m = await import({module});"
        "const { readFileSync } = await import('node:fs');"
        "const given = JSON.parse(readFileSync(0));"
        f"const answer = async () => {{ {body} }};"
        "console.log(JSON.stringify(await answer()));"
    )
    return run_in_node(node, code, json.dumps(given))


def as_json(cells: Cells) -> list[dict[str, Any]]:
    return [
        {"objectness": float(p), "corners": corners.tolist()}
        for p, corners in zip(cells.objectness, cells.corners, strict=True)
    ]


def scattered_cells() -> list[Cells]:
    """Return cells of grids with gaps, with single ones beside them, and twice in one picture."""
    random = np.random.default_rng(3)
    pictures = []
    for number in range(16):
        grid = crossings(
            (int(random.integers(2, 10)), int(random.integers(2, 10))), **SEEN[number % 4]
        )
        cells = cells_of(grid).reshape(-1, 4, 2)
        cells = cells[random.random(len(cells)) < random.choice([1, 0.8])]
        beside = random.uniform(0, 600, (3, 1, 2)) + cells_of(crossings((1, 1)))[0]
        corners = np.concatenate([cells, cells[: number % 4] + np.float32(1.5), beside])
        picture = found(corners.astype(np.float32), number, shake=0.5)
        if number % 3 == 0:  # some columns are less certain: gaps between two grids
            picture.objectness[picture.corners[:, 0, 0] % 100 < 30] *= np.float32(0.6)
            picture = Cells(*(part[np.argsort(-picture.objectness)] for part in picture))
        pictures.append(picture)
    return [*pictures, Cells(np.zeros(0, np.float32), np.zeros((0, 4, 2), np.float32))]


def test_cells_are_grouped_as_by_the_reader(node: str) -> None:
    pictures = scattered_cells()
    given = {"config": asdict(LatticeConfig()), "pictures": [as_json(cells) for cells in pictures]}
    body = (
        "return given.pictures.map((cells) => m.findLattices(cells, given.config)"
        ".map((one) => ({ ...one, score: m.score(one), turned: m.turned(one).objectness }))"
        ".sort((a, b) => b.score - a.score));"
    )
    lattices = 0
    for shown, cells in zip(call(node, "lattice", body, given), pictures, strict=True):
        expected = find_lattices(cells)
        assert len(shown) == len(expected)
        for one, lattice in zip(shown, expected, strict=True):
            np.testing.assert_allclose(one["objectness"], lattice.objectness, atol=1e-6)
            np.testing.assert_allclose(one["corners"], lattice.corners, atol=1e-3)
            assert one["score"] == pytest.approx(lattice.score, rel=1e-4)
            np.testing.assert_allclose(one["turned"], lattice.turned(1).objectness, atol=1e-6)
            lattices += 1
    assert lattices >= 16


@pytest.mark.parametrize(
    "cell_height", [30.0, 6.0]
)  # the second one makes the picture smaller first
def test_cells_are_straightened_as_by_opencv(node: str, cell_height: float) -> None:
    random = np.random.default_rng(5)
    noise = random.integers(0, 256, (600, 600), np.uint8)
    grey = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    grids = [crossings((5, 6), **seen) for seen in SEEN]
    boxes = [[3, 2, 40, 9], [0, 0, 20, 25]]
    given = {
        "data": grey.ravel().tolist(),
        "grids": [grid.tolist() for grid in grids],
        "height": cell_height,
        "boxes": boxes,
    }
    body = (
        "const grey = { w: 600, h: 600, data: Uint8Array.from(given.data) };"
        "return given.grids.map((corners) => {"
        "  const one = m.straighten(grey, { corners }, given.height);"
        "  const boxes = given.boxes.map((box) => m.boxInOriginal(one, box));"
        "  const cells = given.boxes.map(([, , x, y]) => m.cellOf(one, [x, y]));"
        "  return { w: one.grey.w, h: one.grey.h, data: [...one.grey.data], boxes, cells };"
        "});"
    )
    for shown, grid in zip(call(node, "straighten", body, given), grids, strict=True):
        lattice = find_lattices(found(cells_of(grid).reshape(-1, 4, 2)))[0]._replace(corners=grid)
        expected = straighten(grey, lattice, cell_height)
        assert expected.grey.shape == (shown["h"], shown["w"])
        apart = np.abs(np.reshape(shown["data"], expected.grey.shape) - expected.grey.astype(int))
        assert apart.max() <= 1
        assert np.mean(apart > 0) <= 1e-4
        assert shown["boxes"] == [
            list(expected.box_in_original((a, b, c, d))) for a, b, c, d in boxes
        ]
        corners = np.array([box[2:] for box in boxes], np.float32)
        assert shown["cells"] == expected.cells_of(corners).tolist()


def scattered(random: np.random.Generator) -> Detections:
    """Place characters, large and small, in a straightened grid of 4 × 5 cells 52 pixels high."""
    n = 24
    boxes = random.uniform((0, 0, 8, 8), (260, 208, 30, 46), (n, 4))
    classes = random.dirichlet(np.full(len(DETECTED_CLASSES), 0.15), n)
    objectness = np.sort(random.uniform(0.3, 1, n))[::-1]
    parts = (objectness, classes, boxes, random.uniform(0, 1, n))
    return Detections(*(part.astype(np.float32) for part in parts))


def test_cells_are_read_as_by_the_reader(node: str) -> None:
    """Notes are left out of grids, and of four quarter turns the clearest one is taken."""
    random = np.random.default_rng(8)
    scripts = [[scattered(random) for _ in range(4)] for _ in range(10)]
    cells = found(cells_of(crossings((4, 5), turn=0.1) + np.float32(16)).reshape(-1, 4, 2))
    numbers, grids = NumberReaderConfig(min_probability=0.5), GridConfig(sides_px=(620,))
    given = {
        "cells": as_json(cells),
        "model": {"reader": asdict(numbers), "grids": asdict(grids)},
        "scripts": [[[part.tolist() for part in look] for look in looks] for looks in scripts],
    }
    body = (
        "const data = new Uint8Array(620 * 620).fill(255);"
        "const picture = { w: 620, h: 620, channels: 1, data };"
        "const pages = [];"
        "for (const [i, looks] of given.scripts.entries()) {"
        "  const detect = () => { const [p, classes, boxes, printed] = looks.shift();"
        "    return p.map((objectness, k) =>"
        "      ({ objectness, classes: classes[k], box: boxes[k], printed: printed[k] })); };"
        "  const classifyDetected = (images) => images.map(() => Array(10).fill(0.1));"
        "  const networks = { detect, detectCells: () => given.cells, classifyDetected };"
        "  const options = { layout: i % 2 ? 'table' : 'grid' };"
        "  pages.push(await m.readGrid(picture, options, networks, given.model));"
        "}"
        "return pages;"
    )
    white = np.full((620, 620), 255, np.uint8)
    compared = 0
    for index, shown in enumerate(call(node, "grid", body, given)):
        looks = iter(scripts[index])
        detector = SimpleNamespace(detect=lambda *_, looks=looks: next(looks))
        finder = SimpleNamespace(detect=lambda *_: cells)
        networks = cast("OnnxDetector", detector), cast("OnnxClassifier", Stub(EVEN))
        reader = GridReader(
            cast("OnnxCellDetector", finder), NumberReader(*networks, numbers), grids
        )
        compared += same_cells(shown, (reader.read_table if index % 2 else reader.read_grid)(white))
    assert compared >= 80


def same_cells(page: dict[str, Any], expected: Page) -> int:
    """Compare what the page's reader read with a page of tenfold's; return the count of numbers."""
    assert (page["rows"], page["columns"]) == expected.grid
    shown = page["numbers"]
    assert [(n["row"], n["column"], n["text"], n["reason"]) for n in shown] == [
        (n.row, n.column, n.text, n.reason) for n in expected.numbers
    ]
    for one, other in zip(shown, expected.numbers, strict=True):
        assert one["probability"] == pytest.approx(other.probability, abs=MAX_DIFFERENCE)
        assert [d["digit"] for d in one["digits"]] == [d.digit for d in other.digits]
        boxes = [(one["box"], other.box)]
        boxes += [(a["box"], b.box) for a, b in zip(one["digits"], other.digits, strict=True)]
        for a, b in boxes:
            np.testing.assert_allclose(a, b, atol=MAX_BOX_DIFFERENCE_PX)
    return len(shown)


def small_grid() -> Pixels:
    """Draw a grid of 3 × 4 cells with six clear digits."""
    digits = {(row, column): 3 * row + column for row in range(3) for column in (row, row + 1)}
    return on_paper(drawn_grid(3, 4, digits), 0, 255)


def compare(
    pictures: list[tuple[Pixels, Layout]], pages: Iterable[dict[str, Any]], reader: Reader
) -> tuple[int, int]:
    """Return how many cells have a number, and on how many pictures the readers differ."""
    cells = different = 0
    for (picture, layout), answer in zip(pictures, pages, strict=True):
        try:
            cells += same_cells(answer, reader.read(picture, layout))
        except AssertionError as error:
            print(error)  # which pytest shows if there are too many
            different += 1
    return cells, different


def test_a_grid_is_read_as_by_the_reader(
    node: str, site_folder: Path, reader: Reader, tmp_path: Path
) -> None:
    pictures: list[tuple[Pixels, Layout]] = [(small_grid(), "grid")]
    pages = read_in_node(node, site_folder, pictures, tmp_path)
    cells, different = compare(pictures, pages, reader)
    assert cells >= 4
    assert different == 0


@pytest.mark.parametrize(
    "wanted", [(2, 3), (None, 6), (6, None), (5, 5), (None, 7), (6, 4), (3, 6)]
)
def test_a_grid_with_these_rows_and_columns_is_found(
    node: str, wanted: tuple[int | None, int | None]
) -> None:
    grids = [crossings((6, 6)), crossings((2, 3)) + np.float32(400)]
    cells = found(np.concatenate([cells_of(grid).reshape(-1, 4, 2) for grid in grids]) + 16)
    given = {
        "cells": as_json(cells),
        "model": {
            "reader": asdict(NumberReaderConfig()),
            "grids": asdict(GridConfig(sides_px=(700,))),
        },
        "options": {"layout": "grid", "rows": wanted[0], "columns": wanted[1]},
    }
    body = (
        "const data = new Uint8Array(700 * 700).fill(255);"
        "const picture = { w: 700, h: 700, channels: 1, data };"
        "const networks = { detect: () => [], detectCells: () => given.cells,"
        "  classifyDetected: (images) => images.map(() => []) };"
        "try { return await m.readGrid(picture, given.options, networks, given.model); }"
        "catch ({ message }) { return message; }"
    )
    shown = call(node, "grid", body, given)
    finder = cast("OnnxCellDetector", SimpleNamespace(detect=lambda *_: cells))
    reader = GridReader(finder, cast("NumberReader", None), GridConfig(sides_px=(700,)))
    find = functools.partial(reader.find, np.full((700, 700), 255, np.uint8))
    constraints = Constraints(rows=wanted[0], columns=wanted[1])
    if isinstance(shown, str):
        with pytest.raises(DataError) as caught:
            find(constraints)
        assert shown == str(caught.value)
    else:
        expected = find(constraints)
        assert (shown["rows"], shown["columns"]) == expected.objectness.shape
        np.testing.assert_array_equal(shown["corners"], expected.corners)


@pytest.mark.slow
def test_photographed_grids_and_tables_are_read_as_by_the_reader(
    node: str, site_folder: Path, reader: Reader, mnist_test: Digits, tmp_path: Path
) -> None:
    pictures: list[tuple[Pixels, Layout]] = [(p, "grid") for p, _ in grid_documents(mnist_test, 6)]
    renderer = TableRenderer(mnist_test, seed=77)
    rendered = (renderer.render(index) for index in range(100))
    with_cells = [one.pixels for one in rendered if len(one.cells) >= 12][:14]
    pictures += [(p, "table") for p in with_cells]
    pictures.append((np.ascontiguousarray(np.rot90(small_grid())), "table"))
    pages = read_in_node(node, site_folder, pictures, tmp_path)
    cells, different = compare(pictures, pages, reader)
    assert cells >= 200
    assert different <= 0.1 * len(pictures)
