"""Dates as forms ask for them, such as DD.MM.YYYY."""

import datetime as dt
import re

_PARTS = ("DD", "MM", "YYYY", "YY")
_SPLIT = re.compile("|".join(_PARTS))


def date_digits(format_: str) -> tuple[str, ...]:
    """Return the parts of a format in their order, such as ("DD", "MM", "YYYY").

    Raises:
        ValueError: a part is missing or there twice, or something else than a mark is between them.
    """
    parts = tuple(_SPLIT.findall(format_))
    between = _SPLIT.sub("", format_)
    if sorted(part[0] for part in parts) != ["D", "M", "Y"] or re.search(r"[^ ./-]", between):
        raise ValueError(f"{format_!r} is not DD, MM and YYYY or YY with . / - or spaces")
    return parts


def parse_date(text: str, format_: str) -> str | None:
    """Return a date that was read, written as its format has it; None if it is no date.

    Between its parts may be any marks, or none if every part has all of its digits.

    Args:
        text: digits and marks.
        format_: see `date_digits`.
    """
    parts = date_digits(format_)
    pieces = re.findall("[0-9]+", text)
    if len(pieces) != len(parts):
        digits = "".join(pieces)
        if len(digits) != sum(map(len, parts)):
            return None
        ends = [sum(map(len, parts[: k + 1])) for k in range(len(parts))]
        pieces = [digits[end - len(part) : end] for part, end in zip(parts, ends, strict=True)]
    found = dict(zip(parts, pieces, strict=True))
    if any(len(piece) > len(part) for part, piece in found.items()):
        return None
    year = found.get("YYYY", f"20{found.get('YY', '').zfill(2)}")
    try:
        dt.date(int(year), int(found["MM"]), int(found["DD"]))
    except ValueError:
        return None
    return _SPLIT.sub(lambda part: found[part[0]].zfill(len(part[0])), format_)


def year_of(date: str, format_: str) -> int | None:
    """Return the year of a date that `parse_date` gave; None if it has two digits only."""
    at = format_.find("YYYY")
    return None if at < 0 else int(date[at : at + 4])
