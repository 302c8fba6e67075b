"""Rules against brute force: every filling of small grids is tried."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from tenfold.errors import DataError
from tenfold.reading.constraints import RuleName
from tenfold.reading.rules import (
    Place,
    Sum,
    block_height,
    decode,
    fillings,
    posteriors,
    rule_of,
)

Candidates = dict[Place, dict[str, float]]


def is_sudoku(texts: Mapping[Place, str], side: int, height: int) -> bool:
    """No digit twice in a row, a column or a block; the definition, cell by cell."""
    width = side // height
    for (cell, text), (other, same) in itertools.combinations(texts.items(), 2):
        together = (
            cell[0] == other[0]
            or cell[1] == other[1]
            or (cell[0] // height, cell[1] // width) == (other[0] // height, other[1] // width)
        )
        if together and text and text == same:
            return False
    return True


def sums_of_columns(texts: Mapping[Place, str], rows: int, columns: int) -> bool:
    for column in range(columns):
        total = texts.get((rows - 1, column))
        parts = [float(texts.get((row, column)) or 0) for row in range(rows - 1)]
        if total and abs(sum(parts) - float(total)) > 1e-6:
            return False
    return True


def every_filling(cells: Candidates) -> Iterator[tuple[float, dict[Place, str]]]:
    for choice in itertools.product(*(texts.items() for texts in cells.values())):
        texts = {cell: text for cell, (text, _) in zip(cells, choice, strict=True)}
        yield sum(math.log(p) for _, p in choice), texts


def random_cells(
    rng: np.random.Generator, side: int, count: int, texts: Sequence[str]
) -> Candidates:
    places = rng.permutation(side * side)[:count]
    cells = {}
    for place in places:
        few = rng.choice(len(texts), 3, replace=False)
        shares = rng.dirichlet([0.6] * 3) * 0.9 + 0.03
        cells[int(place) // side, int(place) % side] = {
            texts[k]: float(p) for k, p in zip(few, shares, strict=True)
        }
    return cells


@pytest.mark.parametrize("seed", range(12))
def test_the_best_filling_of_a_small_sudoku_is_that_of_brute_force(seed: int) -> None:
    cells = random_cells(np.random.default_rng(seed), 4, 8, ["", "1", "2", "3", "4"])
    found = list(itertools.islice(fillings(cells, rule_of("sudoku", 4, 4)), 10))
    expected = sorted(
        (logp for logp, texts in every_filling(cells) if is_sudoku(texts, 4, 2)), reverse=True
    )
    assert [f.log_probability for f in found] == pytest.approx(expected[:10])
    assert all(is_sudoku(filling.texts, 4, 2) for filling in found)
    assert len({tuple(filling.texts.values()) for filling in found}) == len(found)


def test_there_may_be_no_filling() -> None:
    twice: Candidates = {(0, 0): {"3": 1.0}, (0, 3): {"3": 0.9}}
    assert decode(twice, rule_of("sudoku", 4, 4)) is None
    assert decode({(0, 0): {}}, rule_of("sudoku", 4, 4)) is None


def test_the_work_is_bounded() -> None:
    """Each of 81 cells may be 1 or empty: nobody looks at all of 2 ** 81 sets."""
    cells: Candidates = {
        place: {"1": 0.9, "": 0.1} for place in itertools.product(range(9), range(9))
    }
    assert list(fillings(cells, rule_of("sudoku", 9, 9), work=50 * 81)) == []


@pytest.mark.parametrize("side", [9, 16])
def test_a_large_sudoku_with_many_misread_cells_is_read(side: int) -> None:
    height = math.isqrt(side)
    rng = np.random.default_rng(3)
    solution = {  # the usual pattern of a filled grid
        (row, column): str((row * height + row // height + column) % side + 1)
        for row, column in itertools.product(range(side), range(side))
    }
    assert is_sudoku(solution, side, height)
    cells: Candidates = {cell: {text: 0.98, "": 0.001} for cell, text in solution.items()}
    for place in rng.permutation(side * side)[:8]:
        cell = divmod(int(place), side)
        wrong = str(int(solution[cell]) % side + 1)
        cells[cell] = {wrong: 0.8, solution[cell]: 0.15, "": 0.001}
    found = decode(cells, rule_of("sudoku", side, side))
    assert found is not None
    assert found.texts == solution


@pytest.mark.parametrize("seed", range(8))
def test_sums_are_those_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = random_cells(rng, 3, 7, ["", "1", "2", "-1", "3", "0.5", "2.5"])
    found = decode(cells, rule_of("column-sums", 3, 3))
    expected = [logp for logp, texts in every_filling(cells) if sums_of_columns(texts, 3, 3)]
    if found is None:
        assert not expected
    else:
        assert sums_of_columns(found.texts, 3, 3)
        assert found.log_probability == pytest.approx(max(expected))


def test_a_sum_corrects_one_of_its_cells() -> None:
    cells: Candidates = {
        (0, 0): {"12": 0.99},
        (0, 1): {"7": 0.6, "1": 0.4},
        (0, 2): {"13": 0.98, "19": 0.01},
    }
    found = decode(cells, rule_of("row-sums", 1, 3))
    assert found is not None
    assert list(found.texts.values()) == ["12", "1", "13"]
    assert rule_of("row-sums", 1, 3) == [Sum(((0, 0), (0, 1), (0, 2)))]


@pytest.mark.parametrize("text", ["12/5", "1:30", "1-2", "."])
def test_what_is_no_amount_has_no_sum(text: str) -> None:
    cells: Candidates = {(0, 0): {text: 1.0}, (1, 0): {"12": 1.0}}
    assert decode(cells, rule_of("column-sums", 2, 1)) is None


@pytest.mark.parametrize("seed", range(4))
def test_posteriors_of_all_fillings_are_exact(seed: int) -> None:
    cells = random_cells(np.random.default_rng(seed), 4, 6, ["", "1", "2", "3", "4"])
    rule = rule_of("sudoku", 4, 4)
    found = posteriors(cells, rule, list(fillings(cells, rule)))
    allowed = [(math.exp(p), t) for p, t in every_filling(cells) if is_sudoku(t, 4, 2)]
    total = sum(p for p, _ in allowed)
    for cell, candidates in cells.items():
        for text in candidates:
            expected = sum(p for p, texts in allowed if texts[cell] == text) / total
            assert found[cell][text] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "columns", "height"),
    [(9, 9, 3), (4, 4, 2), (6, 6, 2), (16, 16, 4), (8, 8, 2), (9, 10, None), (7, 7, None)],
)
def test_blocks(rows: int, columns: int, height: int | None) -> None:
    assert block_height(rows, columns) == height
    if height is None:
        with pytest.raises(DataError, match=f"found {rows} x {columns} cells"):
            rule_of("sudoku", rows, columns)
        return
    rule = rule_of("sudoku", rows, columns)
    covered = [cell for condition in rule for cell in condition.cells]
    assert len(rule) == 3 * rows
    assert all(len(set(condition.cells)) == rows for condition in rule)
    assert sorted(covered) == sorted([*itertools.product(range(rows), range(columns))] * 3)


def test_names_of_rules() -> None:
    names: tuple[RuleName, ...] = ("sudoku", "column-sums", "row-sums")
    assert [len(rule_of(name, 4, 4)) for name in names] == [12, 4, 4]
