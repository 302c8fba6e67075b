"""The review's HTTP API: who may call, what is refused, what is stored."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_review import write_review
from starlette.testclient import TestClient

from tenfold.errors import WriteError
from tenfold.forms.review import ReviewSession
from tenfold.serving.forms_review import create_review_app

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def session(tmp_path: Path) -> ReviewSession:
    write_review(tmp_path)
    return ReviewSession(tmp_path)


@pytest.fixture
def client(session: ReviewSession) -> TestClient:
    return TestClient(create_review_app(session, lambda: "table.csv"), base_url=ADDRESS)


def entry(**changes: Any) -> dict[str, Any]:
    return {"who": "Ann", "document": "scan-0.png", "field": "total", "value": "44"} | changes


def test_a_field_is_handed_out_reviewed_and_taken_back(
    client: TestClient, session: ReviewSession
) -> None:
    [field] = client.post("/api/fields", json={"who": "Ann"}).json()["fields"]
    assert (field["document"], field["field"], field["value"]) == ("scan-0.png", "total", "40")
    assert field["alternatives"] == ["10", "90"]
    answer = client.post("/api/reviews", json=entry()).json()
    assert answer["before"] is None
    assert answer["progress"]["reviewed"] == 1
    assert answer["progress"]["text"] == "Of 24 fields 1 of 18 doubtful ones are reviewed."
    assert session.log.value(("scan-0.png", "total")) == "44"
    answer = client.post("/api/reviews", json=entry(who="Bob", value="45")).json()
    assert answer["before"] == {"who": "Ann", "value": "44"}
    assert client.post("/api/undo", json={"who": "Ann"}).json()["field"] is None
    assert client.post("/api/undo", json={"who": "Bob"}).json()["field"]["field"] == "total"
    assert client.post("/api/table", json={"who": "Bob"}).json()["table"] == "table.csv"


def test_a_value_that_breaks_a_rule_is_said(client: TestClient, session: ReviewSession) -> None:
    assert client.post("/api/reviews", json=entry()).json()["broken"] == ""  # no template
    total = {"name": "total", "box": [1, 1, 9, 9], "kind": "number", "decimals": 1, "max": 50}
    template = {"name": "form", "fields": [total]}
    (session.folder / "template.json").write_text(json.dumps(template))
    app = create_review_app(ReviewSession(session.folder), lambda: "table.csv")
    again = TestClient(app, base_url=ADDRESS)
    for value, broken in (("44,5", ""), ("44", "decimals"), ("50.1", "range")):
        assert again.post("/api/reviews", json=entry(value=value)).json()["broken"] == broken


def test_crops_are_those_of_fields(client: TestClient, session: ReviewSession) -> None:
    good = client.get("/api/crop", params={"document": "scan-0.png", "field": "total"})
    assert good.headers["content-type"] == "image/png"
    shown = cv2.imdecode(np.frombuffer(good.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    page = cv2.imread(str(session.folder / "crops" / "0.png"), cv2.IMREAD_GRAYSCALE)
    assert shown is not None
    assert page is not None
    np.testing.assert_array_equal(shown, page[30:90, 10:210])
    for name in ("age", "../fields.jsonl", "unknown"):  # an age has no crop
        answer = client.get("/api/crop", params={"document": "scan-0.png", "field": name})
        assert answer.status_code == 404


@pytest.mark.parametrize("picture", [None, b"", b"\x89PNG no picture", "smaller"])
def test_a_damaged_picture_is_no_picture(
    client: TestClient, session: ReviewSession, picture: bytes | str | None
) -> None:
    path = session.folder / "crops" / "0.png"
    path.unlink()
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    elif picture:
        cv2.imwrite(str(path), np.zeros((50, 50), np.uint8))
    answer = client.get("/api/crop", params={"document": "scan-0.png", "field": "total"})
    assert answer.status_code == 404
    assert "0.png" in answer.text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"value": "12<script>"}, 422),
        ({"value": "1" * 101}, 422),
        ({"who": ""}, 422),
        ({"who": "a\nb"}, 422),
        ({"more": 1}, 422),
        ({"field": "unknown"}, 404),
        ({"document": "x" * 20_000}, 413),
        ({"value": ""}, 200),
        ({"value": "-1.5"}, 200),
        ({"field": "late", "value": "false"}, 200),
    ],
)
def test_what_is_no_review_is_refused(
    changes: dict[str, Any], status: int, client: TestClient, session: ReviewSession
) -> None:
    answer = client.post("/api/reviews", json=entry(**changes))
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)
    assert len(session.log.latest) == (status == 200)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{", 400, "body is not JSON: "),
        ("[]", 422, "body: Input should be "),
        ('{"who": "Ann", "count": 9}', 422, "count: Input should be less than or equal to 8"),
    ],
)
def test_what_is_wrong_with_a_body_is_one_line(
    body: str, status: int, error: str, client: TestClient
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/fields", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(error)


def test_pages_of_other_sites_may_not_call(client: TestClient, session: ReviewSession) -> None:
    foreign = client.post("/api/reviews", json=entry(), headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    other_name = client.post("/api/reviews", json=entry(), headers={"Host": "evil.example"})
    assert other_name.status_code == 421
    # A form of another page can send text without being asked, but no JSON.
    text = client.post(
        "/api/reviews", content='{"who": "Ann"}', headers={"Content-Type": "text/plain"}
    )
    assert text.status_code == 415
    own = client.post("/api/reviews", json=entry(), headers={"Origin": ADDRESS})
    assert own.status_code == 200
    assert len(session.log.latest) == 1


def test_a_full_disk_is_told(session: ReviewSession) -> None:
    def write_table() -> str:
        raise WriteError("table.csv: cannot be written (No space left on device); make room")

    client = TestClient(create_review_app(session, write_table), base_url=ADDRESS)
    answer = client.post("/api/table", json={"who": "Ann"})
    assert answer.status_code == 507
    assert "make room" in answer.json()["error"]


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    for name in ("", "main.js", "entry.js", "api.js", "review.css", "style.css", "icon.svg"):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
