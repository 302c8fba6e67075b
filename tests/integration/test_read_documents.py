"""`tenfold read` of files of several pages: printed, and in bulk."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import dataset

from .drawn_pictures import Pixels, Tenfold, drawn, save

PAGES = ("4071", "8", "", "95")
# The process kills itself before it puts the file of this number into the folder.
KILLED = """
import os, signal, sys
from tenfold.cli import main
from tenfold.reading import parquet
if __name__ == "__main__":  # workers import this file too
    write, left = parquet.write_atomically, [None] * int(sys.argv.pop(1))
    def counted(*arguments):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left.pop()
        write(*arguments)
    parquet.write_atomically = counted
    main()
"""


def page(digits: str) -> Pixels:
    """Draw a page of 100 x 340 pixels."""
    canvas = np.full((100, 340), 255, np.uint8)
    if digits:
        line = drawn(digits)
        canvas[:, : line.shape[1]] = line
    return canvas


def document(path: Path, pages: tuple[str, ...] = PAGES) -> Path:
    first, *others = (Image.fromarray(page(digits)) for digits in pages)
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A PDF and a TIFF of four pages, and a picture."""
    save(tmp_path / "scans/one.png", page("27"))
    for name in ("a.pdf", "b.tiff"):
        document(tmp_path / "scans" / name)
    return tmp_path / "scans"


@pytest.fixture
def short_documents(tmp_path: Path) -> Path:
    """A PDF and a TIFF of one page, and a picture."""
    save(tmp_path / "scans/one.png", page("27"))
    for name in ("a.pdf", "b.tiff"):
        document(tmp_path / "scans" / name, ("8",))
    return tmp_path / "scans"


def test_each_page_has_its_object_and_its_number(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder, "--json")
    assert (ended.code, ended.err) == (0, "")
    found = [
        (Path(row["file"]).name, row["page"], "".join(n["text"] for n in row["numbers"]))
        for row in ended.rows
    ]
    assert found == [
        *(("a.pdf", number, digits) for number, digits in enumerate(PAGES, 1)),
        *(("b.tiff", number, digits) for number, digits in enumerate(PAGES, 1)),
        ("one.png", 1, "27"),
    ]


def test_csv_has_the_page_of_each_number(tenfold: Tenfold, folder: Path) -> None:
    ended = tenfold("read", folder / "a.pdf", folder / "one.png", "--csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [(row["page"], row["number"]) for row in rows] == [
        ("1", "4071"),
        ("2", "8"),
        ("4", "95"),
        ("1", "27"),
    ]


def test_people_see_the_page_only_if_there_are_several(tenfold: Tenfold, folder: Path) -> None:
    lines = tenfold("read", folder / "b.tiff", folder / "one.png").out.splitlines()
    assert lines[0].startswith(f"{folder / 'b.tiff'}, page 1  4071  ")
    assert lines[2] == f"{folder / 'b.tiff'}, page 3  no numbers"
    assert lines[4].startswith(f"{folder / 'one.png'}  27  ")


def test_nothing_that_looks_like_a_picture_is_skipped(
    tenfold: Tenfold, short_documents: Path
) -> None:
    folder = short_documents
    for name in ("x.jp2", "y.AVIF", "z.docx", "notes.txt", "labels.csv"):
        (folder / name).write_bytes(b"something")
    save(folder / "c.jpg", page("8")).rename(folder / "c.jfif")
    ended = tenfold("read", folder, "--json")
    assert ended.code == 2
    assert [Path(row["file"]).name for row in ended.rows if row["error"]] == [
        "x.jp2",
        "y.AVIF",
        "z.docx",
    ]
    for line in ended.err.splitlines():
        assert "not a readable image: PNG, JPEG, " in line
    assert ended.read["c.jfif"] == "8"


def test_a_page_that_cannot_be_read_is_named_and_the_others_read(
    tenfold: Tenfold, tmp_path: Path
) -> None:
    images = [Image.fromarray(page("8")), Image.new("F", (30, 30)), Image.fromarray(page("95"))]
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:])
    ended = tenfold("read", tmp_path / "a.tif", "--json")
    assert ended.code == 2
    errors = [row["error"] for row in ended.rows]
    assert errors[::2] == [None, None]
    assert ended.err == f"tenfold: {errors[1]}\n"
    assert errors[1].startswith(f"{tmp_path / 'a.tif'}, page 2: not a readable image")


@pytest.mark.parametrize("bulk", [False, True])
def test_damaged_tiffs_are_one_line_each_and_the_others_are_read(
    tenfold: Tenfold, short_documents: Path, tmp_path: Path, *, bulk: bool
) -> None:
    folder = short_documents
    (folder / "no page.tif").write_bytes(b"II*\0\0\0\0\0")
    (folder / "far page.tif").write_bytes(b"II+\0\x08\0\0\0" + b"\xff" * 8)
    if bulk:
        ended = tenfold("read", folder, "--out", tmp_path / "out")
        rows = dataset.dataset(tmp_path / "out", format="parquet").to_table().to_pylist()
    else:
        ended = tenfold("read", folder, "--json")
        rows = ended.rows
    errors = {Path(row["file"]).name: row["error"] for row in rows if row["error"]}
    assert errors.keys() == {"no page.tif", "far page.tif"}
    for error in errors.values():
        assert "TIFF without pages" in error or "readable" in error
    assert sorted(Path(row["file"]).name for row in rows) == [
        *("a.pdf", "b.tiff", "far page.tif", "no page.tif", "one.png")
    ]
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_document_on_standard_input(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", "read", "-", "--json"],
        input=(folder / "a.pdf").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["file"], row["page"]) for row in rows] == [("-", n) for n in range(1, 5)]


def test_commands_that_read_no_standard_input_say_so(tenfold: Tenfold, tmp_path: Path) -> None:
    for words, what in (
        (("read", "-", "--out", tmp_path / "out"), "--out"),
        (("forms", "read", "form.toml", "-", "--out", tmp_path / "t.csv"), "tenfold forms read"),
    ):
        ended = tenfold(*words)
        assert ended.code == 2
        assert ended.err == (
            f"tenfold: -: {what} does not read standard input; write it to a file and name that\n"
        )
        assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="kills by SIGKILL")
def test_bulk_reading_that_is_killed_anywhere_reads_each_page_once(tmp_path: Path) -> None:
    digits = tuple(str(number % 10) for number in range(60))
    document(tmp_path / "a.tif", digits)
    document(tmp_path / "b.pdf", digits[:30])
    document(tmp_path / "c.pdf")
    out = tmp_path / "out"
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    words = ["read", *map(str, sorted(tmp_path.glob("*.[tp]*f"))), "--single", "--out", str(out)]
    for written in (0, 2, 3, 99):  # the plan, files of 25 pages of long documents, one more
        done = subprocess.run(
            [sys.executable, program, str(written), *words],
            capture_output=True,
            timeout=300,
            check=False,
        )
        if written < 99:
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert len(list(out.glob("part-*"))) == 6
    found = dataset.dataset(out, format="parquet").to_table().to_pylist()
    count = Counter((Path(row["file"]).name, row["page"]) for row in found)
    assert set(count.values()) == {1}
    assert sorted(count) == [
        *(("a.tif", number) for number in range(1, 61)),
        *(("b.pdf", number) for number in range(1, 31)),
        *(("c.pdf", number) for number in range(1, 5)),
    ]
    assert not [row["error"] for row in found if row["error"]]
