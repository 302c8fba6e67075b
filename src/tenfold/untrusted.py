"""Files that anyone may have written are read here: with a limit, and a fault is one line."""

import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
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
_INTEGER_FAULT = "an integer has more than 64 bits"


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
