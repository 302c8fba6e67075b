"""A form's template: its pages, its fields and their rules, in one TOML file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from tenfold.errors import TenfoldError
from tenfold.forms.dates import date_digits, parse_date
from tenfold.reading.constraints import CheckDigit, Constraints
from tenfold.untrusted import Frozen

Kind = Literal["digits", "number", "date", "grid", "mark"]
Registration = Literal["marks", "aruco", "blank"]
MIN_SIDE_MM = 1.0  # boxes are enlarged to one height in pixels: a tiny one would need gigabytes
Millimetres = Annotated[float, Field(ge=MIN_SIDE_MM, le=2000)]
Position = Annotated[float, Field(ge=0, le=2000)]
BoxMm = tuple[Position, Position, Millimetres, Millimetres]  # left, top, width, height
MAX_PAGES = 50
MAX_ARUCO_PAGES = 12  # the dictionary has 50 markers, and a page four of them
MAX_CELLS = 2_000
# Which keys a field of a kind may have, besides name, page, box and kind.
_RULES = frozenset({"required", "min", "max", "values", "pattern", "check", "unique", "sum_of"})
KEYS_OF_KIND: dict[Kind, frozenset[str]] = {
    "digits": _RULES | {"length"},
    "number": _RULES | {"decimals", "sign"},
    "date": frozenset({"required", "min", "max", "values", "unique", "format"}),
    "grid": (_RULES - {"check", "unique", "sum_of"}) | {"rows", "columns", "decimals", "sign"},
    "mark": frozenset(),
}
YEARS = (1900, 2099)  # of dates, unless a field says otherwise
NEEDED_OF_KIND: dict[Kind, tuple[str, ...]] = {"digits": ("length",), "grid": ("rows", "columns")}
# Columns of the table that are no fields.
DOCUMENT_COLUMNS = ("document", "files", "pages", "template", "problems")


def _check_name(value: object, handler: ValidatorFunctionWrapHandler) -> str:
    try:
        name: str = handler(value)
    except ValidationError as error:
        if error.errors()[0]["type"] != "string_pattern_mismatch":
            raise
        if value == "":
            raise ValueError("the field has no name") from error
        raise ValueError(
            "a name begins with a letter, a digit or _, and has only these, spaces and -"
        ) from error
    return name


FieldName = Annotated[str, Field(pattern=r"^\w[\w -]*$", max_length=60), WrapValidator(_check_name)]


class PageOfForm(Frozen):
    """The size of a page in millimetres."""

    width_mm: Millimetres = 210.0
    height_mm: Millimetres = 297.0


class FormField(Frozen):
    """A field: where it is on the paper, what is written there, and its rules.

    Attributes:
        name: unique; a column of the table.
        page: from 1.
        box: left, top, width, height in millimetres of the page.
        kind: a grid has a number a cell; a mark is a box that is ticked.
        length: count of digits, of kind digits.
        decimals: digits after the point, of a number.
        sign: whether a number may be negative.
        format: of a date: DD, MM and YYYY or YY in some order, with what stands between them.
        rows, columns: of a grid; its cells are columns `name[row,column]` of the table.
        min, max: of the value; of a date, its year.
        values, pattern, check: see `Constraints`.
        unique: no two documents have the same value.
        sum_of: names of fields, grids, or cells `name[row,column]`; an empty one is 0.
        required: whether an empty field needs review.
    """

    name: FieldName
    page: int = Field(default=1, ge=1)
    box: BoxMm
    kind: Kind
    length: int | None = Field(default=None, ge=1, le=40)
    decimals: int = Field(default=0, ge=0, le=9)
    sign: bool = False
    format: str = "DD.MM.YYYY"
    rows: int | None = Field(default=None, ge=1, le=100)
    columns: int | None = Field(default=None, ge=1, le=100)
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=10_000)
    pattern: str | None = None
    check: CheckDigit | None = None
    unique: bool = False
    sum_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    required: bool = False

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        allowed = KEYS_OF_KIND[self.kind] | {"name", "page", "box", "kind"}
        for key in sorted(self.model_fields_set - allowed):
            raise ValueError(f"{key}: does not go with the kind {self.kind}")
        for key in NEEDED_OF_KIND.get(self.kind, ()):
            if getattr(self, key) is None:
                raise ValueError(f"{key}: required of the kind {self.kind}, and missing")
        least, most = self.range
        if least is not None and most is not None and least > most:
            raise ValueError(f"min: {least:g} is above max, {most:g}")
        if self.kind == "date":
            self._check_format()
        self._check_values()
        try:
            Constraints(pattern=self.pattern)
        except TenfoldError as error:
            raise ValueError(f"pattern: {error}") from error
        return self

    def _check_format(self) -> None:
        try:
            parts = date_digits(self.format)
        except ValueError as error:
            raise ValueError(f"format: {error}") from error
        if "YYYY" not in parts and (self.min, self.max) != (None, None):
            raise ValueError("format: a year with min or max needs four digits, YYYY")

    def _check_values(self) -> None:
        decimals = rf"\.[0-9]{{{self.decimals}}}" if self.decimals else ""
        number = f"{'-?' if self.sign else ''}[0-9]+{decimals}"
        for value in self.values or ():
            if self.length is not None and not re.fullmatch(rf"[0-9]{{{self.length}}}", value):
                raise ValueError(f"values: {value!r} does not have {self.length} digits")
            if value and self.kind == "date" and parse_date(value, self.format) != value:
                raise ValueError(f"values: {value!r} is no date written as {self.format}")
            if value and self.kind in {"number", "grid"} and not re.fullmatch(number, value):
                raise ValueError(f"values: {value!r} does not fit decimals and sign")

    @property
    def range(self) -> tuple[float | None, float | None]:
        """The least and the greatest value; of a date, its year."""
        least, most = YEARS if self.kind == "date" else (None, None)
        return least if self.min is None else self.min, most if self.max is None else self.max

    @property
    def cells(self) -> "tuple[Cell, ...]":
        """The values of the field with their boxes: one, or those of a grid row by row."""
        if self.rows is None or self.columns is None:
            return (Cell(self.name, self, self.box),)
        left, top, width, height = self.box
        w, h = width / self.columns, height / self.rows
        return tuple(
            Cell(
                f"{self.name}[{row + 1},{column + 1}]",
                self,
                (left + w * column, top + h * row, w, h),
            )
            for row in range(self.rows)
            for column in range(self.columns)
        )


class Cell(NamedTuple):
    """One value of a document: a field, or a cell of a field that is a grid.

    Attributes:
        name: its column of the table.
        field: that it belongs to.
        box: left, top, width, height in millimetres of the page.
    """

    name: str
    field: FormField
    box: tuple[float, float, float, float]


class Template(Frozen):
    """A form.

    Attributes:
        name: of the form.
        registration: by what a page is found: black squares, ArUco markers, the blank form.
        blank: the unfilled form, a picture or a PDF; its pages are the form's pages.
        mark_inset_mm: from the centre of a square or marker to the two nearest edges of the page.
        mark_size_mm: side of a square or marker.
        min_probability: of a value that needs no review.
        pages: the sizes of the pages.
        fields: in the order of the table.
    """

    name: str = Field(min_length=1, max_length=100)
    registration: Registration = "marks"
    blank: Path | None = None
    mark_inset_mm: Millimetres = 10.0
    mark_size_mm: Millimetres = 6.0
    min_probability: float = Field(default=0.99, ge=0, le=1)
    pages: tuple[PageOfForm, ...] = Field(
        default=(PageOfForm(),), min_length=1, max_length=MAX_PAGES
    )
    fields: tuple[FormField, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if self.registration == "blank" and self.blank is None:
            raise ValueError('blank: required with registration = "blank", and missing')
        if self.registration == "aruco" and len(self.pages) > MAX_ARUCO_PAGES:
            limit = f'"aruco" has markers for {MAX_ARUCO_PAGES} pages'
            raise ValueError(f'registration: {limit}; take "marks" or "blank", or fewer pages')
        if sum((f.rows or 1) * (f.columns or 1) for f in self.fields) > MAX_CELLS:
            raise ValueError(f"fields: more than {MAX_CELLS} values")
        for place, fault in self._faults():
            raise ValueError(f"{place}: {fault}")
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        """Yield the places of faults, as keys with dots, and what they are."""
        seen: set[str] = set()
        for k, field in enumerate(self.fields):
            place = f"fields.{k}"
            if field.name.casefold() in seen:
                yield f"{place}.name", f"{field.name!r} is there twice"
            if field.name in DOCUMENT_COLUMNS:
                yield f"{place}.name", f"{field.name!r} is a column of the table; use another name"
            seen.add(field.name.casefold())
            if field.page > len(self.pages):
                yield f"{place}.page", f"there are {len(self.pages)} [[pages]]"
                continue
            page = self.pages[field.page - 1]
            left, top, width, height = field.box
            if left + width > page.width_mm or top + height > page.height_mm:
                size = f"{page.width_mm:g} x {page.height_mm:g} mm"
                yield f"{place}.box", f"it reaches beyond page {field.page}, {size}"
            w, h = field.cells[0].box[2:]
            if min(w, h) < MIN_SIDE_MM:
                yield f"{place}.box", f"its cells are {w:g} x {h:g} mm; at least 1 x 1 mm is read"
            for part in field.sum_of or ():
                if fault := self._fault_of_part(field, part):
                    yield f"{place}.sum_of", fault

    def _fault_of_part(self, field: FormField, part: str) -> str | None:
        """Return why a field cannot be a part of another's sum, or None."""
        try:
            cells = self.cells_of(part)
        except KeyError:
            return f"there is no field {part!r}"
        if cells[0].field is field:
            return "a field is no part of its own sum"
        if cells[0].field.kind in {"date", "mark"}:
            return f"{part!r} is of the kind {cells[0].field.kind}"
        return None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All values of a document, in the order of the table."""
        return tuple(cell for field in self.fields for cell in field.cells)

    def cells_of(self, name: str) -> tuple[Cell, ...]:
        """Return the values that a name stands for: a field, a grid, or a cell of a grid.

        Raises:
            KeyError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field.cells
            if name.startswith(f"{field.name}["):
                for cell in field.cells:
                    if cell.name == name:
                        return (cell,)
        raise KeyError(name)
