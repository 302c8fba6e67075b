"""What the service says of pictures: the same words as `tenfold read --json`, and more."""

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json

from tenfold.data.decoding import FORMATS, Pixels, decode
from tenfold.errors import DataError
from tenfold.reading.reader import Layout, Reader, Reading
from tenfold.serving.errors import Refusal
from tenfold.serving.requests import Sent

MAX_PIXELS = 25_000_000  # of a request's pictures: half a gigabyte while they are taken apart
_PLACES = 6  # decimals of a probability


class Told(BaseModel):
    """A digit."""

    index: int = Field(description="Its place in reading order.", examples=[0])
    box: tuple[int, int, int, int] | None = Field(
        description="Left, top, right, bottom in pixels; null on a blank picture.",
        examples=[[55, 103, 130, 206]],
    )
    digit: int = Field(ge=0, le=9, description="The likeliest, even where it is rejected.")
    probability: float = Field(ge=0, le=1, description="Calibrated.", examples=[0.999623])
    runner_up: int = Field(ge=0, le=9)
    rejected: bool = Field(description="Whether `reason` speaks against it.")
    reason: str | None = Field(description="blank, not a digit, unsure, or null.")
    row: int | None = Field(default=None, description="Of its cell; only in a grid.")
    column: int | None = Field(default=None, description="Of its cell; only in a grid.")
    probabilities: list[float] = Field(min_length=10, max_length=10)
    members: list[list[float]] = Field(description="Each network's own, before the temperature.")
    image: str | None = Field(
        default=None, description="What the network saw, a PNG in base64; only with ?explain."
    )


class Result(BaseModel):
    """A picture."""

    name: str | None = Field(description="The file's name, where it came with one.")
    readings: list[Told]
    error: str | None = Field(description="Why it could not be read.")


class Answer(BaseModel):
    """What was read."""

    model: str = Field(examples=["field"])
    results: list[Result]


class Refused(BaseModel):
    """Why not."""

    error: str = Field(examples=["body is above 16 MiB"])


def read_all(
    reader: Reader, sent: Sequence[Sent], layout: Layout | None, *, explain: bool
) -> list[dict[str, Any]]:
    """Read what was sent; what cannot be read has its own error.

    Args:
        reader: by which.
        sent: pictures and strokes.
        layout: None is "line", of strokes "single".
        explain: whether the images go along that the network saw.

    Returns:
        what `Result` describes, one for each of `sent`.
    """
    left = MAX_PIXELS
    results = []
    for one in sent:
        readings: list[Reading] | DataError
        try:
            if isinstance(one.content, bytes):
                pixels = decoded(one.content, left)
                left -= pixels.shape[0] * pixels.shape[1]
                readings = reader.read(pixels, layout or "line")
            else:
                readings = reader.read_strokes(one.content, layout or "single")
        except DataError as error:
            readings = error
        results.append(result(one.name, readings, explain=explain))
    return results


def result(
    name: str | None, outcome: Sequence[Reading] | DataError, *, explain: bool
) -> dict[str, Any]:
    """Return what `Result` describes."""
    if isinstance(outcome, DataError):
        return {"name": name, "readings": [], "error": str(outcome)}
    told = [_told(reading, index, explain=explain) for index, reading in enumerate(outcome)]
    return {"name": name, "readings": told, "error": None}


def answer(name: str, results: list[dict[str, Any]], *, alone_must_do: bool) -> bytes:
    """Return the JSON of an `Answer`.

    Args:
        name: of the model.
        results: see `result`.
        alone_must_do: whether the error of a sole picture is the request's.

    Raises:
        Refusal: it is.
    """
    if alone_must_do and len(results) == 1 and results[0]["error"]:
        raise Refusal(422, results[0]["error"])
    return to_json({"model": name, "results": results})


def decoded(content: bytes, most: int = MAX_PIXELS) -> Pixels:
    """Decode a picture; see `decode`.

    Raises:
        DataError: one line that tells nothing of how it is done.
    """
    try:
        return decode(content, most)
    except DataError as error:
        if error.__cause__ is None:
            raise
        raise DataError(f"not a readable picture; send {', '.join(FORMATS)}") from error


def _told(reading: Reading, index: int, *, explain: bool) -> dict[str, Any]:
    told = reading.described(index) | {
        "probabilities": _rounded(reading.probabilities),
        "members": _rounded(reading.members),
    }
    if explain:
        told["image"] = base64.b64encode(cv2.imencode(".png", reading.image)[1].tobytes()).decode()
    return told


def _rounded(probabilities: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - lists of its shape
    return probabilities.astype(float).round(_PLACES).tolist()
