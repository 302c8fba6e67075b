"""What a request's query asks for."""

from typing import NamedTuple, cast, get_args
from urllib.parse import parse_qsl

from tenfold.reading.reader import Layout
from tenfold.serving.errors import Refusal

_FLAGS = {"": True, "1": True, "true": True, "0": False, "false": False}


class Asked(NamedTuple):
    """How pictures are to be read."""

    layout: Layout | None = None
    explain: bool = False


def asked_of(query: bytes) -> Asked:
    """Read a query string: `layout`, or `grid` or `single`, and `explain`.

    Raises:
        Refusal: a parameter is unknown or has no such value, or two contradict each other.
    """
    if not query:
        return Asked()
    layouts: list[Layout] = []
    explain = False
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if key == "layout":
            if value not in get_args(Layout):
                raise Refusal(422, f"layout={value[:40]!r}: use line, single or grid")
            layouts.append(cast("Layout", value))
        elif key in {"grid", "single", "explain"}:
            if value.lower() not in _FLAGS:
                raise Refusal(422, f"{key}={value[:40]!r}: use true or false")
            if not _FLAGS[value.lower()]:
                continue
            if key == "explain":
                explain = True
            else:
                layouts.append(cast("Layout", key))
        else:
            raise Refusal(
                422, f"{key[:40]!r}: unknown parameter; use layout, grid, single, explain"
            )
    if len(set(layouts)) > 1:
        raise Refusal(422, "layout, grid and single exclude each other")
    return Asked(layouts[0] if layouts else None, explain)
