"""Response bodies: the objects of `tenfold read --json`, and what the network saw."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from tenfold.arrays import Pixels
from tenfold.data.decoding import FORMATS, decode
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
MAX_PICTURE_SIDE_PX = 2048  # of a document's page that is shown
JPEG_QUALITY = 85

Box = tuple[int, int, int, int]
Corners = list[list[tuple[float, float]]]


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


class PagePicture(BaseModel):
    """A page of a document, to be shown."""

    image: str = Field(
        description=f"A JPEG in base64 of at most {MAX_PICTURE_SIDE_PX} pixels a side."
    )
    width: int = Field(description="Of the page that was read: boxes are in its pixels.")
    height: int


class _CellsResult(BaseModel):
    corners: Corners | None = Field(
        default=None,
        description="Of the cells of the grid or table, row by row: [x, y] in pixels of each of "
        "its (rows + 1) × (columns + 1) crossings; only with ?explain.",
    )


class PageResult(_CellsResult):
    """What was read in one picture, on one page, or in one set of strokes."""

    file: str | None = Field(description="The file's name, if it was sent with one.")
    page: int = Field(ge=1, description="Of the file, from 1.")
    rows: int | None = Field(description="Of the grid or table that was read.")
    columns: int | None = Field(description="Of the grid or table that was read.")
    numbers: list[NumberResult] = Field(description="In reading order; none on a blank picture.")
    error: str | None = Field(description="Why it could not be read, or null.")


class ReadResponse(_CellsResult):
    """What was read in the picture, or on the pages of the document, of the request."""

    model: str = Field(examples=["field"])
    file: str | None = Field(description="The file's name, if it was sent with one.")
    pages: int = Field(ge=1, description="How many pages the file has; a picture has one.")
    rows: int | None = Field(description="Of the grid or table, if one page was read.")
    columns: int | None = Field(description="Of the grid or table, if one page was read.")
    picture: PagePicture | None = Field(
        default=None, description="The page that was read; only with ?explain and ?page."
    )
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

    Without a layout pictures are read as numbers, and strokes as one digit.

    Returns:
        a `PageResult` as a dictionary for each picture, page and set of strokes; one that
        `options.page` names also has `pages`, how many there are.

    Raises:
        HTTPException: a file has no page of that number (422).
    """
    pixels_left = MAX_PIXELS
    results = []
    for item, page in _pages(items, options.page):
        outcome: Page | DataError
        extra: dict[str, Any] = {}
        try:
            if page is None:
                strokes = cast("Strokes", item.content)
                outcome = reader.read_strokes(
                    strokes, options.layout or "single", options.constraints
                )
            else:
                pixels = _decode_page(page, options, pixels_left)
                if page.count == 1:
                    pixels_left -= pixels.shape[0] * pixels.shape[1]
                outcome = reader.read(pixels, options.layout or "numbers", options.constraints)
                if options.page:
                    extra["pages"] = page.count
                    extra |= {"picture": _picture(pixels)} if options.explain else {}
        except DataError as error:
            outcome = error
        number = page.number if page else 1
        result = page_result(item.name, outcome, number, explain=options.explain)
        results.append(result | extra)
    return results


def _pages(items: Sequence[Item], number: int | None) -> Iterator[tuple[Item, FilePage | None]]:
    """Yield page `number` of each item, or all; of too many only one, and None for strokes."""
    for item in items:
        pages: list[FilePage | None] = [None]
        if isinstance(item.content, bytes):
            pages = list(file_pages(item.content))
        if number and number > len(pages):
            raise HTTPException(422, f"page={number}: the file has {len(pages)}")
        if number:
            yield item, pages[number - 1]
        else:
            yield from ((item, page) for page in pages[: 1 if len(pages) > MAX_PAGES else None])


def _decode_page(page: FilePage, options: ReadOptions, pixels_left: int) -> Pixels:
    if page.count > MAX_PAGES and not options.page:
        raise DataError(
            f"{page.count} pages, above {MAX_PAGES}; divide it, read it with ?page, or use "
            "tenfold read"
        )
    return decode_picture(page, pixels_left if page.count == 1 else MAX_PIXELS)


def page_result(
    file: str | None, outcome: Page | DataError, page: int = 1, *, explain: bool
) -> dict[str, Any]:
    """Return a `PageResult` as a dictionary; `explain` adds what `?explain` asks for."""
    if isinstance(outcome, DataError):
        return Page(()).to_dict(file, page) | {"error": str(outcome)}
    result = outcome.to_dict(file, page)
    if explain:
        if outcome.corners is not None:
            result["corners"] = outcome.corners.astype(float).round(1).tolist()
        for number, fields in zip(outcome.numbers, result["numbers"], strict=True):
            for digit, digit_fields in zip(number.digits, fields["digits"], strict=True):
                digit_fields.update(_explanation(digit))
    return result


def response_body(model: str, results: list[dict[str, Any]], *, batch: bool) -> bytes:
    """Return a `BatchResponse` or, of the pages of a single file, a `ReadResponse`, as JSON.

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
    body = {"model": model, "file": first["file"], "pages": first.get("pages", len(results))}
    body |= {"rows": one["rows"], "columns": one["columns"], "numbers": numbers, "error": None}
    body |= {key: one[key] for key in ("corners", "picture") if key in one}
    return to_json(body)


def decode_picture(content: bytes | FilePage, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a picture or a page; see `decode`.

    Raises:
        DataError: one line that does not show which library failed.
    """
    try:
        return decode(content, max_pixels)
    except DataError as error:
        if error.__cause__ is None:
            raise
        raise DataError(f"not a readable picture; send {', '.join(FORMATS)}, PDF") from error


def _explanation(digit: Digit) -> dict[str, Any]:
    small, _ = downscale(digit.pixels, MAX_EXPLAINED_SIDE_PX)
    return {
        "probabilities": digit.probabilities.astype(float).round(PROBABILITY_DECIMALS).tolist(),
        "image": _base64(cv2.imencode(".png", small)[1]),
    }


def _picture(page: Pixels) -> dict[str, Any]:
    """Return a `PagePicture` as a dictionary."""
    small, _ = downscale(page, MAX_PICTURE_SIDE_PX)
    is_grey = small.ndim == 2  # noqa: PLR2004
    bgr = small if is_grey else cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return {"image": _base64(jpeg), "width": page.shape[1], "height": page.shape[0]}


def _base64(encoded: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(encoded.tobytes()).decode()
