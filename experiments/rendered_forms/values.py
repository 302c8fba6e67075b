"""Values that the fields of rendered forms may have, and how people write them."""

from rendered_forms.layout import FormLayout, PlacedField
from tenfold.reading.constraints import CHECKS, CheckDigit
from tenfold.rendering.sampling import Random, bernoulli

WRONG_SUM_SHARE = 0.01
FORGOTTEN_SHARE = 0.003  # of required fields that no rule needs
TICKED_SHARE = 0.4
TICKED, UNTICKED = "true", "false"


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


def _digits(count: int, check: CheckDigit | None, random: Random) -> str:
    """Draw digits, the last of which check the others."""
    while True:
        digits = "".join(map(str, random.integers(0, 10, count)))
        if check is None:
            return digits
        width = 2 if check == "iso7064-mod97-10" else 1
        endings = (f"{number:0{width}d}" for number in range(10**width))
        fitting = (digits[:-width] + ending for ending in endings)
        # Some rules have an X in place of a tenth digit: then nothing fits.
        if found := next(filter(CHECKS[check], fitting), None):
            return found
