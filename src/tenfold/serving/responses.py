"""Response bodies: the objects of `tenfold read --json`, and what the network saw."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, cast

import cv2
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.data.decoding import FORMATS, Pixels, decode
from tenfold.data.file_pages import FilePage, file_pages
from tenfold.errors import DataError
from tenfold.reading.foreground import downscale
from tenfold.reading.page import Digit, Page, Reason
from tenfold.reading.reader import Reader
from tenfold.reading.strokes import Strokes
from tenfold.serving.query import ReadOptions
from tenfold.serving.requests import Item

# Of all pictures of a request together, and of each page of a document; decoding that many takes
# half a gigabyte.
MAX_PIXELS = 25_000_000
MAX_PAGES = 20  # of a document; the time limit may end earlier
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
    printed: float | None = Field(
        ge=0, le=1, description="Probability that it is printed, not handwritten; null for singles."
    )
    row: int | None = Field(description="Of its cell, from 0; only in a grid or a table.")
    column: int | None = Field(description="Of its cell, from 0; only in a grid or a table.")
    digits: list[DigitResult] = Field(description="From left to right, without the marks.")


class NumberOfPage(NumberResult):
    """A number of a document."""

    page: int = Field(ge=1, description="The page that it is on, from 1.")


class PageResult(BaseModel):
    """What was read in one picture, on one page, or in one set of strokes."""

    file: str | None = Field(description="The file's name, if it was sent with one.")
    page: int = Field(ge=1, description="Of the file, from 1.")
    rows: int | None = Field(description="Of the grid or table that was read.")
    columns: int | None = Field(description="Of the grid or table that was read.")
    numbers: list[NumberResult] = Field(description="In reading order; none on a blank picture.")
    error: str | None = Field(description="Why it could not be read, or null.")


class ReadResponse(BaseModel):
    """What was read in the picture, or on all pages of the document, of the request."""

    model: str = Field(examples=["field"])
    file: str | None = Field(description="The file's name, if it was sent with one.")
    pages: int = Field(ge=1, description="How many pages the file has; a picture has one.")
    rows: int | None = Field(description="Of the grid or table, if the file has one page.")
    columns: int | None = Field(description="Of the grid or table, if the file has one page.")
    numbers: list[NumberOfPage] = Field(description="In reading order; none if all is blank.")
    error: None = Field(description="Always null: what cannot be read is an error of the request.")


class BatchResponse(BaseModel):
    """What was read in each picture, and on each page of each document, of the request."""

    model: str = Field(examples=["field"])
    results: list[PageResult]


class ErrorResponse(BaseModel):
    """Why the request was not served."""

    error: str = Field(examples=["body is above 16 MiB"])


def read_items(reader: Reader, items: Sequence[Item], options: ReadOptions) -> list[dict[str, Any]]:
    """Read pictures, pages and strokes; what cannot be read has an error of its own.

    Args:
        reader: reads them.
        items: pictures, documents and strokes.
        options: without a layout pictures are read as numbers, and strokes as one digit.

    Returns:
        a `PageResult` as a dictionary for each picture, page and set of strokes.
    """
    pixels_left = MAX_PIXELS
    results = []
    for item, page in _pages(items):
        outcome: Page | DataError
        try:
            if page is None:
                strokes = cast("Strokes", item.content)
                outcome = reader.read_strokes(
                    strokes, options.layout or "single", options.constraints
                )
            else:
                pixels = decode_picture(page, pixels_left if page.count == 1 else MAX_PIXELS)
                if page.count == 1:
                    pixels_left -= pixels.shape[0] * pixels.shape[1]
                outcome = reader.read(pixels, options.layout or "numbers", options.constraints)
        except DataError as error:
            outcome = error
        number = page.number if page else 1
        results.append(page_result(item.name, outcome, number, explain=options.explain))
    return results


def _pages(items: Sequence[Item]) -> Iterator[tuple[Item, FilePage | None]]:
    """Yield each page of each item, of a document with too many only one; None for strokes."""
    for item in items:
        if isinstance(item.content, bytes):
            pages = list(file_pages(item.content))
            yield from ((item, page) for page in pages[: 1 if len(pages) > MAX_PAGES else None])
        else:
            yield item, None


def page_result(
    file: str | None, outcome: Page | DataError, page: int = 1, *, explain: bool
) -> dict[str, Any]:
    """Return a `PageResult` as a dictionary.

    Args:
        file: the name that the picture was sent with.
        outcome: what was read, or why nothing was.
        page: of the file, from 1.
        explain: whether to add each digit's probabilities and the image that the network saw.
    """
    if isinstance(outcome, DataError):
        return Page(()).to_dict(file, page) | {"error": str(outcome)}
    result = outcome.to_dict(file, page)
    if explain:
        for number, fields in zip(outcome.numbers, result["numbers"], strict=True):
            for digit, digit_fields in zip(number.digits, fields["digits"], strict=True):
                digit_fields.update(_explanation(digit))
    return result


def response_body(model: str, results: list[dict[str, Any]], *, batch: bool) -> bytes:
    """Return a `BatchResponse` or, of a single file, a `ReadResponse`, as JSON.

    Args:
        model: its name.
        results: see `page_result`; of one file unless it is a batch.
        batch: whether a page that cannot be read is reported in its result; otherwise it is an
            error of the request.

    Raises:
        HTTPException: a page of a single file could not be read (422).
    """
    if batch:
        return to_json({"model": model, "results": results})
    for result in results:
        if result["error"]:
            raise HTTPException(422, result["error"])
    numbers = [number | {"page": one["page"]} for one in results for number in one["numbers"]]
    first = results[0]
    one = first if len(results) == 1 else {"rows": None, "columns": None}
    body = {"model": model, "file": first["file"], "pages": len(results)}
    body |= {"rows": one["rows"], "columns": one["columns"], "numbers": numbers, "error": None}
    return to_json(body)


def decode_picture(content: bytes | FilePage, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture or a page; see `decode`.

    Raises:
        DataError: one line that does not show which library failed; or the page's document has
            too many pages.
    """
    if isinstance(content, FilePage) and content.count > MAX_PAGES:
        raise DataError(f"{content.count} pages, above {MAX_PAGES}; divide it, or use tenfold read")
    try:
        return decode(content, max_pixels)
    except DataError as error:
        if error.__cause__ is None:
            raise
        raise DataError(f"not a readable picture; send {', '.join(FORMATS)}, PDF") from error


def _explanation(digit: Digit) -> dict[str, Any]:
    small, _ = downscale(digit.pixels, MAX_EXPLAINED_SIDE_PX)
    png = cv2.imencode(".png", small)[1].tobytes()
    return {
        "probabilities": digit.probabilities.astype(float).round(PROBABILITY_DECIMALS).tolist(),
        "image": base64.b64encode(png).decode(),
    }
