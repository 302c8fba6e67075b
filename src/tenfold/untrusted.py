"""Files that anyone may have written are read here: with a limit, and a fault is one line."""

import difflib
import json
import re
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from tenfold.errors import TenfoldError

MAX_FILE_BYTES = 128 * 2**20
MAX_TOML_BYTES = 64 * 2**10
MAX_DEPTH = 100  # tables and lists within one another
# The time and memory that tomllib takes for a dotted key are quadratic in its parts.
MAX_DOTS_IN_A_LINE = 200
# pydantic takes up to a kilobyte for a value of a few bytes.
MAX_JSON_VALUES = 1_000_000
# Each fault that pydantic describes takes a kilobyte.
MAX_FAULTS = 10_000
# Keys and indices that lead to a value, and what is wrong with it.
Fault = tuple[tuple[str | int, ...], str]
_INTEGER_FAULT = "an integer has more than 64 bits"


class Frozen(BaseModel):
    """A part of a file: immutable, unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_bytes(
    path: Path, error: type[TenfoldError], fix: str = "", limit: int = MAX_FILE_BYTES
) -> bytes:
    """Read a file.

    Args:
        path: the file.
        error: what is raised.
        fix: what the user can do; it ends the message.
        limit: bytes; a larger file is refused before it is read.

    Raises:
        TenfoldError: `error`, if the file is missing, is a pipe or a device, or is too large.
    """
    fix = f"; {fix}" if fix else ""
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise error(f"{path}: is a pipe or a device, not a file{fix}")
        if status.st_size > limit:
            raise error(f"{path}: {status.st_size:,} bytes are above the limit of {limit:,}{fix}")
        return path.read_bytes()
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}){fix}") from fault


def read_text(
    path: Path, error: type[TenfoldError], fix: str = "", limit: int = MAX_FILE_BYTES
) -> str:
    """Read a UTF-8 file; see `read_bytes`."""
    try:
        return read_bytes(path, error, fix, limit).decode()
    except UnicodeDecodeError as fault:
        fix = f"; {fix}" if fix else ""
        raise error(f"{path}: not UTF-8 text{fix}") from fault


def read_toml(path: Path, error: type[TenfoldError], fix: str = "") -> tuple[str, dict[str, Any]]:
    """Read a TOML file: its text, and its keys as `parse_toml` returns them.

    Raises:
        TenfoldError: `error`, if it cannot be read or is not TOML.
    """
    text = read_text(path, error, fix, MAX_TOML_BYTES)
    try:
        return text, parse_toml(text)
    except ValueError as fault:
        raise error(f"{path}: not valid TOML: {fault}") from fault


def parse_toml(text: str) -> dict[str, Any]:
    """Return the keys of TOML: integers of 64 bits, at most `MAX_DEPTH` tables or lists deep.

    Raises:
        ValueError: it is something else.
    """
    if any(line.count(".") > MAX_DOTS_IN_A_LINE for line in text.split("\n")):
        raise ValueError(f"a line has more than {MAX_DOTS_IN_A_LINE} dots")
    too_deep = f"tables or lists are more than {MAX_DEPTH} deep"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as fault:  # of Python, whose integers end at 4,300 digits
        raise ValueError(_INTEGER_FAULT) from fault
    except RecursionError as fault:
        raise ValueError(too_deep) from fault
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return document
    raise ValueError(too_deep)


def _children(node: object) -> Iterator[object]:
    """Yield what is in a table or a list."""
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node
    elif isinstance(node, int) and not -(2**63) <= node < 2**63:
        raise ValueError(_INTEGER_FAULT)


def check_json_size(text: str) -> None:
    """Refuse JSON that would take more than a gigabyte once it is parsed.

    Raises:
        ValueError: there are more than `MAX_JSON_VALUES` values in it.
    """
    if sum(map(text.count, ",[{")) > MAX_JSON_VALUES:
        raise ValueError(f"more than {MAX_JSON_VALUES:,} values")


def first_fault(error: ValidationError) -> ErrorDetails | None:
    """Return the first fault that pydantic found; None if they are too many to be described."""
    if error.error_count() > MAX_FAULTS:
        return None
    return error.errors(include_url=False)[0]


def fault_line(error: ValidationError, document: str = "") -> str:
    """Say in one line which field is wrong, and how.

    Args:
        error: of pydantic.
        document: what the line names where no field is wrong by itself; by default nothing.
    """
    first = first_fault(error)
    if first is None:
        return f"{error.error_count():,} faults"
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['ctx']['error']})"
    place = ".".join(map(str, first["loc"])) or document
    return f"{place}: {first['msg']}" if place else first["msg"]


def describe_fault(error: ValidationError, model: type[BaseModel]) -> Fault:
    """Return the place and a description of the first fault of a document of the class `model`."""
    problems = error.errors()
    # A misspelt required key is two problems, missing and unknown: the second is more helpful.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    return _describe_problem(problem, model)


def describe_faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return the place and a description of every fault; of too many, only how many they are."""
    if error.error_count() > MAX_FAULTS:
        return [((), f"{error.error_count():,} faults")]
    return [_describe_problem(problem, model) for problem in error.errors()]


def _describe_problem(problem: ErrorDetails, model: type[BaseModel]) -> Fault:
    location = problem["loc"]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return location, f"unknown key{hint} (allowed: {', '.join(known)})"
    if problem["type"] == "missing":
        return location, "required, and missing"
    return location, f"{message} (found {json.dumps(problem['input'], default=str)[:60]})"


def _known_keys(model: Any, location: Sequence[str | int]) -> list[str]:  # noqa: ANN401
    """Return the keys allowed in the table at `location`."""
    for part in location:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            arguments = getattr(annotation, "__args__", ())
            model = arguments[0] if arguments else annotation
    return sorted(model.model_fields)


def line_of(text: str, location: Sequence[str | int]) -> int:
    """Return the number of the line of TOML that sets `location`, or the nearest table, or 0."""
    wanted = tuple(map(str, location))
    table: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    deepest, found = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
            name = header[2]
            table = tuple(name.split("."))
            if header[1] == "[[":
                table = (*table, str(counts.setdefault(name, 0)))
                counts[name] += 1
            place = table
        elif key := re.match(r"\s*([\w.-]+)\s*=", line):
            place = (*table, *key[1].split("."))
        else:
            continue
        if deepest < len(place) and place == wanted[: len(place)]:
            deepest, found = len(place), number
    return found
