"""Forms in request bodies."""

import time

import pytest
from picture_requests import SMALL, send
from starlette.testclient import TestClient

from tenfold.serving import bodies


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
