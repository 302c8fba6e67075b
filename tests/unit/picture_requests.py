"""Pictures as bytes, and requests that send them to the service."""

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


def send(client: TestClient, body: bytes, kind: str = PNG, query: str = "") -> Any:
    return client.post(f"/v1/read{query}", content=body, headers={"Content-Type": kind})
