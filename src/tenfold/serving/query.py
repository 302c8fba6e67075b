"""The query string of a reading request."""

from typing import NamedTuple, cast, get_args
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from tenfold.reading.crops import Layout

FLAG_VALUES = {"": True, "1": True, "true": True, "0": False, "false": False}


class ReadOptions(NamedTuple):
    """How pictures are to be read; the default layout depends on what is sent."""

    layout: Layout | None = None
    explain: bool = False


def parse_query(query: bytes) -> ReadOptions:
    """Parse `layout`, or `grid` or `single`, and `explain`.

    Raises:
        HTTPException: a parameter is unknown or has an unknown value, or two contradict each
            other (422).
    """
    layouts: list[Layout] = []
    explain = False
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if key == "layout":
            if value not in get_args(Layout):
                raise HTTPException(422, f"layout={value[:40]!r}: use line, single or grid")
            layouts.append(cast("Layout", value))
        elif key not in {"grid", "single", "explain"}:
            raise HTTPException(
                422, f"{key[:40]!r}: unknown parameter; use layout, grid, single, explain"
            )
        elif value.lower() not in FLAG_VALUES:
            raise HTTPException(422, f"{key}={value[:40]!r}: use true or false")
        elif FLAG_VALUES[value.lower()]:
            if key == "explain":
                explain = True
            else:
                layouts.append(cast("Layout", key))
    if len(set(layouts)) > 1:
        raise HTTPException(422, "layout, grid and single exclude each other")
    return ReadOptions(layouts[0] if layouts else None, explain)
