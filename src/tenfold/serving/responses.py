"""Response bodies: the fields of `tenfold read --json`, and each network's probabilities."""

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.data.decoding import FORMATS, Pixels, decode
from tenfold.errors import DataError
from tenfold.reading.crops import Layout
from tenfold.reading.reader import Reader, Reading
from tenfold.serving.requests import Item

# Of all pictures of a request together; decoding that many takes half a gigabyte.
MAX_PIXELS = 25_000_000
PROBABILITY_DECIMALS = 6


class DigitResult(BaseModel):
    """One digit."""

    index: int = Field(description="Its place in reading order.", examples=[0])
    box: tuple[int, int, int, int] | None = Field(
        description="Left, top, right, bottom in pixels; null on a blank picture.",
        examples=[[55, 103, 130, 206]],
    )
    digit: int = Field(ge=0, le=9, description="The most probable, even if it is rejected.")
    probability: float = Field(ge=0, le=1, description="Calibrated.", examples=[0.999623])
    runner_up: int = Field(ge=0, le=9, description="The second most probable.")
    rejected: bool = Field(description="Whether there is a `reason` to reject the digit.")
    reason: str | None = Field(description="blank, not a digit, unsure, or null.")
    row: int | None = Field(default=None, description="Row of its cell; only in a grid.")
    column: int | None = Field(default=None, description="Column of its cell; only in a grid.")
    probabilities: list[float] = Field(min_length=10, max_length=10)
    members: list[list[float]] = Field(
        description="Each network's own probabilities, before calibration."
    )
    image: str | None = Field(
        default=None, description="What the network saw, a PNG in base64; only with ?explain."
    )


class PictureResult(BaseModel):
    """One picture, or one set of strokes."""

    name: str | None = Field(description="The file's name, if it was sent with one.")
    readings: list[DigitResult]
    error: str | None = Field(description="Why it could not be read, or null.")


class ReadResponse(BaseModel):
    """What was read."""

    model: str = Field(examples=["field"])
    results: list[PictureResult]


class ErrorResponse(BaseModel):
    """Why the request was not served."""

    error: str = Field(examples=["body is above 16 MiB"])


def read_items(
    reader: Reader, items: Sequence[Item], layout: Layout | None, *, explain: bool
) -> list[dict[str, Any]]:
    """Read pictures and strokes; one that cannot be read has an error of its own.

    Args:
        reader: reads them.
        items: pictures and strokes.
        layout: None means "line" for pictures and "single" for strokes.
        explain: whether to add the images that the network saw.

    Returns:
        a `PictureResult` as a dictionary for each item.
    """
    pixels_left = MAX_PIXELS
    results = []
    for item in items:
        outcome: list[Reading] | DataError
        try:
            if isinstance(item.content, bytes):
                pixels = decode_picture(item.content, pixels_left)
                pixels_left -= pixels.shape[0] * pixels.shape[1]
                outcome = reader.read(pixels, layout or "line")
            else:
                outcome = reader.read_strokes(item.content, layout or "single")
        except DataError as error:
            outcome = error
        results.append(picture_result(item.name, outcome, explain=explain))
    return results


def picture_result(
    name: str | None, outcome: Sequence[Reading] | DataError, *, explain: bool
) -> dict[str, Any]:
    """Return a `PictureResult` as a dictionary."""
    if isinstance(outcome, DataError):
        return {"name": name, "readings": [], "error": str(outcome)}
    digits = [
        _digit_result(reading, index, explain=explain) for index, reading in enumerate(outcome)
    ]
    return {"name": name, "readings": digits, "error": None}


def response_body(model: str, results: list[dict[str, Any]], *, batch: bool) -> bytes:
    """Return a `ReadResponse` as JSON.

    Args:
        model: its name.
        results: see `picture_result`.
        batch: whether a single picture that cannot be read is reported in its result, as one of
            several is; otherwise it is an error of the request.

    Raises:
        HTTPException: a single picture could not be read (422).
    """
    if not batch and len(results) == 1 and results[0]["error"]:
        raise HTTPException(422, results[0]["error"])
    return to_json({"model": model, "results": results})


def decode_picture(content: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture; see `decode`.

    Raises:
        DataError: one line that does not show which library failed.
    """
    try:
        return decode(content, max_pixels)
    except DataError as error:
        if error.__cause__ is None:
            raise
        raise DataError(f"not a readable picture; send {', '.join(FORMATS)}") from error


def _digit_result(reading: Reading, index: int, *, explain: bool) -> dict[str, Any]:
    result = reading.to_dict(index) | {
        "probabilities": _rounded(reading.probabilities),
        "members": _rounded(reading.members),
    }
    if explain:
        png = cv2.imencode(".png", reading.image)[1].tobytes()
        result["image"] = base64.b64encode(png).decode()
    return result


def _rounded(probabilities: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - lists of its shape
    return probabilities.astype(float).round(PROBABILITY_DECIMALS).tolist()
