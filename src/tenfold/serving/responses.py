"""Response bodies: the objects of `tenfold read --json`, and what the network saw."""

import base64
from collections.abc import Sequence
from typing import Any

import cv2
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.data.decoding import FORMATS, Pixels, decode
from tenfold.errors import DataError
from tenfold.reading.foreground import downscale
from tenfold.reading.page import Digit, Page, Reason
from tenfold.reading.reader import Reader
from tenfold.serving.query import ReadOptions
from tenfold.serving.requests import Item

# Of all pictures of a request together; decoding that many takes half a gigabyte.
MAX_PIXELS = 25_000_000
PROBABILITY_DECIMALS = 6
MAX_EXPLAINED_SIDE_PX = 128  # the network looks at digits that are smaller still

Box = tuple[int, int, int, int]


class DigitResult(BaseModel):
    """One digit of a number."""

    digit: int = Field(ge=0, le=9, description="The most probable, even if it is not accepted.")
    probability: float = Field(ge=0, le=1, examples=[0.999623])
    box: Box = Field(
        description="Left, top, right, bottom in pixels.", examples=[[55, 103, 130, 206]]
    )
    runner_up: int = Field(ge=0, le=9, description="The second most probable.")
    probabilities: list[float] | None = Field(
        default=None,
        min_length=10,
        max_length=10,
        description="Of the digits 0 to 9; only with ?explain.",
    )
    image: str | None = Field(
        default=None,
        description="What the network saw, a PNG in base64 of at most "
        f"{MAX_EXPLAINED_SIDE_PX} pixels a side; only with ?explain.",
    )


class NumberResult(BaseModel):
    """One number: digits that stand together, and the marks between them."""

    text: str = Field(description="? stands for a digit that is not accepted.", examples=["85.5"])
    box: Box = Field(
        description="Left, top, right, bottom in pixels.", examples=[[55, 103, 310, 206]]
    )
    probability: float = Field(
        ge=0, le=1, description="That all of the text is right; calibrated.", examples=[0.994311]
    )
    accepted: bool = Field(description="Whether the number is probable enough to be believed.")
    reason: Reason | None = Field(description="Why it is not accepted, or null.")
    row: int | None = Field(description="Row of its cell; only in a grid.")
    column: int | None = Field(description="Column of its cell; only in a grid.")
    digits: list[DigitResult] = Field(description="From left to right, without the marks.")


class PageResult(BaseModel):
    """What was read in one picture, or in one set of strokes."""

    file: str | None = Field(description="The file's name, if it was sent with one.")
    numbers: list[NumberResult] = Field(description="In reading order; none on a blank picture.")
    error: str | None = Field(description="Why it could not be read, or null.")


class ReadResponse(PageResult):
    """What was read in the picture of the request."""

    model: str = Field(examples=["field"])


class BatchResponse(BaseModel):
    """What was read in each picture of the request."""

    model: str = Field(examples=["field"])
    results: list[PageResult]


class ErrorResponse(BaseModel):
    """Why the request was not served."""

    error: str = Field(examples=["body is above 16 MiB"])


def read_items(reader: Reader, items: Sequence[Item], options: ReadOptions) -> list[dict[str, Any]]:
    """Read pictures and strokes; one that cannot be read has an error of its own.

    Args:
        reader: reads them.
        items: pictures and strokes.
        options: without a layout pictures are read as numbers, and strokes as one digit.

    Returns:
        a `PageResult` as a dictionary for each item.
    """
    pixels_left = MAX_PIXELS
    results = []
    for item in items:
        outcome: Page | DataError
        try:
            if isinstance(item.content, bytes):
                pixels = decode_picture(item.content, pixels_left)
                pixels_left -= pixels.shape[0] * pixels.shape[1]
                outcome = reader.read(pixels, options.layout or "numbers", options.constraints)
            else:
                outcome = reader.read_strokes(
                    item.content, options.layout or "single", options.constraints
                )
        except DataError as error:
            outcome = error
        results.append(page_result(item.name, outcome, explain=options.explain))
    return results


def page_result(file: str | None, outcome: Page | DataError, *, explain: bool) -> dict[str, Any]:
    """Return a `PageResult` as a dictionary.

    Args:
        file: the name that the picture was sent with.
        outcome: what was read, or why nothing was.
        explain: whether to add each digit's probabilities and the image that the network saw.
    """
    if isinstance(outcome, DataError):
        return Page(()).to_dict(file) | {"error": str(outcome)}
    result = outcome.to_dict(file)
    if explain:
        for number, fields in zip(outcome.numbers, result["numbers"], strict=True):
            for digit, digit_fields in zip(number.digits, fields["digits"], strict=True):
                digit_fields.update(_explanation(digit))
    return result


def response_body(model: str, results: list[dict[str, Any]], *, batch: bool) -> bytes:
    """Return a `BatchResponse` or, of a single picture, a `ReadResponse`, as JSON.

    Args:
        model: its name.
        results: see `page_result`; one of them unless it is a batch.
        batch: whether a picture that cannot be read is reported in its result; otherwise it is
            an error of the request.

    Raises:
        HTTPException: a single picture could not be read (422).
    """
    if batch:
        return to_json({"model": model, "results": results})
    (result,) = results
    if result["error"]:
        raise HTTPException(422, result["error"])
    return to_json({"model": model, **result})


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


def _explanation(digit: Digit) -> dict[str, Any]:
    small, _ = downscale(digit.pixels, MAX_EXPLAINED_SIDE_PX)
    png = cv2.imencode(".png", small)[1].tobytes()
    return {
        "probabilities": digit.probabilities.astype(float).round(PROBABILITY_DECIMALS).tolist(),
        "image": base64.b64encode(png).decode(),
    }
