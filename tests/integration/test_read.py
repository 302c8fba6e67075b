"""`tenfold read`: what goes in, what is printed."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.reading.reader import Reader

from .drawn_pictures import Tenfold, drawn, save

NUMBER = ["text", "box", "probability", "accepted", "reason", "printed"]
NUMBER += ["row", "column", "digits"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in a folder and below, and what is no picture."""
    save(tmp_path / "pictures/number.png", drawn("4071"))
    save(tmp_path / "pictures/blank.bmp", np.full((60, 60), 255, np.uint8))
    save(tmp_path / "pictures/more/deep/eight.JPG", drawn("8"))
    save(tmp_path / "pictures/.hidden.png", drawn("3"))
    (tmp_path / "pictures/notes.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_what_the_command_has_written_is_no_input(tenfold: Tenfold, folder: Path) -> None:
    out = folder / "readings"
    for _ in range(2):
        ended = tenfold("read", folder, "--single", "--out", out)
        assert ended.code == 0, ended.err
    crops = folder / "marks.csv.review" / "crops"
    save(crops / "page.png", drawn("3"))
    (crops.parent / "plan.json").write_text("{}")
    assert len(tenfold("read", folder, "--json").rows) == 3


# What is printed


def test_json_has_an_object_a_picture_with_just_these_fields(
    tenfold: Tenfold, folder: Path
) -> None:
    path = folder / "number.png"
    ended = tenfold("read", path, folder / "blank.bmp", "--json")
    assert (ended.code, ended.err) == (0, "")
    shown, blank = ended.rows
    assert list(shown) == ["file", "page", "rows", "columns", "numbers", "error"]
    nothing: dict[str, Any] = {
        "page": 1,
        "rows": None,
        "columns": None,
        "numbers": [],
        "error": None,
    }
    assert blank == {"file": str(folder / "blank.bmp")} | nothing
    (number,) = shown["numbers"]
    assert list(number) == NUMBER
    assert [list(digit) for digit in number["digits"]] == [
        ["digit", "probability", "box", "runner_up"]
    ] * 4
    (expected,) = Reader.load().read(path).numbers
    assert expected.value == "4071"
    assert (shown["file"], shown["error"]) == (str(path), None)
    assert number["box"] == list(expected.box)
    assert number["probability"] == pytest.approx(expected.probability, abs=1e-5)
    assert number["accepted"] == expected.accepted
    assert [digit["digit"] for digit in number["digits"]] == [4, 0, 7, 1]
    for one, other in zip(number["digits"], expected.digits, strict=True):
        assert one["box"] == list(other.box)
        assert one["runner_up"] == other.runner_up
        assert one["probability"] == pytest.approx(other.probability, abs=1e-5)


def test_csv_has_a_row_a_number(tenfold: Tenfold, folder: Path) -> None:
    given = [folder / "number.png", folder / "blank.bmp", folder / "more/deep/eight.JPG"]
    expected = tenfold("read", *given, "--json").rows
    ended = tenfold("read", *given, "--csv")
    assert ended.code == 0
    table = list(csv.DictReader(io.StringIO(ended.out)))
    assert list(table[0]) == ["file", "page", "number", "probability", "accepted"]
    numbers = [(row["file"], number) for row in expected for number in row["numbers"]]
    assert {row["file"] for row in table} == {str(given[0]), str(given[2])}
    for row, (file, number) in zip(table, numbers, strict=True):
        assert (row["file"], row["number"]) == (file, number["text"])
        assert float(row["probability"]) == number["probability"]
        assert row["accepted"] == json.dumps(number["accepted"])


def test_text_for_people_is_a_line_a_picture(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder / "number.png", folder / "blank.bmp")
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.splitlines()
    assert re.match(rf"{folder / 'number.png'}  4071  +(> )?\d+\.\d %", first)
    assert second == f"{folder / 'blank.bmp'}  no numbers"


def test_several_numbers_of_a_picture_stand_below_it(tenfold: Tenfold, tmp_path: Path) -> None:
    page = np.full((400, 400), 255, np.uint8)
    for top, digits in ((0, "42"), (250, "1000")):
        line = drawn(digits)
        page[top : top + line.shape[0], : line.shape[1]] = line
    path = save(tmp_path / "two.png", page)
    shown = tenfold("read", path).out.splitlines()
    assert shown[0] == str(path)
    assert [line.split()[0] for line in shown[1:]] == ["42", "1000"]
    assert len({line.index("%") for line in shown[1:]}) == 1  # aligned


def test_names_with_brackets_are_printed_as_they_are(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "a [bold] number[1].png", drawn("27"))
    ended = tenfold("read", path)
    assert ended.code == 0
    assert ended.out.startswith(f"{path}  27  ")
    assert tenfold("read", path, "--json").rows[0]["file"] == str(path)


def test_single_is_one_digit_a_picture(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder, "--single", "--json")
    assert ended.code == 0
    digits = {Path(r["file"]).name: [len(n["digits"]) for n in r["numbers"]] for r in ended.rows}
    assert digits == {"blank.bmp": [], "eight.JPG": [1], "number.png": [1]}
    assert ended.read["eight.JPG"] == "8"


def test_least_confidence(tenfold: Tenfold, folder: Path) -> None:
    path = folder / "number.png"
    for least, accepted in ((0, True), (1, False)):
        (row,) = tenfold("read", path, "--json", "--min-confidence", least).rows
        assert [n["accepted"] for n in row["numbers"]] == [accepted]
        digits = [digit["digit"] for digit in row["numbers"][0]["digits"]]
        assert digits == [4, 0, 7, 1]  # given all the same
    assert tenfold("read", path, "--min-confidence", "1.5").code == 2


def test_a_model_that_reads_no_numbers_says_who_does(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "number.png", drawn("4071"))
    ended = tenfold("read", path, "--model", "single", "--json")
    assert ended.read == {"number.png": "4071"}
    assert ended.err == "tenfold: single has no detector; numbers are read by field\n"
    assert tenfold("read", path, "--single", "--model", "single", "--json").err == ""
    assert tenfold("read", path, "--model", "field", "--json").err == ""


def test_another_model(tenfold: Tenfold, folder: Path, tmp_path: Path) -> None:
    from tenfold.bundle.format import SHIPPED

    path = folder / "number.png"
    assert tenfold("read", path, "--model", SHIPPED, "--json").read == {"number.png": "4071"}
    ended = tenfold("read", path, "--model", tmp_path, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"tenfold: {tmp_path}/bundle.json: cannot be read")


# What a number may be


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--length", 4), None),
        (("--length", 5), "does not fit"),
        (("--pattern", "40[67]1"), None),
        (("--pattern", "[1-3]+"), "does not fit"),
        (("--digits-only",), None),
        (("--pattern", "4071", "--check", "mod11"), "does not fit"),  # 4·4 + 0 + 7·2 + 1 = 31
        (("--pattern", "4071", "--check", "luhn"), "does not fit"),  # 8 + 0 + 5 + 1 = 14
    ],
)
def test_what_a_number_may_be(
    tenfold: Tenfold, folder: Path, options: tuple[str, ...], reason: str | None
) -> None:
    ended = tenfold("read", folder / "number.png", "--json", "--min-confidence", 0, *options)
    assert (ended.code, ended.err) == (0, "")
    (row,) = ended.rows
    assert [n["reason"] for n in row["numbers"]] == [reason]


@pytest.mark.parametrize(
    "options", [("--length", 3), ("--pattern", "1"), ("--check", "luhn"), ("--digits-only",)]
)
@pytest.mark.parametrize("layout", ["--single", "--grid"])
def test_what_a_number_may_be_is_no_matter_of_single_and_grid(
    tenfold: Tenfold, folder: Path, layout: str, options: tuple[str, ...]
) -> None:
    ended = tenfold("read", folder, layout, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"tenfold: {options[0]}: no effect with {layout}; leave out\n"


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "pattern '(': "), ("1" * 201, "pattern: must have 1 to 200")]
)
def test_a_bad_pattern_is_one_line(
    tenfold: Tenfold, folder: Path, pattern: str, message: str
) -> None:
    ended = tenfold("read", folder, "--pattern", pattern)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"tenfold: {message}")
    assert ended.err.count("\n") == 1


# What is read


def test_folders_are_gone_through(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.read == {"number.png": "4071", "eight.JPG": "8", "blank.bmp": ""}
    assert {row["file"] for row in ended.rows} == {
        str(folder / name) for name in ("number.png", "blank.bmp", "more/deep/eight.JPG")
    }


def test_patterns(tenfold: Tenfold, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tenfold("read", folder / "*.png", "--json").read == {"number.png": "4071"}
    assert tenfold("read", f"{folder}/**/*.JPG", "--json").read == {"eight.JPG": "8"}
    monkeypatch.chdir(folder)
    assert {row["file"] for row in tenfold("read", "num*", "--json").rows} == {"number.png"}


def test_a_picture_is_read_once(tenfold: Tenfold, folder: Path) -> None:
    path = folder / "number.png"
    assert len(tenfold("read", path, path, folder / "num*", "--json").rows) == 1


def test_standard_input(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", "read", "-", "--json"],
        input=(folder / "number.png").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    (number,) = row["numbers"]
    assert (row["file"], [d["digit"] for d in number["digits"]]) == ("-", [4, 0, 7, 1])


# What goes wrong


def test_bad_files_are_named_and_the_others_read(tenfold: Tenfold, folder: Path) -> None:
    whole = (folder / "more/deep/eight.JPG").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "text.png").write_text("a shopping list")
    Image.new("1", (10_000, 10_000)).save(folder / "wide.png")
    ended = tenfold("read", folder, folder / "absent.png", "--json")
    assert ended.code == 2
    assert ended.read == {"number.png": "4071", "eight.JPG": "8", "blank.bmp": ""}
    lines = [line.removeprefix("tenfold: ") for line in ended.err.splitlines()]
    failed = [row for row in ended.rows if row["error"]]
    assert [(row["error"], row["numbers"]) for row in failed] == [(line, []) for line in lines]
    errors = dict(line.split(": ", 1) for line in lines)
    assert errors.keys() == {row["file"] for row in failed}
    assert errors.keys() == {
        str(folder / name) for name in ("absent.png", "broken.jpg", "text.png", "wide.png")
    }
    assert errors[str(folder / "absent.png")] == "no such file, folder or pattern"
    assert errors[str(folder / "wide.png")] == (
        "10000 x 10000 is above 50 million pixels; make it smaller"
    )
    for name in ("broken.jpg", "text.png"):
        assert errors[str(folder / name)].startswith("not a readable image")


def test_an_empty_folder(tenfold: Tenfold, tmp_path: Path) -> None:
    ended = tenfold("read", tmp_path, "--json")
    error = f"{tmp_path}: no pictures in this folder"
    assert (ended.code, ended.err) == (2, f"tenfold: {error}\n")
    nothing: dict[str, Any] = {"page": 1, "rows": None, "columns": None, "numbers": []}
    assert ended.rows == [{"file": str(tmp_path), **nothing, "error": error}]
    assert tenfold("read", tmp_path).out == ""


@pytest.mark.parametrize(
    "options", [("--grid", "--single"), ("--grid", "--table"), ("--json", "--csv")]
)
def test_options_that_exclude_each_other(
    tenfold: Tenfold, folder: Path, options: tuple[str, ...]
) -> None:
    ended = tenfold("read", folder, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "tenfold: --grid, --table and --single exclude each other, and so do --json and --csv\n"
    )
