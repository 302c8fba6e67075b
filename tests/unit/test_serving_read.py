"""POST /v1/read: the reader's readings, or one line that says why there are none."""

import base64
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from clear_digits import clear_digit
from picture_requests import JSON, LINE, PNG, SMALL, encoded, send
from PIL import Image
from starlette.testclient import TestClient

from tenfold.reading.reader import Reader
from tenfold.serving import bodies, requests, responses
from tenfold.serving.app import Settings, create_app
from tenfold.serving.queue import WorkQueue

STROKES = [[(5.0, 5.0), (35.0, 5.0), (15.0, 60.0)]]
OCTETS = "application/octet-stream"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    assert content["model"] == "field"
    found: list[dict[str, Any]] = content["results"]
    return found


def same(result: dict[str, Any], readings: list[Any]) -> None:
    """Compare a result of the service with the reader's readings."""
    assert result["error"] is None
    assert len(result["readings"]) == len(readings)
    for index, (digit, reading) in enumerate(zip(result["readings"], readings, strict=True)):
        assert digit["index"] == index
        assert digit["box"] == (reading.box and list(reading.box))
        assert (digit["digit"], digit["reason"]) == (reading.digit, reading.reason)
        assert digit["rejected"] == (reading.reason is not None)
        assert digit["runner_up"] == reading.runner_up
        assert digit["probability"] == pytest.approx(reading.probability, abs=1e-4)
        np.testing.assert_allclose(digit["probabilities"], reading.probabilities, atol=1e-4)
        np.testing.assert_allclose(digit["members"], reading.members, atol=1e-4)
        assert digit.get("row") == reading.row


# Pictures and strokes that can be read


@pytest.mark.parametrize("query", ["", "?layout=line", "?single", "?single=true", "?grid=0"])
@pytest.mark.parametrize("body", [SMALL, LINE], ids=["small", "large"])
def test_a_raw_picture_is_read_as_the_reader_does(
    client: TestClient, reader: Reader, body: bytes, query: str
) -> None:
    (result,) = results(send(client, body, query=query))
    assert result["name"] is None
    same(result, reader.read(body, "single" if "single" in query else "line"))


def test_the_event_loop_and_the_rest_give_the_same_result(client: TestClient) -> None:
    bitmap = encoded(np.asarray(Image.open(io.BytesIO(SMALL))), "BMP")
    assert requests.is_small_png(SMALL)
    assert not requests.is_small_png(bitmap)
    for query in ("", "?single&explain"):
        assert results(send(client, SMALL, query=query)) == results(
            send(client, bitmap, OCTETS, query)
        )


def test_every_body_type_gives_the_same_result(client: TestClient) -> None:
    (raw,) = results(send(client, LINE))
    assert [digit["digit"] for digit in raw["readings"]] == [3, 8, 0, 5]
    one = client.post("/v1/read", json={"image": text(LINE)})
    form = client.post("/v1/read", files={"file": ("../n.png", LINE)})
    assert results(one) == [raw]
    assert results(form) == [raw | {"name": "../n.png"}]
    for path in ("/v1/read", "/v1/read/batch"):
        many = client.post(path, json={"images": [text(LINE), text(SMALL)]})
        files = client.post(path, files=[("file", ("a", LINE)), ("file", ("b", SMALL))])
        assert [one["name"] for one in results(files)] == ["a", "b"]
        assert [one["readings"] for one in results(files)] == [
            one["readings"] for one in results(many)
        ]
        assert results(many)[0] == raw


@pytest.mark.parametrize("query", ["", "?layout=line", "?single"])
def test_strokes_are_one_digit_by_default(client: TestClient, reader: Reader, query: str) -> None:
    (result,) = results(client.post(f"/v1/read{query}", json={"strokes": STROKES}))
    same(result, reader.read_strokes(STROKES, "line" if "line" in query else "single"))
    assert result["readings"][0]["digit"] == 7


def test_a_grid_has_rows_and_columns(client: TestClient, reader: Reader) -> None:
    sheet = np.full((300, 300), 255, np.uint8)
    for at in range(10, 300, 70):
        sheet[at - 2 : at + 2, 8:292] = sheet[8:292, at - 2 : at + 2] = 0
    digit = clear_digit(4, 40)
    sheet[90 : 90 + digit.shape[0], 90 : 90 + digit.shape[1]] = 255 - digit * 255
    (result,) = results(send(client, encoded(sheet), query="?grid"))
    same(result, reader.read(sheet, "grid"))
    assert {(digit["row"], digit["column"]) for digit in result["readings"]} >= {(0, 0), (3, 3)}


def test_explain_returns_the_images_that_the_network_saw(
    client: TestClient, reader: Reader
) -> None:
    (result,) = results(send(client, LINE, query="?explain"))
    for digit, reading in zip(result["readings"], reader.read(LINE), strict=True):
        seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(digit["image"]))))
        np.testing.assert_array_equal(seen, reading.image)
    assert "image" not in results(send(client, LINE))[0]["readings"][0]


def test_of_several_pictures_each_has_its_own_error(client: TestClient) -> None:
    given = {"images": [text(LINE), text(b"<svg/>"), text(SMALL)]}
    found = results(client.post("/v1/read", json=given))
    assert [one["error"] and one["error"][:22] for one in found] == [
        None,
        "not a readable picture",
        None,
    ]
    assert [bool(one["readings"]) for one in found] == [True, False, True]
    # In a batch a single picture has its own error too.
    (alone,) = results(client.post("/v1/read/batch", json={"images": [text(b"?")]}))
    assert alone["error"]


def test_a_blank_picture_has_no_digits(client: TestClient) -> None:
    blank = encoded(np.zeros((28, 28), np.uint8))
    assert results(send(client, blank))[0]["readings"] == []
    assert results(send(client, blank, query="?single"))[0]["readings"][0]["reason"] == "blank"


# Requests that are rejected


BAD: list[tuple[bytes, str, str, int, str]] = [
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "", 422, "not a readable"),
    (b"../../etc/passwd", PNG, "", 422, "not a readable picture; send PNG, JPEG"),
    (b"", PNG, "", 422, "not a readable"),
    (SMALL[:60], PNG, "", 422, "not a readable"),
    (encoded(np.zeros((1, 1), np.uint8))[:40], PNG, "", 422, "not a readable"),
    (LINE, PNG, "?grid", 422, "no grid in this picture"),
    (SMALL, PNG, "?grid", 422, "no grid in this picture"),
    (SMALL, "text/plain", "", 415, "Content-Type 'text/plain': send image"),
    (SMALL, "", "", 415, "Content-Type '': send"),
    (SMALL, PNG, "?layout=page", 422, "layout='page': use line, single or grid"),
    (SMALL, PNG, "?grid&single", 422, "exclude each other"),
    (SMALL, PNG, "?gird", 422, "'gird': unknown parameter; use layout"),
    (SMALL, PNG, "?explain=perhaps", 422, "explain='perhaps': use true or false"),
    (b"{", JSON, "", 400, "body is not JSON"),
    (b"[" * 100_000, JSON, "", 400, "body is not JSON"),
    (b"[]", JSON, "", 422, "body: give one of image, images, strokes"),
    (b"{}", JSON, "", 422, "body: give one of"),
    (b'{"image": "", "images": []}', JSON, "", 422, "body: give one of"),
    (b'{"url": "http://127.0.0.1/"}', JSON, "", 422, "'url': unknown field"),
    (b'{"a\\nb": 1}', JSON, "", 422, "unknown field"),
    (b'{"image": 5}', JSON, "", 422, "image: Input should be a valid string"),
    (b'{"image": "http://127.0.0.1/"}', JSON, "", 422, "image: not base64"),
    (b'{"image": "PHN2Zy8+"}', JSON, "", 422, "not a readable picture"),
    (b'{"images": []}', JSON, "", 422, "images: List should have at least 1 item"),
    (b'{"images": ["PHN2Zy8+", "%"]}', JSON, "", 422, "images.1: not base64"),
    (b'{"strokes": 5}', JSON, "", 422, "strokes: Input should be a valid list"),
    (b'{"strokes": [[[1, "2"]]]}', JSON, "", 422, "strokes.0.0.1: Input should be a valid number"),
    (b'{"strokes": [[[1, 1e999]]]}', JSON, "", 422, "strokes.0.0.1: Input should be a finite"),
    (b'{"strokes": [[[1, NaN]]]}', JSON, "", 400, "body is not JSON"),
    (b'{"strokes": [[[1, 1e300]]]}', JSON, "", 422, "finite numbers"),
    (b'{"strokes": []}', JSON, "?grid", 422, "no grid"),
    (b"--x", "multipart/form-data", "", 400, "body is not multipart/form-data"),
    (b"nothing", "multipart/form-data; boundary=x", "", 400, "body is not multipart/form-data"),
    (b"--x--\r\n", "multipart/form-data; boundary=x", "", 422, "no pictures; send files"),
]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_answered_by_one_line(
    client: TestClient, case: tuple[bytes, str, str, int, str]
) -> None:
    body, kind, query, status, message = case
    response = send(client, body, kind, query)
    assert response.status_code == status, response.text
    content = response.json()
    assert content.keys() == {"error"}
    assert message in content["error"]
    assert "\n" not in content["error"]
    assert not re.search(r"Error\b|Traceback|tenfold/|\.py", content["error"])


def test_too_much_is_rejected(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(client, bytes(bodies.MAX_BODY_BYTES + 1)).status_code == 413
    assert send(client, b" " * (bodies.MAX_JSON_BYTES + 1), JSON).status_code == 413
    images = [text(SMALL)] * (requests.MAX_PICTURES + 1)
    for path in ("/v1/read", "/v1/read/batch"):
        assert client.post(path, json={"images": images}).status_code == 413
        files = [("file", ("a", b"?"))] * (requests.MAX_PICTURES + 1)
        assert client.post(path, files=files).status_code == 413
    strokes = [[[0, 0]] * requests.MAX_STROKE_POINTS]
    assert client.post("/v1/read", json={"strokes": strokes}).status_code == 413
    monkeypatch.setattr(responses, "MAX_PIXELS", 5_000)
    large, small = text(encoded(np.zeros((71, 71), np.uint8))), text(SMALL)
    response = client.post("/v1/read", json={"image": large})
    assert response.status_code == 422
    assert "71 x 71 is above" in response.json()["error"]
    found = results(client.post("/v1/read", json={"images": [small] * 3 + [large]}))
    assert [bool(one["error"]) for one in found] == [False, False, True, True]


def test_a_body_without_a_content_length_is_bounded_as_it_arrives(client: TestClient) -> None:
    given: list[int] = []

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            given.append(1)
            yield bytes(2**20)

    response = client.post("/v1/read", content=endless(), headers={"Content-Type": PNG})
    assert response.status_code == 413
    assert "above 16 MiB" in response.json()["error"]
    chunks = iter([SMALL[:50], SMALL[50:]])
    response = client.post("/v1/read", content=chunks, headers={"Content-Type": PNG})
    assert results(response)[0]["readings"][0]["digit"] == 7


def test_a_picture_of_too_many_pixels_is_not_decoded(client: TestClient) -> None:
    header = SMALL[:16] + (10_000).to_bytes(4, "big") * 2
    import zlib

    crc = zlib.crc32(header[12:] + SMALL[24:29]).to_bytes(4, "big")
    response = send(client, header + SMALL[24:29] + crc + SMALL[33:])
    assert response.status_code == 422
    assert "10000 x 10000 is above 25 million pixels" in response.json()["error"]


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
    def broken(*_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr("tenfold.serving.read.find_digits", broken)
    monkeypatch.setattr(Reader, "read", broken)
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
