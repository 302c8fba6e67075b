"""What a text that was read says in a field, which rule it breaks, and how probable that is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tenfold.forms.dates import parse_date, year_of
from tenfold.forms.template import FormField
from tenfold.reading.constraints import Constraints, only_digits

EMPTY = ""
# How often what is written on paper breaks a rule of the form.
RULE_BROKEN = 0.01
MIN_PROBABILITY = 1e-6  # of a candidate; less probable ones are left out
CANDIDATES = 8  # of a field that are kept, and that sums look at
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Candidate:
    """What a field may say.

    Attributes:
        value: as it stands in the table.
        probability: that the field says this.
        broken: the name of the first rule that the value breaks; "" if it breaks none.
        detections: indices of the detections of its characters, from left to right.
    """

    value: str
    probability: float
    broken: str = ""
    detections: tuple[int, ...] = ()


def value_of(text: str, field: FormField, *, point_printed: bool) -> tuple[str, str]:
    """Return the value that a text has in a field, and the first rule that it breaks, or "".

    Args:
        text: digits and marks.
        field: of any kind but mark.
        point_printed: whether the form may have a printed decimal point in the field.
    """
    if text == EMPTY:
        return EMPTY, "required" if field.required else ""
    if field.kind == "digits":
        value = only_digits(text)
        broken = "" if len(value) == field.length else "length"
    elif field.kind == "date":
        date = parse_date(text, field.format)
        value, broken = (text, "date") if date is None else (date, "")
    else:
        value, broken = _number(text, field, point_printed=point_printed)
    return value, broken or _broken_rule(value, field)


def _number(text: str, field: FormField, *, point_printed: bool) -> tuple[str, str]:
    value = text.rstrip(".")
    if field.decimals and point_printed and "." not in value:
        whole, decimals = value[: -field.decimals], value[-field.decimals :]
        if only_digits(whole) and decimals.isdigit():
            value = f"{whole}.{decimals}"
    if not _NUMBER.fullmatch(value):
        return text, "number"
    if value.startswith("-") and not field.sign:
        return value, "sign"
    if len(value.partition(".")[2]) != field.decimals:
        return value, "decimals"
    return value, ""


def _broken_rule(value: str, field: FormField) -> str:
    """Return the first of a field's own rules that a value breaks, or ""."""
    if _is_out_of_range(value, field):
        return "range"
    if field.values is not None and value not in field.values:
        return "values"
    if not Constraints(pattern=field.pattern).allow(value):
        return "pattern"
    if not Constraints(check=field.check).allow(value):
        return "check"
    return ""


def _is_out_of_range(value: str, field: FormField) -> bool:
    least, most = field.range
    number = year_of(value, field.format) if field.kind == "date" else value
    if number is None or (least is None and most is None):
        return False
    too_small = least is not None and Decimal(number) < Decimal(str(least))
    return too_small or (most is not None and Decimal(number) > Decimal(str(most)))


def under_rules(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates with their probabilities given the field's rules, the best first.

    A value that obeys the rules was likelier before anything was read than one that breaks one;
    by how much says `RULE_BROKEN`. So a probable reading outweighs a rule: nothing is corrected
    into something improbable. What none of the candidates says has the rest of the probability,
    and is taken to break a rule.

    Args:
        candidates: with the probabilities of having been read; at least one.
    """
    ranked = sorted(candidates, key=lambda candidate: -candidate.probability)
    kept = [c for c in ranked if c.probability >= MIN_PROBABILITY] or ranked[:1]
    rest = max(0.0, 1 - sum(c.probability for c in kept)) * RULE_BROKEN
    weights = [c.probability * (RULE_BROKEN if c.broken else 1 - RULE_BROKEN) for c in kept]
    total = sum(weights) + rest
    after = (
        Candidate(c.value, weight / total, c.broken, c.detections)
        for c, weight in zip(kept, weights, strict=True)
    )
    return tuple(sorted(after, key=lambda candidate: -candidate.probability))


def merged(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Add up the probabilities of candidates with the same value; the first one's detections."""
    by_value: dict[str, Candidate] = {}
    for c in candidates:
        known = by_value.get(c.value, Candidate(c.value, 0.0, c.broken, c.detections))
        probability = known.probability + c.probability
        by_value[c.value] = Candidate(c.value, probability, known.broken, known.detections)
    return list(by_value.values())
