"""POST /v1/read: the reader's page, or one line that says why there is none."""

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from clear_digits import clear_digit
from picture_requests import JSON, LINE, PNG, SMALL, encoded, page, results, send, text
from PIL import Image
from starlette.testclient import TestClient

from tenfold.reading.constraints import Constraints
from tenfold.reading.page import Page
from tenfold.reading.reader import Reader
from tenfold.serving import requests
from tenfold.serving.app import Settings, create_app
from tenfold.serving.query import parse_query
from tenfold.serving.queue import WorkQueue
from tenfold.serving.read import is_small

STROKES = [[(5.0, 5.0), (35.0, 5.0), (15.0, 60.0)]]
OCTETS = "application/octet-stream"


def same(result: dict[str, Any], expected: Page, file: str | None = None) -> None:
    """Compare a result of the service with the reader's page."""
    assert (result["file"], result["error"]) == (file, None)
    assert result.keys() == {"file", "page", "rows", "columns", "numbers", "error"}
    for fields, number in zip(result["numbers"], expected.numbers, strict=True):
        assert fields["text"] == number.text
        assert fields["probability"] == pytest.approx(number.probability, abs=1e-4)
        assert (fields["accepted"], fields["reason"]) == (number.accepted, number.reason)
        assert (fields["row"], fields["column"]) == (number.row, number.column)
        assert fields["box"] == list(number.box)
        for digit_fields, digit in zip(fields["digits"], number.digits, strict=True):
            assert digit_fields == {
                "digit": digit.digit,
                "probability": pytest.approx(digit.probability, abs=1e-4),
                "box": list(digit.box),
                "runner_up": digit.runner_up,
            }


# Pictures and strokes that can be read


@pytest.mark.parametrize("query", ["", "?layout=numbers", "?single", "?single=true", "?grid=0"])
@pytest.mark.parametrize("body", [SMALL, LINE], ids=["small", "large"])
def test_a_raw_picture_is_read_as_the_reader_does(
    client: TestClient, reader: Reader, body: bytes, query: str
) -> None:
    expected = reader.read(body, "single" if "single" in query else "numbers")
    assert expected.numbers
    same(page(send(client, body, query=query)), expected)


@pytest.mark.parametrize("query", ["", "?single", "?explain", "?single&explain"])
def test_the_event_loop_and_the_rest_give_the_same_result(client: TestClient, query: str) -> None:
    bitmap = encoded(np.asarray(Image.open(io.BytesIO(SMALL))), "BMP")
    assert requests.is_small_png(SMALL)
    assert not requests.is_small_png(bitmap)
    assert page(send(client, SMALL, query=query)) == page(send(client, bitmap, OCTETS, query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", True),
        (b"single", True),
        (b"explain", True),
        (b"grid", False),
        (b"table", False),
        (b"check=luhn", False),
    ],
)
def test_what_may_take_long_with_a_small_picture_is_not_read_on_the_event_loop(
    query: bytes, expected: object
) -> None:
    assert is_small(parse_query(query), SMALL) is expected
    assert not is_small(parse_query(query), LINE)


def test_every_body_type_gives_the_same_result(client: TestClient) -> None:
    raw = page(send(client, LINE))
    assert raw["numbers"]
    assert page(client.post("/v1/read", json={"image": text(LINE)})) == raw
    assert page(client.post("/v1/read", json={"images": [text(LINE)]})) == raw
    form = client.post("/v1/read", files={"file": ("../n.png", LINE)})
    assert page(form) == raw | {"file": "../n.png"}


def test_a_batch_has_a_result_for_each_picture(client: TestClient) -> None:
    one, other = page(send(client, LINE)), page(send(client, SMALL))
    many = client.post("/v1/read/batch", json={"images": [text(LINE), text(SMALL)]})
    assert results(many) == [one, other]
    files = [("file", ("a", LINE)), ("file", ("b", SMALL))]
    form = client.post("/v1/read/batch", files=files)
    assert results(form) == [one | {"file": "a"}, other | {"file": "b"}]
    for body in (LINE, SMALL):
        alone = send(client, body, path="/v1/read/batch")
        assert results(alone) == [page(send(client, body))]


def test_several_pictures_are_sent_to_the_batch_only(client: TestClient) -> None:
    files = [("file", ("a", LINE)), ("file", ("b", SMALL))]
    for response in (
        client.post("/v1/read", json={"images": [text(LINE), text(SMALL)]}),
        client.post("/v1/read", files=files),
    ):
        assert response.status_code == 422
        assert response.json() == {"error": "2 pictures; send several to /v1/read/batch"}


@pytest.mark.parametrize("query", ["", "?layout=numbers", "?single"])
def test_strokes_are_one_digit_by_default(client: TestClient, reader: Reader, query: str) -> None:
    result = page(client.post(f"/v1/read{query}", json={"strokes": STROKES}))
    same(result, reader.read_strokes(STROKES, "numbers" if "numbers" in query else "single"))
    assert result["numbers"][0]["text"] == "7"


def test_strokes_are_page_1(client: TestClient) -> None:
    assert page(client.post("/v1/read?page=1", json={"strokes": STROKES}))["numbers"]
    response = client.post("/v1/read?page=5", json={"strokes": STROKES})
    assert (response.status_code, response.json()) == (422, {"error": "page=5: the file has 1"})


def test_a_grid_has_rows_and_columns(client: TestClient, reader: Reader) -> None:
    sheet = np.full((300, 300), 255, np.uint8)
    for at in range(10, 300, 70):
        sheet[at - 2 : at + 2, 8:292] = sheet[8:292, at - 2 : at + 2] = 0
    digit = clear_digit(4, 30)
    for row, column in ((1, 1), (3, 2)):
        top, left = 16 + 70 * row, 20 + 70 * column
        sheet[top : top + digit.shape[0], left : left + digit.shape[1]] = 255 - digit * 255
    result = page(send(client, encoded(sheet), query="?grid"))
    same(result, reader.read(sheet, "grid"))
    assert (result["rows"], result["columns"]) == (4, 4)
    assert "corners" not in result
    explained = page(send(client, encoded(sheet), query="?grid&explain"))
    crossings = np.stack(np.meshgrid(range(10, 300, 70), range(10, 300, 70)), axis=-1)
    np.testing.assert_allclose(explained["corners"], crossings, atol=5)
    found = {(one["row"], one["column"]): one["digits"][0]["digit"] for one in result["numbers"]}
    assert found == {(1, 1): 4, (3, 2): 4}


@pytest.mark.parametrize("query", ["", "&single"])
@pytest.mark.parametrize("body", [SMALL, LINE], ids=["small", "large"])
def test_explain_adds_what_the_network_saw(
    client: TestClient, reader: Reader, body: bytes, query: str
) -> None:
    result = page(send(client, body, query="?explain" + query))
    expected = reader.read(body, "single" if query else "numbers")
    for fields, number in zip(result["numbers"], expected.numbers, strict=True):
        for digit_fields, digit in zip(fields["digits"], number.digits, strict=True):
            image = Image.open(io.BytesIO(base64.b64decode(digit_fields.pop("image"))))
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), digit.pixels)
            probabilities = digit_fields.pop("probabilities")
            np.testing.assert_allclose(probabilities, digit.probabilities, atol=1e-4)
    same(result, expected)


@pytest.mark.parametrize(
    ("query", "constraints"),
    [
        ("?length=99", Constraints(length=99)),
        ("?length=99&digits_only", Constraints(length=99, digits_only=True)),
        ("?check=luhn", Constraints(check="luhn")),
    ],
)
def test_what_a_number_may_be_is_passed_on(
    client: TestClient, reader: Reader, query: str, constraints: Constraints
) -> None:
    free, expected = page(send(client, LINE)), reader.read(LINE, constraints=constraints)
    constrained = page(send(client, LINE, query=query))
    same(constrained, expected)
    assert constrained != free
    if constraints.length:
        assert {number["reason"] for number in constrained["numbers"]} == {"does not fit"}


def test_of_several_pictures_each_has_its_own_error(client: TestClient) -> None:
    given = {"images": [text(LINE), text(b"<svg/>"), text(SMALL)]}
    found = results(client.post("/v1/read/batch", json=given))
    assert [one["error"] and one["error"][:22] for one in found] == [
        None,
        "not a readable picture",
        None,
    ]
    assert [bool(one["numbers"]) for one in found] == [True, False, True]
    (alone,) = results(client.post("/v1/read/batch", json={"images": [text(b"?")]}))
    assert alone["error"]
    (small,) = results(send(client, SMALL[:60], path="/v1/read/batch"))
    assert small == alone


@pytest.mark.parametrize("query", ["", "?single"])
def test_a_blank_picture_has_no_numbers(client: TestClient, query: str) -> None:
    for side in (28, 300):
        blank = encoded(np.zeros((side, side), np.uint8))
        assert page(send(client, blank, query=query)) == {
            "file": None,
            "page": 1,
            "rows": None,
            "columns": None,
            "numbers": [],
            "error": None,
        }


# Requests that cannot be served now, and bugs


@pytest.mark.parametrize("body", [SMALL, LINE, json.dumps({"strokes": STROKES}).encode()])
def test_a_full_queue_answers_when_to_retry(body: bytes) -> None:
    full = TestClient(create_app(Settings(), WorkQueue(small=0, large=0)))
    response = send(full, body, JSON if body.startswith(b"{") else PNG)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "try again" in response.json()["error"]
    assert full.get("/readyz").status_code == 200


@pytest.mark.parametrize("body", [SMALL, LINE])
@pytest.mark.parametrize("path", ["/v1/read", "/v1/read/batch"])
def test_a_bug_is_answered_by_an_identifier_that_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, body: bytes, path: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr(Reader, "read", broken)
    monkeypatch.setattr("tenfold.serving.read.crop_digit", broken)
    client = TestClient(create_app(Settings()), raise_server_exceptions=False)
    response = client.post(path, content=body, headers={"Content-Type": PNG})
    assert response.status_code == 500
    number = re.fullmatch(r'\{"error":"internal error ([0-9a-f]{12})"\}', response.text)
    assert number
    (record,) = [r for r in caplog.records if r.name == "tenfold.serving"]
    assert number[1] in record.getMessage()
    assert "/a/secret/path" in (record.exc_text or "")
    assert "500" in client.get("/metrics").text


def test_a_bug_of_another_endpoint_shows_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr("tenfold.serving.app.generate_latest", broken)
    client = TestClient(create_app(Settings()), raise_server_exceptions=False)
    response = client.get("/metrics")
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert [r.name for r in caplog.records].count("tenfold.serving") == 1
