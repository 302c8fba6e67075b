"""From scans to a table: what was written on drawn forms comes back, and is read once."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_forms import DRAWN_PX_PER_MM, box_px, draw_page, scanned, write_values
from typer.testing import CliRunner

from tenfold.cli import app
from tenfold.forms.field_reader import FieldReaderConfig
from tenfold.forms.template_parsing import load_template

FORM = """\
name = "slip"

[[pages]]
width_mm = 105.0
height_mm = 80.0

[[pages]]
width_mm = 105.0
height_mm = 80.0

[[fields]]
name = "student"
box = [20.0, 25.0, 48.0, 9.0]
kind = "digits"
length = 6
check = "luhn"
unique = true

[[fields]]
name = "a"
box = [20.0, 45.0, 20.0, 9.0]
kind = "number"
max = 50

[[fields]]
name = "b"
box = [50.0, 45.0, 20.0, 9.0]
kind = "number"
max = 50

[[fields]]
name = "sum"
box = [20.0, 62.0, 20.0, 9.0]
kind = "number"
sum_of = ["a", "b"]

[[fields]]
name = "late"
page = 2
box = [30.0, 30.0, 6.0, 6.0]
kind = "mark"

[[fields]]
name = "note"
page = 2
box = [50.0, 50.0, 30.0, 9.0]
kind = "number"
"""
WRITTEN = [
    {"student": "123455", "a": "17", "b": "26", "sum": "43", "late": "true", "note": ""},
    {"student": "550053", "a": "40", "b": "8", "sum": "58", "late": "false", "note": "123"},
]


QUESTION = "is the template right?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template, two filled copies of two pages, and a page of another form."""
    folder = tmp_path_factory.mktemp("forms")
    (folder / "form.toml").write_text(FORM)
    template = load_template(folder / "form.toml")
    scans = folder / "scans"
    scans.mkdir()
    for copy, values in enumerate(WRITTEN):
        for page in (1, 2):
            paper = write_values(draw_page(template, page), template, page, values)
            picture = scanned(paper, degrees=180.5 if page == copy else 1.0, margin=20)
            cv2.imwrite(str(scans / f"{copy}-{page}.png"), picture)
    cv2.imwrite(str(scans / "9.png"), np.full((600, 800), 220, np.uint8))
    return folder


def read(folder: Path, *arguments: str, stdout: bool = False) -> str:
    command = ["forms", "read", str(folder / "form.toml"), str(folder / "scans"), *arguments]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 2, done.output  # a page is none of the form
    return done.stdout if stdout else done.output


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_written_is_read(folder: Path) -> None:
    table = folder / "table.csv"
    output = read(folder, "--out", str(table), "--workers", "1")
    assert "2 documents, 12 fields" in output
    assert "9.png: foreign page" in output
    rows = rows_of(table)
    assert [row["problems"] for row in rows][:2] == ["", ""]
    for row, values in zip(rows, WRITTEN, strict=False):
        assert {name: row[name] for name in values} == values
    assert [rows[0][f"{name}.rules"] for name in ("student", "a", "sum")] == ["", "", ""]
    assert rows[1]["sum.rules"] == "sum"  # 40 and 8 are 48, and 58 is written
    assert rows[1]["sum.review"] == "true"
    lines = (folder / "table.csv.review/fields.jsonl").read_text().splitlines()
    fields = [json.loads(line) for line in lines]
    assert len(fields) == 12
    assert len(list((folder / "table.csv.review/crops").iterdir())) == 4  # one a page
    student = fields[0]
    picture = cv2.imread(str(folder / "table.csv.review" / student["picture"]), 0)
    assert picture is not None
    left, top, width, height = student["crop"]
    crop = picture[top : top + height, left : left + width]
    template = load_template(folder / "form.toml")
    paper = write_values(draw_page(template), template, 1, WRITTEN[0])
    x, y, right, bottom = box_px(template.cells[0].box, DRAWN_PX_PER_MM)
    scale = FieldReaderConfig().box_height_px / (bottom - y)
    drawn = cv2.resize(paper[y:bottom, x:right], None, fx=scale, fy=scale)
    assert cv2.matchTemplate(crop, drawn, cv2.TM_CCOEFF_NORMED).max() > 0.8
    assert student["digits"][2:] == [28 * 6, 28]


def test_marks_that_are_not_on_the_blank_form_are_missed_once(tmp_path: Path) -> None:
    text = FORM.replace('name = "slip"', 'name = "slip"\nblank = "blank.tiff"', 1)
    (tmp_path / "form.toml").write_text(text)
    (tmp_path / "scans").mkdir()
    for k in range(2):
        cv2.imwrite(str(tmp_path / "scans" / f"{k}.png"), np.full((600, 800), 220, np.uint8))
    cv2.imwritemulti(str(tmp_path / "blank.tiff"), [np.full((320, 420), 240, np.uint8)] * 2)
    output = read(tmp_path, "--out", str(tmp_path / "table.csv"), "--workers", "1")
    assert output.count('registration = "marks", but the blank form lacks black squares') == 1
    assert f"tenfold: {tmp_path / 'form.toml'}: registration" in output


def test_a_fault_on_every_document_is_asked_about_once(tmp_path: Path) -> None:
    head, _, page, *fields = FORM.split("\n[[")
    text = "\n[[".join([head, page, *fields[:4]])  # those of page 1
    text = text.replace("unique = true\n", "").replace("max = 50", "max = 5", 1)
    (tmp_path / "form.toml").write_text(text)
    template = load_template(tmp_path / "form.toml")
    (tmp_path / "scans").mkdir()
    picture = scanned(write_values(draw_page(template), template, 1, WRITTEN[0]), margin=20)
    for k in range(10):
        cv2.imwrite(str(tmp_path / "scans" / f"{k}.png"), picture)
    command = ["forms", "read", str(tmp_path / "form.toml"), str(tmp_path / "scans"), "--json"]
    table = tmp_path / "table.csv"
    done = CliRunner().invoke(app, [*command, "--out", str(table), "--workers", "1"])
    assert done.exit_code == 0
    (line,) = (line for line in done.stderr.splitlines() if QUESTION in line)
    assert f"form.toml: {QUESTION} Field 'a' breaks the rule 'range' on 10 of 10 doc" in line
    assert QUESTION not in done.stdout + table.read_text()
    assert len(done.stdout.splitlines()) == 10


def test_json_has_what_the_table_has_and_what_people_entered(folder: Path) -> None:
    table = folder / "json.csv"
    read(folder, "--out", str(table), "--workers", "1")
    before = rows_of(table)[1]
    assert [before[f"{name}.review"] for name in ("a", "b", "sum")] == ["true"] * 3
    review = {"document": before["document"], "field": "sum", "value": "48"}
    review |= {"who": "Ann", "when": "2026-01-01T00:00:00Z"}
    (folder / "json.csv.review/reviews.jsonl").write_text(json.dumps(review) + "\n")
    output = read(folder, "--out", str(table), "--workers", "1", "--json", stdout=True)
    documents = [json.loads(line) for line in output.splitlines()]
    rows = rows_of(table)
    assert [d["document"] for d in documents] == [row["document"] for row in rows]
    assert [len(d["fields"]) for d in documents] == [6, 6, 0]
    assert [bool(d["problems"]) for d in documents] == [False, False, True]
    assert documents[1]["fields"]["sum"] == {
        "value": "48",
        "probability": 1.0,
        "rules": "",
        "review": False,
    }
    assert [documents[1]["fields"][name]["review"] for name in ("a", "b")] == [False, False]
    for document, row in zip(documents[:2], rows, strict=False):
        assert len(document["files"]) == 2
        for name, field in document["fields"].items():
            assert field["value"] == row[name]
            assert field["probability"] == float(row[f"{name}.probability"])
            assert field["rules"] == row[f"{name}.rules"]


def test_the_same_command_reads_nothing_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = folder / "again.csv"
    read(folder, "--out", str(table), "--workers", "1")
    before, lines = table.read_bytes(), (folder / "again.csv.review/pages.jsonl").read_bytes()
    table.unlink()
    monkeypatch.setattr("tenfold.forms.registration.Registrar.register", None)
    read(folder, "--out", str(table), "--workers", "1")
    assert table.read_bytes() == before
    assert (folder / "again.csv.review/pages.jsonl").read_bytes() == lines
