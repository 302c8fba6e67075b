"""A form's template: what is read from TOML, and that a fault is one line with file and line."""

from pathlib import Path

import cv2
import pytest

from tenfold.errors import TemplateError
from tenfold.forms.corners import MARKERS_PER_PAGE
from tenfold.forms.template_parsing import load_template

SHEET = """\
name = "mark sheet"

[[pages]]
width_mm = 210.0

[[fields]]
name = "student"
box = [20.0, 40.0, 64.0, 8.0]
kind = "digits"
length = 8
check = "verhoeff"

[[fields]]
name = "oral"
box = [20.0, 60, 30.0, 8.0]
kind = "number"
max = 20

[[fields]]
name = "marks"
box = [20.0, 80, 60.0, 20.0]
kind = "grid"
rows = 2
columns = 3

[[fields]]
name = "total"
box = [20.0, 120, 30.0, 8.0]
kind = "number"
sum_of = ["oral", "marks[1,1]"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "form.toml"
    path.write_text(text)
    return path


def test_a_grid_is_one_value_a_cell(tmp_path: Path) -> None:
    template = load_template(written(tmp_path, SHEET))
    names = [cell.name for cell in template.cells]
    grid = [f"marks[{row},{column}]" for row in (1, 2) for column in (1, 2, 3)]
    assert names == ["student", "oral", *grid, "total"]
    (cell,) = template.cells_of("marks[2,3]")
    assert cell.box == (60, 90, 20, 10)
    assert [c.name for c in template.cells_of("marks")] == grid


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("length = 8", 'length = "8"', ":10: fields.0.length: "),
        ("length = 8", "", ":6: fields.0.length: required of the kind digits"),
        ("max = 20", "mx = 20", ":17: fields.1.mx: unknown key; did you mean max?"),
        ("max = 20", "length = 2", ":17: fields.1.length: does not go with the kind number"),
        ("max = 20", "max = nan", ":17: fields.1.max: "),
        ("max = 20", "max = 2\nmin = 3", ":18: fields.1.min: 3 is above max, 2"),
        ("max = 20", "page = 2", ":17: fields.1.page: there are 1 "),
        ('"oral"', '"Student"', ":14: fields.1.name: 'Student' is there twice"),
        ('"oral"', '"pages"', ":14: fields.1.name: 'pages' is a column of the table"),
        ('"oral"', '"a.rules"', ":14: fields.1.name: a name begins with a letter, a digit or _"),
        ('"oral"', '""', ":14: fields.1.name: the field has no name"),
        ('"oral"', f'"{"a" * 61}"', ":14: fields.1.name: String should have at most 60"),
        ("[20.0, 80,", "[180.0, 80,", ":21: fields.2.box: it reaches beyond page 1, 210 x 297 mm"),
        ("[20.0, 80,", "[-1, 80,", ":21: fields.2.box.0: "),
        ("60, 30.0, 8.0]", "60, 30.0, 1e-6]", ":15: fields.1.box.3: "),
        ("60.0, 20.0]", "60.0, 1.5]", ":21: fields.2.box: its cells are 20 x 0.75 mm; at"),
        ("width_mm = 210.0", "width_mm = 1e-6", ":4: pages.0.width_mm: "),
        ("marks[1,1]", "marks[3,1]", ":30: fields.3.sum_of: there is no field 'marks[3,1]'"),
        ('["oral",', '["total",', ":30: fields.3.sum_of: a field is no part of its own sum"),
        ('check = "verhoeff"', 'check = "isbn"', ":11: fields.0.check: "),
        ('check = "verhoeff"', 'pattern = "("', ":11: fields.0.pattern: "),
        (
            'check = "verhoeff"',
            'values = ["12"]',
            ":11: fields.0.values: '12' does not have 8 digits",
        ),
        ('check = "verhoeff"', 'values = [""]', ":11: fields.0.values: '' does not have 8 digits"),
        ('kind = "number"\nmax = 20', 'kind = "date"\nformat = "DD.YY"', ":17: fields.1.format: "),
        (
            'kind = "number"\nmax = 20',
            'kind = "number"\ndecimals = 1\nvalues = ["0.5", "5"]',
            ":18: fields.1.values: '5' does not fit decimals and sign",
        ),
        (
            'kind = "number"\nmax = 20',
            'kind = "date"\nvalues = ["1.2.2026"]',
            ":17: fields.1.values: '1.2.2026' is no date written as DD.MM.YYYY",
        ),
        (
            'kind = "number"\nmax = 20',
            'kind = "date"\nmax = 2026\nformat = "DD.MM.YY"',
            ":18: fields.1.format: a year with min or max needs four digits, YYYY",
        ),
        ('name = "mark sheet"', 'name = "m"\nregistration = "blank"', ": blank: required with"),
        ('name = "mark sheet"', 'name = "m"\nblank = "no.pdf"', ":2: blank: there is no file"),
        ("[[pages]]", "[[pages]", ": not valid TOML"),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, old: str, new: str, fault: str) -> None:
    path = written(tmp_path, SHEET.replace(old, new, 1))
    with pytest.raises(TemplateError) as caught:
        load_template(path)
    message = str(caught.value)
    assert message.startswith(f"{path}{fault}")
    assert "\n" not in message


def with_pages(registration: str, count: int) -> str:
    head = f'name = "m"\nregistration = "{registration}"\n\n' + "[[pages]]\n" * (count - 1)
    return SHEET.replace('name = "mark sheet"\n', head, 1)


def test_a_form_has_no_more_pages_than_markers(tmp_path: Path) -> None:
    markers = len(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50).bytesList)
    most = markers // MARKERS_PER_PAGE
    for registration, count in (("aruco", most), ("marks", most + 1)):
        template = load_template(written(tmp_path, with_pages(registration, count)))
        assert len(template.pages) == count
    path = written(tmp_path, with_pages("aruco", most + 1))
    fault = f':2: registration: "aruco" has markers for {most} pages; take "marks" or "blank"'
    with pytest.raises(TemplateError, match=f"^{path}{fault}"):
        load_template(path)
