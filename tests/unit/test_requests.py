"""Requests that are refused by one line, and forms."""

import re
import time
from collections.abc import Iterator

import numpy as np
import pytest
from picture_requests import JSON, LINE, PNG, SMALL, encoded, page, results, send, text
from starlette.testclient import TestClient

from tenfold.serving import bodies, requests, responses


@pytest.mark.parametrize("field", ["picture", ""])
def test_a_form_has_files_in_one_field(client: TestClient, field: str) -> None:
    body = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\n'.encode()
    response = send(client, body + SMALL + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    assert response.status_code == 422
    assert f"form field '{field}'" in response.json()["error"]
    response = client.post("/v1/read", data={"file": "a"}, files={"file": SMALL})
    assert response.status_code == 422


@pytest.mark.parametrize("more", ["", '; filename="a"'])
def test_a_form_of_many_parts_is_given_up_early(client: TestClient, more: str) -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="file"{more}\r\n\r\n\r\n'.encode()
    form = part * (bodies.MAX_BODY_BYTES // len(part))
    beginning = time.monotonic()
    response = send(client, form, "multipart/form-data; boundary=x")
    assert time.monotonic() - beginning < 3  # all of it would take ten
    assert response.status_code == (413 if more else 422)


BAD: list[tuple[bytes, str, str, int, str]] = [
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "", 422, "not a readable"),
    (b"../../etc/passwd", PNG, "", 422, "not a readable picture; send PNG, JPEG"),
    (b"", PNG, "", 422, "is empty"),
    (SMALL[:60], PNG, "", 422, "not a readable"),
    (encoded(np.zeros((1, 1), np.uint8))[:40], PNG, "", 422, "not a readable"),
    (LINE, PNG, "?grid", 422, "no grid or table in this picture"),
    (SMALL, PNG, "?grid", 422, "no grid or table in this picture"),
    (SMALL, "text/plain", "", 415, "Content-Type 'text/plain': send image"),
    (SMALL, "", "", 415, "Content-Type '': send"),
    (LINE, PNG, "?table&rule=sudoku", 422, "no grid or table in this picture"),
    (SMALL, PNG, "?pattern=(a*", 422, "pattern '(a*': missing )"),
    (SMALL, PNG, "?gird", 422, "'gird': unknown parameter; use layout"),
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
    found = results(client.post("/v1/read/batch", json={"images": [small] * 3 + [large]}))
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
    assert page(response)["numbers"][0]["text"] == "7"


def test_a_picture_of_too_many_pixels_is_not_decoded(client: TestClient) -> None:
    header = SMALL[:16] + (10_000).to_bytes(4, "big") * 2
    import zlib

    crc = zlib.crc32(header[12:] + SMALL[24:29]).to_bytes(4, "big")
    response = send(client, header + SMALL[24:29] + crc + SMALL[33:])
    assert response.status_code == 422
    assert "10000 x 10000 is above 25 million pixels" in response.json()["error"]
