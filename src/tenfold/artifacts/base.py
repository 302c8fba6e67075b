"""What all schemas share: how a file is read, checked and written, and types of fields."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    AllowInfNan,
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

T = TypeVar("T")
Finite = Annotated[float, AllowInfNan(False)]  # noqa: FBT003 - pydantic's own signature
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
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
        return cls.parse(read_text(path, fix), path, fix)

    @classmethod
    def parse(cls, text: str, path: Path, fix: str) -> Self:
        """Check text that stood in `path`; see `read_file`."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RunError(f"{path}: {_first_fault(error)}; {fix}") from error

    @classmethod
    def read_lines(cls, path: Path, fix: str) -> list[Self]:
        """Read a file with one JSON object a line; see `read_file`."""
        lines = read_text(path, fix).splitlines()
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


def read_text(path: Path, fix: str) -> str:
    """Read a UTF-8 file; see `Artifact.read_file`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); {fix}") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: not text; {fix}") from error


def _first_fault(error: ValidationError) -> str:
    """Say in one line which field is wrong, and how."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['ctx']['error']})"
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]


class ImageSet(Artifact):
    """Images that were trained or measured on."""

    images: Count = Field(description="how many")
    sha256: str = Field(description="SHA-256 of pixels and labels")


class NamedImageSet(ImageSet):
    """Images, and the name of their data set."""

    name: str = Field(description="the data set, such as mnist or a folder")
