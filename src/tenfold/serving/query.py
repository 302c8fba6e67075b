"""The query string of a reading request."""

import re
from typing import Any, NamedTuple, cast, get_args
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from tenfold.data.picture_headers import MAX_PAGES
from tenfold.errors import TenfoldError
from tenfold.reading.constraints import (
    ANYTHING,
    OF_CELLS,
    OF_NUMBERS,
    CheckDigit,
    Constraints,
    RuleName,
)
from tenfold.reading.reader import Layout

FLAG_VALUES = {"": True, "1": True, "true": True, "0": False, "false": False}
MAX_COUNT = 99
LAYOUT_FLAGS = ("grid", "table", "single")
CONSTRAINTS = tuple(key for key in OF_NUMBERS + OF_CELLS if key not in {"values", "optional"})
LIMITS = dict.fromkeys(("length", "rows", "columns"), MAX_COUNT) | {"page": MAX_PAGES}
PARAMETERS = ("layout", *LAYOUT_FLAGS, *CONSTRAINTS, "page", "explain")


class ReadOptions(NamedTuple):
    """How pictures are to be read; the default layout depends on what is sent.

    Attributes:
        layout: what is in a picture.
        constraints: what its numbers may be.
        page: of the file, from 1; None reads all of them.
        explain: whether to return what the network saw, and where cells are.
    """

    layout: Layout | None = None
    constraints: Constraints = ANYTHING
    page: int | None = None
    explain: bool = False


def parse_query(query: bytes) -> ReadOptions:
    """Parse the parameters of a reading request.

    What a number may be says that numbers are read: without a table it is the same as
    `layout=numbers`.

    Raises:
        HTTPException: a parameter is unknown or has an unknown value, or two contradict each
            other (422).
    """
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        parsed = _parse(key, value)
        if given.setdefault(key, parsed) != parsed:
            raise HTTPException(422, f"{key}: given twice, with different values")
    constraints = {key: given[key] for key in CONSTRAINTS if given.get(key, False) is not False}
    layouts = {key: key for key in LAYOUT_FLAGS if given.get(key)}
    if "layout" in given:
        layouts["layout"] = given["layout"]
    if "table" not in layouts.values():
        layouts |= dict.fromkeys((key for key in OF_NUMBERS if key in constraints), "numbers")
    chosen = set(layouts.values())
    if len(chosen) > 1:
        raise HTTPException(422, f"{' and '.join(layouts)} exclude each other")
    layout = cast("Layout", chosen.pop()) if chosen else None
    of_cells = [key for key in OF_CELLS if key in constraints]
    if of_cells and layout not in {"grid", "table"}:
        raise HTTPException(422, f"{' and '.join(of_cells)}: with layout=grid or layout=table only")
    try:
        allowed = Constraints(**constraints)
    except TenfoldError as error:
        raise HTTPException(422, str(error)) from error
    return ReadOptions(layout, allowed, given.get("page"), given.get("explain", False))


def _parse(key: str, value: str) -> str | int | bool:
    """Return the value of a parameter."""
    if key == "pattern":
        return value
    if key == "layout":
        return _one_of(key, value, get_args(Layout))
    if key == "check":
        return _one_of(key, value, get_args(CheckDigit))
    if key == "rule":
        return _one_of(key, value, get_args(RuleName))
    if key in LIMITS:
        count = int(value) if re.fullmatch("[1-9][0-9]{0,5}", value) else 0
        if not 1 <= count <= LIMITS[key]:
            raise HTTPException(422, f"{key}={value[:40]!r}: use 1 to {LIMITS[key]}")
        return count
    if key not in PARAMETERS:
        raise HTTPException(422, f"{key[:40]!r}: unknown parameter; use {', '.join(PARAMETERS)}")
    if value.lower() not in FLAG_VALUES:
        raise HTTPException(422, f"{key}={value[:40]!r}: use true or false")
    return FLAG_VALUES[value.lower()]


def _one_of(key: str, value: str, values: tuple[str, ...]) -> str:
    if value not in values:
        raise HTTPException(
            422, f"{key}={value[:40]!r}: use {', '.join(values[:-1])} or {values[-1]}"
        )
    return value
