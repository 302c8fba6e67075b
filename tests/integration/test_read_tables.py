"""`tenfold read --grid` and `--table`."""

from pathlib import Path

import pytest

from .drawn_pictures import Tenfold, drawn, drawn_grid, save


def test_a_grid_has_a_number_for_each_filled_cell(tenfold: Tenfold, tmp_path: Path) -> None:
    cells = {(0, 1): "5", (1, 0): "3", (2, 2): "8"}
    path = save(tmp_path / "grid.png", drawn_grid({place: int(d) for place, d in cells.items()}))
    ended = tenfold("read", path, "--grid", "--json")
    assert ended.code == 0
    (shown,) = ended.rows
    assert {(n["row"], n["column"]): n["text"] for n in shown["numbers"]} == cells
    assert (shown["rows"], shown["columns"]) == (3, 3)
    table = tenfold("read", path, "--grid", "--min-confidence", 0).out
    assert table == f"{path}\n  . 5 .\n  3 . .\n  . . 8\n"
    assert tenfold("read", path, "--grid", "--csv").out == ",5,\n3,,\n,,8\n"


def test_a_table_is_read_with_what_is_known_of_it(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "table.png", drawn_grid({(0, 1): 5, (1, 0): 3, (2, 2): 8}))
    known = ("--rows", 3, "--columns", 3, "--length", 1, "--digits-only")
    ended = tenfold("read", path, path.parent, "--table", *known, "--csv")
    assert (ended.code, ended.out) == (0, ",5,\n3,,\n,,8\n")
    ended = tenfold("read", path, "--table", "--length", 2, "--json")
    reasons = [number["reason"] for number in ended.rows[0]["numbers"]]
    assert reasons == ["does not fit"] * 3
    for rows in (4, 5, 7):
        ended = tenfold("read", path, "--table", "--rows", rows)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"tenfold: {path}: found 3 x 3 cells, not {rows} x any\n"


def test_a_rule_reads_the_cells_together(tenfold: Tenfold, tmp_path: Path) -> None:
    sums = save(tmp_path / "sums.png", drawn_grid({(0, 0): 5, (1, 0): 3, (2, 0): 8}))
    ended = tenfold("read", sums, "--table", "--rule", "column-sums", "--min-confidence", 0)
    assert (ended.code, ended.out) == (0, f"{sums}\n  5 . .\n  3 . .\n  8 . .\n")
    ended = tenfold("read", sums, "--grid", "--rule", "sudoku")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"tenfold: {sums}: found 3 x 3 cells, not a Sudoku\n"


@pytest.mark.parametrize("layout", [(), ("--single",)])
@pytest.mark.parametrize("option", [("--rows", 9), ("--columns", 9), ("--rule", "sudoku")])
def test_what_is_known_of_cells_goes_with_a_grid_or_a_table(
    tenfold: Tenfold, tmp_path: Path, layout: tuple[str, ...], option: tuple[str, ...]
) -> None:
    ended = tenfold("read", tmp_path, *layout, *option)
    assert (ended.code, ended.out) == (2, "")
    where = "unless --grid or --table is given"
    assert ended.err == f"tenfold: {option[0]}: no effect {where}; leave out\n"


def test_no_grid_names_the_picture(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "number.png", drawn("4071"))
    ended = tenfold("read", path, "--grid")
    assert ended.code == 2
    assert ended.err == (
        f"tenfold: {path}: no grid or table in this picture; photograph all of it, from above\n"
    )
