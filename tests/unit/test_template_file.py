"""`form.toml` as `tenfold forms new` writes it."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import TemplateError
from tenfold.forms.blank import BlankPage
from tenfold.forms.template_file import TemplateFile, template_toml
from tenfold.forms.template_parsing import load_template, template_faults

PAGES = [BlankPage(b"", 148.0, 210.0)]
FIELD = {"name": "total", "page": 1, "box": [20.5, 30, 40, 8], "kind": "digits", "length": 4}


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "mark-sheet_2.pdf"
    path.write_bytes(b"%PDF-")
    return path


def with_fields(file: TemplateFile, *fields: dict[str, Any]) -> dict[str, Any]:
    return file.document | {"fields": list(fields)}


def test_a_new_template_can_be_loaded(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "templates" / "form.toml"
    path.parent.mkdir()
    file = TemplateFile(path, blank, PAGES, edit=False)
    assert not file.is_written
    file.write(with_fields(file, FIELD, FIELD | {"name": "sum", "sum_of": ["total"]}))
    template = load_template(path)
    assert (template.name, template.registration) == ("mark sheet 2", "blank")
    assert template.blank is not None
    assert template.blank.samefile(blank)
    assert (template.pages[0].width_mm, template.pages[0].height_mm) == (148.0, 210.0)
    assert [field.name for field in template.fields] == ["total", "sum"]
    assert "\nbox = [20.5, 30.0, 40.0, 8.0]\n" in path.read_text()


def test_nothing_is_written_over_a_file_that_is_there(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "form.toml"
    file = TemplateFile(path, blank, PAGES, edit=False)
    path.write_text("somebody else's")
    with pytest.raises(TemplateError, match=r"form\.toml: is there already; change it with --edit"):
        file.write(with_fields(file, FIELD))
    with pytest.raises(TemplateError, match="is there already"):
        TemplateFile(path, blank, PAGES, edit=False)
    assert path.read_text() == "somebody else's"


def test_a_file_is_changed_as_long_as_nobody_else_does(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "form.toml"
    file = TemplateFile(path, blank, PAGES, edit=False)
    file.write(with_fields(file, FIELD))
    file.write(with_fields(file, FIELD | {"name": "again"}))
    opened = TemplateFile(path, blank, PAGES, edit=True)
    assert opened.is_written
    assert opened.document["fields"] == [FIELD | {"name": "again"}]
    opened.write(opened.document | {"min_probability": 0.9})
    assert load_template(path).min_probability == 0.9
    with pytest.raises(TemplateError, match="was changed by somebody else"):
        file.write(with_fields(file, FIELD))


@pytest.mark.parametrize("has_gone", [False, True])
def test_another_blank_form_takes_the_place_of_the_former(
    tmp_path: Path, blank: Path, *, has_gone: bool
) -> None:
    path = tmp_path / "templates" / "form.toml"
    path.parent.mkdir()
    file = TemplateFile(path, blank, PAGES, edit=False)
    file.write(with_fields(file, FIELD))
    other = tmp_path / "second edition.pdf"
    other.write_bytes(blank.read_bytes())
    if has_gone:
        blank.unlink()
    else:
        link = tmp_path / "link.pdf"
        link.symlink_to(blank)
        same = TemplateFile(path, link, PAGES, edit=True)
        assert (same.document["blank"], same.former_blank) == ("../mark-sheet_2.pdf", None)
    opened = TemplateFile(path, other, PAGES, edit=True)
    assert opened.former_blank == Path("../mark-sheet_2.pdf")
    opened.write(opened.document)
    assert load_template(path).blank == path.parent / "../second edition.pdf"


def test_a_template_without_a_blank_form_stays_without(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "form.toml"
    file = TemplateFile(path, blank, PAGES, edit=False)
    document = with_fields(file, FIELD) | {"registration": "marks"}
    del document["blank"]
    file.write(document)
    opened = TemplateFile(path, blank, PAGES, edit=True)
    assert ("blank" in opened.document, opened.former_blank) == (False, None)


def test_what_is_wrong_is_not_written(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "form.toml"
    file = TemplateFile(path, blank, PAGES, edit=False)
    with pytest.raises(TemplateError, match=r"fields\.0\.box: it reaches beyond page 1"):
        file.write(with_fields(file, FIELD | {"box": [140, 0, 40, 8]}))
    many = [FIELD | {"name": f"f{k}", "values": ["1234"] * 100} for k in range(100)]
    with pytest.raises(TemplateError, match="bytes, above the limit"):
        file.write(with_fields(file, *many))
    assert not path.exists()


def test_a_file_to_edit_must_be_a_template_of_the_blank_form(tmp_path: Path, blank: Path) -> None:
    path = tmp_path / "form.toml"
    with pytest.raises(TemplateError, match="leave --edit out"):
        TemplateFile(path, blank, PAGES, edit=True)
    path.write_text('name = "a"\n')
    with pytest.raises(TemplateError, match=r"form\.toml: fields: required"):
        TemplateFile(path, blank, PAGES, edit=True)
    file = TemplateFile(tmp_path / "new.toml", blank, PAGES, edit=False)
    file.write(with_fields(file, FIELD))
    with pytest.raises(TemplateError, match=r"has 2 pages; \S+new\.toml has 1"):
        TemplateFile(tmp_path / "new.toml", blank, PAGES * 2, edit=True)


def test_every_fault_of_a_field_has_its_place() -> None:
    box = [0, 0, 0, 8]
    document = {"name": "a", "fields": [FIELD | {"box": box, "length": 0}, FIELD | {"rows": 2}]}
    places = [place for place, _ in template_faults(document)]
    assert places == [("fields", 0, "box", 2), ("fields", 0, "length"), ("fields", 1, "rows")]
    document["fields"] = [FIELD, FIELD]
    assert template_faults(document) == [(("fields", 1, "name"), "'total' is there twice")]
    assert template_faults(document | {"fields": [FIELD]}) == []


def test_many_faults_take_no_time() -> None:
    begun = time.process_time()
    faults = template_faults({"name": "form", "fields": [1] * 9_000})
    assert [place for place, _ in faults] == [("fields", k) for k in range(9_000)]
    assert template_faults({"name": "form", "fields": [1] * 20_000}) == [((), "20,001 faults")]
    assert time.process_time() - begun < 5


@given(st.lists(st.text(max_size=120), max_size=12), st.text(max_size=20))
def test_the_toml_says_what_the_document_says(values: list[str], name: str) -> None:
    document = {"name": name, "pages": [{"width_mm": 1.0}], "fields": [FIELD | {"values": values}]}
    assert tomllib.loads(template_toml(document)) == document
