"""`tenfold read`: what goes in, what is printed."""

import base64
import csv
import io
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tenfold.reading.reader import Reader

from .drawn_pictures import Page, Pixels, Tenfold, drawn, save

FIELDS = ["file", "index", "box", "digit", "probability", "runner_up", "rejected", "reason"]


def drawn_grid(cells: dict[tuple[int, int], int]) -> Pixels:
    """Draw a grid of 3 × 3 with digits in some cells."""
    canvas = np.full((400, 400), 255, np.uint8)
    for k in range(4):
        cv2.line(canvas, (50, 50 + 100 * k), (350, 50 + 100 * k), 0, 3)
        cv2.line(canvas, (50 + 100 * k, 50), (50 + 100 * k, 350), 0, 3)
    for (row, column), digit in cells.items():
        glyph = drawn(str(digit))[10:90, 10:86]
        top, left = 60 + 100 * row, 62 + 100 * column
        canvas[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    return canvas


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with no pixels behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        length, check = struct.pack(">I", len(content)), zlib.crc32(kind + content)
        return length + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in a folder and below, and what is no picture."""
    save(tmp_path / "pictures/number.png", drawn("4071"))
    save(tmp_path / "pictures/blank.bmp", np.full((60, 60), 255, np.uint8))
    save(tmp_path / "pictures/more/deep/eight.JPG", drawn("8"))
    save(tmp_path / "pictures/.hidden.png", drawn("3"))
    (tmp_path / "pictures/notes.txt").write_text("no picture")
    return tmp_path / "pictures"


# What is printed


def test_json_lines_have_just_these_fields(tenfold: Tenfold, folder: Path) -> None:
    path = folder / "number.png"
    ended = tenfold("read", path, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert [list(row) for row in ended.rows] == [FIELDS] * 4
    readings = Reader.load().read(path)
    assert "".join(str(reading.digit) for reading in readings) == "4071"
    for index, (row, reading) in enumerate(zip(ended.rows, readings, strict=True)):
        assert reading.box is not None
        assert row == {
            "file": str(path),
            "index": index,
            "box": list(reading.box),
            "digit": reading.digit,
            "probability": pytest.approx(reading.probability, abs=1e-5),
            "runner_up": reading.runner_up,
            "rejected": False,
            "reason": None,
        }


def test_csv_is_the_same_as_a_table(tenfold: Tenfold, folder: Path) -> None:
    given = [folder / "number.png", folder / "blank.bmp"]
    expected = tenfold("read", *given, "--single", "--json").rows
    ended = tenfold("read", *given, "--single", "--csv")
    assert ended.code == 0
    table = list(csv.DictReader(io.StringIO(ended.out)))
    assert list(table[0])[: len(FIELDS)] == FIELDS
    for row, other in zip(table, expected, strict=True):
        assert row["file"] == other["file"]
        assert row["box"] == " ".join(map(str, other["box"] or []))
        assert float(row["probability"]) == other["probability"]
        assert row["rejected"] == str(other["rejected"])
        assert row["reason"] == (other["reason"] or "")
        for field in ("index", "digit", "runner_up"):
            assert int(row[field]) == other[field]
    assert table[1]["reason"] == "blank"


def test_a_table_for_people(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder / "number.png", folder / "blank.bmp")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert f"{folder / 'number.png'}  4071" in lines
    assert f"{folder / 'blank.bmp'}  no digits" in lines
    shares = re.findall(r"([0-9]) +(?:> )?(\d+\.\d) %", ended.out)
    assert [digit for digit, _ in shares] == list("4071")
    assert all(float(share) > 90 for _, share in shares)
    assert sum("█" in line for line in lines) >= 4 * 2  # what the network saw


def test_names_with_brackets_are_printed_as_they_are(tenfold: Tenfold, tmp_path: Path) -> None:
    path = save(tmp_path / "a [bold] number[1].png", drawn("27"))
    ended = tenfold("read", path)
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"{path}  27")
    assert tenfold("read", path, "--json").rows[0]["file"] == str(path)


def test_single_is_exactly_one_a_picture(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder, "--single", "--json")
    assert ended.code == 0
    assert [row["index"] for row in ended.rows] == [0, 0, 0]
    blank = next(row for row in ended.rows if row["file"].endswith("blank.bmp"))
    assert (blank["box"], blank["rejected"], blank["reason"]) == (None, True, "blank")


def test_a_grid_has_a_line_a_cell(tenfold: Tenfold, tmp_path: Path) -> None:
    cells = {(0, 1): 5, (1, 0): 3, (2, 2): 8}
    path = save(tmp_path / "grid.png", drawn_grid(cells))
    ended = tenfold("read", path, "--grid", "--json")
    assert ended.code == 0
    assert [list(row) for row in ended.rows] == [[*FIELDS, "row", "column"]] * 9
    assert [(row["row"], row["column"]) for row in ended.rows] == [
        (k // 3, k % 3) for k in range(9)
    ]
    read = {(row["row"], row["column"]): row["digit"] for row in ended.rows if not row["rejected"]}
    assert read == cells
    assert {row["reason"] for row in ended.rows if row["rejected"]} == {"blank"}
    table = tenfold("read", path, "--grid").out
    assert f"{path}  ·5·3····8" in table.splitlines()
    places = re.findall(r"row \d, column \d", table)
    assert places == ["row 1, column 2", "row 2, column 1", "row 3, column 3"]


def test_least_confidence(tenfold: Tenfold, folder: Path) -> None:
    path = folder / "number.png"
    readings = Reader.load().read(path)
    for least in (0, 1):
        rows = tenfold("read", path, "--json", "--min-confidence", least).rows
        assert [row["rejected"] for row in rows] == [r.probability < least for r in readings]
        assert [row["digit"] for row in rows] == [4, 0, 7, 1]  # given all the same
    assert any(r.probability < 1 for r in readings)
    assert tenfold("read", path, "--min-confidence", "1.5").code == 2


def test_another_model(tenfold: Tenfold, folder: Path, tmp_path: Path) -> None:
    from tenfold.bundle.format import SHIPPED

    path = folder / "number.png"
    assert tenfold("read", path, "--model", SHIPPED, "--json").read == {"number.png": "4071"}
    ended = tenfold("read", path, "--model", tmp_path, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"tenfold: {tmp_path}/bundle.json: cannot be read")


# What is read


def test_folders_are_gone_through(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.read == {"number.png": "4071", "eight.JPG": "8"}  # none on the blank one
    assert {row["file"] for row in ended.rows} == {
        str(folder / "number.png"),
        str(folder / "more/deep/eight.JPG"),
    }


def test_patterns(tenfold: Tenfold, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tenfold("read", folder / "*.png", "--json").read == {"number.png": "4071"}
    assert tenfold("read", f"{folder}/**/*.JPG", "--json").read == {"eight.JPG": "8"}
    monkeypatch.chdir(folder)
    assert {row["file"] for row in tenfold("read", "num*", "--json").rows} == {"number.png"}


def test_a_picture_is_read_once(tenfold: Tenfold, folder: Path) -> None:
    path = folder / "number.png"
    assert len(tenfold("read", path, path, folder / "num*", "--json").rows) == 4


def test_standard_input(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", "read", "-", "--json"],
        input=(folder / "number.png").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["file"], row["digit"]) for row in rows] == [("-", d) for d in (4, 0, 7, 1)]


# What goes wrong


def test_bad_files_are_named_and_the_others_read(tenfold: Tenfold, folder: Path) -> None:
    whole = (folder / "more/deep/eight.JPG").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "claims.png").write_bytes(png_header(30_000, 30_000))
    (folder / "text.png").write_text("a shopping list")
    (folder / "wide.png").write_bytes(png_header(10_000, 10_000))
    ended = tenfold("read", folder, folder / "absent.png", "--json")
    assert ended.code == 2
    assert ended.read == {"number.png": "4071", "eight.JPG": "8"}
    errors = dict(line.removeprefix("tenfold: ").split(": ", 1) for line in ended.err.splitlines())
    assert errors.keys() == {
        str(folder / name)
        for name in ("absent.png", "broken.jpg", "claims.png", "text.png", "wide.png")
    }
    assert errors[str(folder / "absent.png")] == "no such file, folder or pattern"
    assert errors[str(folder / "wide.png")] == "10000 x 10000 is above 50 million pixels"
    for name in ("broken.jpg", "text.png", "claims.png"):
        assert re.match(r"not a readable image|30000 x 30000", errors[str(folder / name)])


def test_an_empty_folder(tenfold: Tenfold, tmp_path: Path) -> None:
    ended = tenfold("read", tmp_path, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"tenfold: {tmp_path}: no pictures in this folder\n"


def test_no_grid_names_the_picture(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder / "number.png", "--grid")
    assert ended.code == 2
    assert ended.err == (
        f"tenfold: {folder / 'number.png'}: no grid in this picture; leave out --grid, "
        "or photograph the whole frame\n"
    )


@pytest.mark.parametrize("options", [("--grid", "--single"), ("--json", "--csv")])
def test_options_that_exclude_each_other(
    tenfold: Tenfold, folder: Path, options: tuple[str, ...]
) -> None:
    ended = tenfold("read", folder, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "tenfold: --grid and --single exclude each other, and so do --json and --csv\n"
    )


# The page


def test_explain_writes_a_page_that_needs_nothing_else(tenfold: Tenfold, folder: Path) -> None:
    odd = save(folder / "<b>&amp; co.png", drawn("6"))
    page = folder / "page.html"
    ended = tenfold("read", folder / "number.png", odd, "--explain", page, "--json")
    assert (ended.code, ended.err) == (0, f"{page}\n")
    text = page.read_text()
    assert "url(" not in text
    shown = Page(text)
    assert "script" not in shown.tags
    assert "link" not in shown.tags
    assert "b" not in shown.tags
    assert f"{folder / 'number.png'}: 4071" in shown.words
    assert f"{odd}: 6" in shown.words
    pictures = []
    for source in shown.sources:
        head, _, data = source.partition("base64,")
        assert head == "data:image/png;"
        pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
    small = [image for image in pictures if image.size == (28, 28)]
    assert len(small) == 5
    assert len(pictures) == 5 + 2 * 4  # four steps a picture
    whole = np.asarray(pictures[0])
    np.testing.assert_array_equal(whole, drawn("4071"))
    readings = Reader.load().read(folder / "number.png")
    np.testing.assert_array_equal(255 - np.asarray(small[0]), readings[0].image)


def test_a_page_that_cannot_be_written(tenfold: Tenfold, folder: Path) -> None:
    page = folder / "notes.txt" / "page.html"
    ended = tenfold("read", folder / "number.png", "--explain", page, "--json")
    assert ended.code == 2
    assert ended.read == {"number.png": "4071"}
    assert ended.err.startswith(f"tenfold: {page}: cannot be written (")
    assert ended.err.count("\n") == 1
