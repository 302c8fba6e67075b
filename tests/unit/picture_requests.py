"""Pictures as bytes, and requests that send them to the service."""

import base64
import io
from typing import Any

import numpy as np
from clear_digits import clear_digit, number, on_paper
from PIL import Image
from starlette.testclient import TestClient

PNG, JSON = "image/png", "application/json"


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


SMALL = encoded((clear_digit(7, 28) * 255).astype(np.uint8))
LINE = encoded(on_paper(number("3805", 60)[0], 0, 255))


def send(
    client: TestClient, body: bytes, kind: str = PNG, query: str = "", path: str = "/v1/read"
) -> Any:
    return client.post(path + query, content=body, headers={"Content-Type": kind})


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def page(response: Any) -> dict[str, Any]:
    """Return the object of a picture as it is in a batch, without the model's name."""
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    assert content.pop("model") == "field"
    if "pages" in content:
        content["page"] = content.pop("pages")
        assert {number.pop("page") for number in content["numbers"]} <= {1}
    return content


def results(response: Any) -> list[dict[str, Any]]:
    """Return the objects of a batch."""
    content = page(response)
    assert content.keys() == {"results"}
    found: list[dict[str, Any]] = content["results"]
    return found
