"""What all schemas share: how a file is read, checked and written, and types of fields."""

import base64
import binascii
import math
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from tenfold.data.mnist import CLASSES, SIDE
from tenfold.errors import RunError
from tenfold.files import write_atomically
from tenfold.untrusted import check_json_size, fault_line, read_text

T = TypeVar("T")
# Bounds of every number in an artifact: figures are drawn and printed without overflow.
LARGEST_INTEGER = 2**63 - 1  # seeds have as many bits
LARGEST_COUNT = 2**53  # up to here float64 has all whole numbers
LARGEST_FLOAT = 1e100


def _bounded(value: float) -> float:
    """Refuse a number that no training computes; one that diverged is infinite or NaN."""
    if LARGEST_FLOAT < abs(value) < math.inf:
        raise ValueError(f"{value:g} is beyond ±{LARGEST_FLOAT:g}")
    return value


Number = Annotated[float, AfterValidator(_bounded)]
Finite = Annotated[Number, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Integer = Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Digit = Annotated[int, Field(ge=0, lt=CLASSES)]
PerClass = Annotated[tuple[T, ...], Field(min_length=CLASSES, max_length=CLASSES)]
NonEmpty = Annotated[tuple[T, ...], Field(min_length=1)]


def _decoded(value: object) -> object:
    """Turn base64 text into bytes."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


Pixels = Annotated[
    bytes,
    BeforeValidator(_decoded),
    PlainSerializer(lambda pixels: base64.b64encode(pixels).decode(), when_used="json"),
    Field(
        min_length=SIDE * SIDE,
        max_length=SIDE * SIDE,
        description="uint8[28 × 28], row by row, 255 is the foreground; base64 in JSON",
    ),
]


class Artifact(BaseModel):
    """Base of all: frozen, strict about its fields, one JSON document or one line of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    @classmethod
    def read_file(cls, path: Path, fix: str) -> Self:
        """Read a file of this class.

        Args:
            path: the file.
            fix: what the user can do about a damaged file; it ends the message.

        Raises:
            RunError: it cannot be read, or a field is not what it should be.
        """
        return cls.parse(read_text(path, RunError, fix), path, fix)

    @classmethod
    def parse(cls, text: str, path: Path, fix: str) -> Self:
        """Check text that stood in `path`; see `read_file`."""
        try:
            check_json_size(text)
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RunError(f"{path}: {fault_line(error)}; {fix}") from error
        except ValueError as error:
            raise RunError(f"{path}: {error}; {fix}") from error

    @classmethod
    def read_lines(cls, path: Path, fix: str) -> list[Self]:
        """Read a file with one JSON object a line; see `read_file`."""
        lines = read_text(path, RunError, fix).splitlines()
        return [cls.parse(line, path, f"line {n}; {fix}") for n, line in enumerate(lines, 1)]

    def to_json(self, indent: int | None = None) -> str:
        """Return the text of a JSON file, a line break at its end."""
        return self.model_dump_json(indent=indent) + "\n"

    def write_file(self, path: Path, indent: int | None = None) -> Path:
        """Write this as a JSON file, whole or not at all.

        Raises:
            WriteError: it cannot be written.
        """
        return write_atomically(path, self.to_json(indent))


class ImageSet(Artifact):
    """Images that were trained or measured on."""

    images: Count = Field(description="how many")
    sha256: str = Field(description="SHA-256 of pixels and labels")


class NamedImageSet(ImageSet):
    """Images, and the name of their data set."""

    name: str = Field(description="the data set, such as mnist or a folder")
