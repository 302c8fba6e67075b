"""Scans of forms that are damaged, oddly named, or named in one command and not in the next."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner, Result

from tenfold.cli import app
from tenfold.errors import TemplateError, TenfoldError

from .slip_form import FORM, draw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A template, and a scan in each of two folders."""
    (tmp_path / "form.toml").write_text(FORM)
    for name, number in (("one", 17), ("two", 26)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f"{number}.png"), draw(number))
    return tmp_path


def read(folder: Path, *scans: str, options: Sequence[str] = ()) -> Result:
    names = [str(folder / name) for name in ("form.toml", *scans)]
    command = ["forms", "read", *names, "--out", str(folder / "table.csv"), "--workers", "1"]
    return CliRunner().invoke(app, [*command, *options])


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_scan_that_cannot_be_read_ends_with_exit_code_2_each_time(folder: Path) -> None:
    assert read(folder, "one").exit_code == 0
    (folder / "one" / "9.png").write_bytes(b"no picture")
    for _ in range(2):
        done = read(folder, "one")
        assert done.exit_code == 2
        assert "9.png: " in done.stderr
        assert [row["n"] for row in rows_of(folder)] == ["17", ""]


@pytest.mark.skipif(os.name != "posix", reason="needs names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_escaped(folder: Path) -> None:
    scan = folder / "one" / "17.png"
    scan.rename(folder / "one" / "\udcff.png")
    for _ in range(2):
        assert read(folder, "one").exit_code == 0
        (row,) = rows_of(folder)
        assert (row["document"], row["n"]) == (str(folder / "one" / "\\udcff.png"), "17")
    pages = (folder / "table.csv.review" / "pages.jsonl").read_bytes()
    assert pages.count(b"\n") == 1  # it was read once


def test_documents_that_are_not_named_again_are_said_to_be_left_out(folder: Path) -> None:
    left_out = "1 documents that were read before are not among these scans and are left out"
    assert left_out not in read(folder, "one").stderr
    assert left_out in read(folder, "two").stderr
    assert [row["n"] for row in rows_of(folder)] == ["26"]
    assert left_out not in read(folder, "one", "two").stderr
    assert [row["n"] for row in rows_of(folder)] == ["17", "26"]


def test_nothing_is_written_if_there_is_no_such_cluster(folder: Path) -> None:
    done = read(folder, "one", options=("--on", "foo"))
    assert isinstance(done.exception, TenfoldError)
    assert "--on foo: use ray, HOST:PORT" in str(done.exception)
    assert not (folder / "table.csv.review").exists()


def test_a_blank_form_that_is_no_picture_is_a_fault_of_the_template(folder: Path) -> None:
    (folder / "blank.png").write_bytes(b"no picture")
    path = folder / "form.toml"
    path.write_text(f'blank = "blank.png"\n{FORM}')
    done = read(folder, "one")
    assert isinstance(done.exception, TemplateError)
    assert str(done.exception).startswith(f"{path}: blank: {folder / 'blank.png'}: ")
