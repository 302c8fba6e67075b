"""Values that the fields of rendered forms may have, and how people write them."""

from collections.abc import Callable

from rendered_forms.layout import FormLayout, PlacedField
from tenfold.rendering.sampling import Random, bernoulli

WRONG_SUM_SHARE = 0.01
FORGOTTEN_SHARE = 0.003  # of required fields that no rule needs
TICKED_SHARE = 0.4
TICKED, UNTICKED = "true", "false"

_VERHOEFF_ROW = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def sample_values(layout: FormLayout, random: Random) -> dict[str, str]:
    """Draw what somebody fills in, by the columns of the table: `name`, or `name[row,column]`.

    An empty text is an empty field; a box to tick is "true" or "false". Some sums are wrong, as
    people's are.
    """
    values: dict[str, str] = {}
    summed = {name for placed in layout.fields for name in placed.spec.get("sum_of", ())}
    for placed in layout.fields:
        name = placed.item.name
        if placed.item.kind == "grid":
            for key in cell_names(placed):
                values[key] = _value(placed, values, random, required=False)
        else:
            required = name in summed or "sum_of" in placed.spec or "unique" in placed.spec
            values[name] = _value(placed, values, random, required=required)
    return values


def cell_names(placed: PlacedField) -> list[str]:
    """Return the names of a grid's columns of the table, row by row."""
    rows, columns = placed.item.shape
    return [
        f"{placed.item.name}[{row},{column}]"
        for row in range(1, rows + 1)
        for column in range(1, columns + 1)
    ]


def _value(placed: PlacedField, values: dict[str, str], random: Random, *, required: bool) -> str:
    item, spec = placed.item, placed.spec
    if item.kind == "mark":
        return TICKED if bernoulli(random, TICKED_SHARE) else UNTICKED
    if not required and bernoulli(random, item.empty_share or FORGOTTEN_SHARE):
        return ""
    if item.kind == "date":
        return _date(spec["format"], random)
    if item.kind == "digits":
        if "values" in spec:
            return str(spec["values"][random.integers(len(spec["values"]))])
        return _digits(item.digits, spec.get("check"), random)
    return _number(placed, values, random)


def _number(placed: PlacedField, values: dict[str, str], random: Random) -> str:
    item, spec = placed.item, placed.spec
    if "sum_of" in spec:
        total = sum(int(values[name]) for name in spec["sum_of"])
        return str(total + 10 * bernoulli(random, WRONG_SUM_SHARE))
    decimals = spec.get("decimals", 0)
    scale = 10**decimals
    greatest = min(int(spec["max"]) * scale, 10**item.digits - 1)
    number = int(random.integers(int(spec["min"]) * scale, greatest + 1))
    return f"{number / scale:.{decimals}f}"


def _date(date_format: str, random: Random) -> str:
    day, month = int(random.integers(1, 29)), int(random.integers(1, 13))
    year = int(random.integers(1990, 2030))
    parts = {"DD": f"{day:02d}", "MM": f"{month:02d}", "YYYY": str(year), "YY": f"{year % 100:02d}"}
    text = date_format
    for name in ("YYYY", "YY", "MM", "DD"):
        text = text.replace(name, parts[name])
    return text


def _digits(count: int, check: str | None, random: Random) -> str:
    """Draw digits, the last of which check the others."""
    while True:
        digits = "".join(map(str, random.integers(0, 10, count)))
        if check is None:
            return digits
        width = 2 if check == "iso7064-mod97-10" else 1
        found = CHECK_DIGITS[check](digits[:-width])
        if len(found) == width:  # some rules have an X in place of a tenth digit
            return digits[:-width] + found


def _luhn(digits: str) -> str:
    doubled = [int(c) * (2 - place % 2) for place, c in enumerate(reversed(digits))]
    return str(-sum(sum(divmod(value, 10)) for value in doubled) % 10)


def _mod10(digits: str) -> str:
    return str(
        -sum(int(c) * (3 - 2 * (place % 2)) for place, c in enumerate(reversed(digits))) % 10
    )


def _mod11(digits: str) -> str:
    return str(-sum(int(c) * place for place, c in enumerate(reversed(digits), 2)) % 11)


def _mod11_2(digits: str) -> str:
    rest = 0
    for character in digits:
        rest = (rest + int(character)) * 2 % 11
    return str((1 - rest) % 11)


def _mod97_10(digits: str) -> str:
    return f"{(1 - int(digits) * 100) % 97:02d}"


def _verhoeff(digits: str) -> str:
    """Return the digit by Verhoeff's rule (1969): products in the dihedral group of order ten."""
    total = 0
    for place, character in enumerate(reversed(digits), 1):
        value = int(character)
        for _ in range(place % 8):
            value = _VERHOEFF_ROW[value]
        total = _dihedral(total, value)
    return str(next(digit for digit in range(10) if _dihedral(total, digit) == 0))


def _dihedral(a: int, b: int) -> int:
    """Multiply two elements: 0 … 4 are rotations, 5 … 9 reflections."""
    if a < 5:  # noqa: PLR2004
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5  # noqa: PLR2004
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5  # noqa: PLR2004


CHECK_DIGITS: dict[str, Callable[[str], str]] = {
    "luhn": _luhn,
    "mod10": _mod10,
    "mod11": _mod11,
    "verhoeff": _verhoeff,
    "iso7064-mod11-2": _mod11_2,
    "iso7064-mod97-10": _mod97_10,
}
