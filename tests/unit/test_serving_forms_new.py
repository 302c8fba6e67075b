"""What the page of `tenfold forms new` asks the server for."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from tenfold.cli import app
from tenfold.forms.blank import read_blank
from tenfold.forms.template_file import TemplateFile
from tenfold.forms.template_parsing import load_template

FIELD = {"name": "total", "page": 1, "box": [20.5, 30, 40, 8], "kind": "digits", "length": 4}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "form.toml"


@pytest.fixture
def client(out: Path) -> Iterator[Any]:
    from starlette.testclient import TestClient

    from tenfold.serving.forms_new import create_template_app

    blank = out.with_name("blank.png")
    Image.new("L", (210, 297), 255).save(blank)
    pages = read_blank(blank)
    file = TemplateFile(out, blank, pages, edit=False)
    app = create_template_app(file, pages)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


def document(client: Any, *fields: dict[str, Any]) -> dict[str, Any]:
    begun: dict[str, Any] = client.get("/api/template").json()["document"]
    return begun | {"fields": list(fields)}


def test_the_page_and_what_it_shows(client: Any) -> None:
    page = client.get("/")
    assert "<title>tenfold: a form's fields</title>" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("main.js", "template.js", "new.css", "style.css", "icon.svg"):
        assert client.get(f"/{name}").status_code == 200
    with Image.open(io.BytesIO(client.get("/api/pages/1").content)) as picture:
        assert picture.size == (210, 297)
    assert client.get("/api/pages/2").status_code == 404
    loaded = client.get("/api/template").json()
    assert (loaded["file"], loaded["is_written"]) == ("form.toml", False)
    assert loaded["keys_of_kind"]["mark"] == []
    assert "luhn" in loaded["checks"]


def test_a_template_is_checked_and_written(client: Any, out: Path) -> None:
    wrong = document(client, FIELD | {"length": 0})
    faults = client.post("/api/check", json=wrong).json()["faults"]
    assert faults[0][0] == ["fields", 0, "length"]
    response = client.post("/api/template", json=wrong)
    assert (response.status_code, response.json()["faults"]) == (422, faults)
    assert not out.exists()
    right = document(client, FIELD)
    assert client.post("/api/check", json=right).json() == {"faults": []}
    assert client.post("/api/template", json=right).json() == {
        "written": str(out),
        "advice": "",
    }
    assert load_template(out).fields[0].length == 4
    out.write_text("changed")
    response = client.post("/api/template", json=right)
    assert response.status_code == 409
    assert "was changed by somebody else" in response.json()["error"]


def test_marks_that_are_not_printed_are_missed_on_saving(client: Any, out: Path) -> None:
    with_marks = document(client, FIELD) | {"registration": "marks"}
    advice = client.post("/api/template", json=with_marks).json()["advice"]
    assert "page 1 top left, top right, bottom right, bottom left; use registration" in advice
    assert load_template(out).registration == "marks"


def test_the_command_says_that_it_takes_another_blank_form(
    client: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.post("/api/template", json=document(client, FIELD)).status_code == 200
    other = out.with_name("other.png")
    Image.new("L", (210, 297), 255).save(other)
    monkeypatch.setattr("tenfold.serving.server.serve_app", lambda *_: None)
    lines = []
    for blank in (out.with_name("blank.png"), other):
        command = ["forms", "new", str(blank), "--out", str(out), "--edit"]
        lines.append(CliRunner().invoke(app, command, catch_exceptions=False).stderr)
    assert lines[0] == ""
    assert lines[1].count("\n") == 1
    assert f"Save makes {other} its blank form, in place of blank.png" in lines[1]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{}", {"Content-Type": "text/plain"}, 415),
        ("{", {}, 400),
        ("[]", {}, 400),
        ('{"name": NaN}', {}, 400),
        ("[" * 100_000, {}, 400),
        ("x" * (2**20 + 1), {}, 413),
        ("{}", {"Host": "elsewhere.example"}, 421),
        ("{}", {"Origin": "https://elsewhere.example"}, 403),
    ],
)
def test_hostile_requests(
    body: str, headers: dict[str, str], status: int, client: Any, out: Path
) -> None:
    headers = {"Content-Type": "application/json"} | headers
    for path in ("/api/check", "/api/template"):
        assert client.post(path, content=body, headers=headers).status_code == status
    assert not out.exists()


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"name": "a" * 10_000},
        FIELD | {"box": [0, 0, 1e999, 1]},
        FIELD | {"min": 10**400},
        FIELD | {"pattern": "(" * 1000},
        FIELD | {"values": [{}] * 1000},
    ],
)
def test_hostile_fields_are_faults(field: dict[str, Any], client: Any) -> None:
    body = json.dumps(document(client, field)).replace("Infinity", "1e999")
    headers = {"Content-Type": "application/json"}
    response = client.post("/api/check", content=body, headers=headers)
    assert response.status_code == 200
    assert response.json()["faults"]
