"""Fields that are sums of others: all of them are read together."""

import itertools
import math
from collections.abc import Mapping, Sequence

from tenfold.forms.field_reader import Reading
from tenfold.forms.template import Template
from tenfold.forms.values import RULE_BROKEN
from tenfold.reading.rules import Filling, Sum, fillings, posteriors

SUM = "sum"
MISSING_PAGE = "missing page"
FILLINGS = 20  # the most probable ones that are looked at
CANDIDATES = 8  # of a field
MAX_WORK = 50_000


def sums_of(template: Template) -> tuple[tuple[str, ...], ...]:
    """Return the sums of a form: the names of their parts, and of the total at the end."""
    return tuple(
        (*(cell.name for part in field.sum_of for cell in template.cells_of(part)), field.name)
        for field in template.fields
        if field.sum_of
    )


def under_sums(
    readings: Sequence[Reading],
    sums: Sequence[tuple[str, ...]],
    rule_broken: float = RULE_BROKEN,
) -> list[Reading]:
    """Return the readings of a document with the sums taken into account.

    The most probable values that make the sums right are found among the alternatives. How much
    they count follows from how probable they were, as with the rules of one field: where the values
    that were read without the sums stay more probable, these stay, and the sum is violated.

    Args:
        readings: of a document.
        sums: see `sums_of`.
        rule_broken: how often what is written breaks a rule.
    """
    result = {reading.cell.name: reading for reading in readings}
    for group in _connected(sums):
        names = list(dict.fromkeys(itertools.chain.from_iterable(group)))
        if all(name in result and result[name].reason != MISSING_PAGE for name in names):
            result |= _together([result[name] for name in names], group, rule_broken)
    return list(result.values())


def _connected(sums: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Group sums that have a field in common, directly or through others."""
    groups: list[list[tuple[str, ...]]] = []
    for total in sums:
        near = [g for g in groups if any(set(total) & set(other) for other in g)]
        groups = [g for g in groups if g not in near]
        groups.append([*itertools.chain.from_iterable(near), total])
    return groups


def _together(
    readings: Sequence[Reading], group: Sequence[tuple[str, ...]], rule_broken: float
) -> dict[str, Reading]:
    """Return the readings of fields that sums connect, by name."""
    places = {reading.cell.name: (k, 0) for k, reading in enumerate(readings)}
    rule = [Sum(tuple(places[name] for name in names)) for names in group]
    cells = {
        place: {c.value: c.probability for c in reading.candidates[:CANDIDATES]}
        for place, reading in zip(places.values(), readings, strict=True)
    }
    found = list(itertools.islice(fillings(cells, rule, MAX_WORK), FILLINGS))
    fits = _probability_of_fitting(found, rule_broken)
    after = posteriors(cells, rule, found) if found else cells
    best = {place: max(texts, key=lambda t: texts[t]) for place, texts in cells.items()}
    broken = {place for condition in rule for place in condition.broken(best)}
    result = {}
    for place, reading in zip(places.values(), readings, strict=True):
        mixed = _mixed(after[place], cells[place], fits)
        is_broken = fits < 0.5 and place in broken  # noqa: PLR2004 - more likely than not
        result[reading.cell.name] = reading.under(mixed, SUM if is_broken else "")
    return result


def _mixed(
    after: Mapping[str, float], before: Mapping[str, float], fits: float
) -> dict[str, float]:
    """Return probabilities, given how probable it is that what is written obeys the sums."""
    return {text: fits * after[text] + (1 - fits) * p for text, p in before.items()}


def _probability_of_fitting(found: Sequence[Filling], rule_broken: float) -> float:
    """Return how probable it is that the sums are right."""
    possible = min(1.0, sum(math.exp(filling.log_probability) for filling in found))
    right, wrong = possible * (1 - rule_broken), (1 - possible) * rule_broken
    return right / (right + wrong) if possible else 0.0
