"""Fields that are sums of others: all of them are read together."""

import itertools
import math
from collections.abc import Mapping, Sequence

from tenfold.forms.field_reader import Reading
from tenfold.forms.template import Template
from tenfold.forms.values import CANDIDATES, RULE_BROKEN
from tenfold.reading.rules import Candidates, Filling, Place, Sum, fillings, posteriors

SUM = "sum"
MISSING_PAGE = "missing page"
FILLINGS = 20  # the most probable ones that are looked at
MAX_WORK = 5_000  # of the search: 0.06 s a document; ten times as much changed nothing
MAX_UNREAD = 0.99  # of the probability that no candidate of a field is right


def sums_of(template: Template) -> tuple[tuple[str, ...], ...]:
    """Return the sums of a form: the names of their parts, and of the total at the end."""
    return tuple(
        (*(cell.name for part in field.sum_of for cell in template.cells_of(part)), field.name)
        for field in template.fields
        if field.sum_of
    )


def broken_sums(
    values: Mapping[str, str], sums: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Return the sums that are wrong.

    Args:
        values: of the fields by their names.
        sums: see `sums_of`.
    """
    broken = []
    for names in sums:
        places = {(k, 0): values[name] for k, name in enumerate(names)}
        if Sum(tuple(places)).broken(places):
            broken.append(names)
    return broken


def under_sums(
    readings: Sequence[Reading],
    sums: Sequence[tuple[str, ...]],
) -> list[Reading]:
    """Return the readings of a document with the sums taken into account.

    The most probable values that make the sums right are found among the alternatives. How much
    they count follows from how probable they were, as with the rules of one field: where the values
    that were read without the sums stay more probable, these stay, and the sum is violated.

    Of a violated sum a person has to see the total. Where a field that could not be read well
    explains it, that field becomes less probable, and the others stay as they are. Where nothing
    does, all fields need review: one may be misread.

    Args:
        readings: of a document.
        sums: see `sums_of`.
    """
    result = {reading.cell.name: reading for reading in readings}
    for group in _connected(sums):
        names = list(dict.fromkeys(itertools.chain.from_iterable(group)))
        if all(name in result and result[name].reason != MISSING_PAGE for name in names):
            result |= _together([result[name] for name in names], group)
    return list(result.values())


def _connected(sums: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Group sums that have a field in common, directly or through others."""
    groups: list[list[tuple[str, ...]]] = []
    for total in sums:
        near = [g for g in groups if any(set(total) & set(other) for other in g)]
        groups = [g for g in groups if g not in near]
        groups.append([*itertools.chain.from_iterable(near), total])
    return groups


def _together(readings: Sequence[Reading], group: Sequence[tuple[str, ...]]) -> dict[str, Reading]:
    """Return the readings of fields that sums connect, by name."""
    places = {reading.cell.name: (k, 0) for k, reading in enumerate(readings)}
    rule = [Sum(tuple(places[name] for name in names)) for names in group]
    cells = {
        place: {c.value: c.probability for c in reading.candidates[:CANDIDATES]}
        for place, reading in zip(places.values(), readings, strict=True)
    }
    found = list(itertools.islice(fillings(cells, rule, MAX_WORK), FILLINGS))
    obeyed = posteriors(cells, rule, found) if found else cells
    unread = _unread(cells, rule)
    by_alternatives, by_unread = _explained(found, sum(unread.values()))
    after = {}
    for place, before in cells.items():
        is_unread = by_unread * unread[place] / (sum(unread.values()) or 1.0)
        as_read = (1 - by_alternatives - is_unread) / (1 - unread[place])
        after[place] = {
            text: by_alternatives * obeyed[place][text] + as_read * p for text, p in before.items()
        }
    best = _best(after)
    broken = [condition.cells for condition in rule if condition.broken(best)]
    doubted = {cells[-1] for cells in broken}
    if by_alternatives + by_unread < 0.5:  # noqa: PLR2004 - more likely than not
        doubted.update(*broken)
    return {
        reading.cell.name: reading.under(after[place], SUM if place in doubted else "")
        for place, reading in zip(places.values(), readings, strict=True)
    }


def _best(cells: Candidates) -> dict[Place, str]:
    return {place: max(texts, key=lambda text: texts[text]) for place, texts in cells.items()}


def _unread(cells: Candidates, rule: Sequence[Sum]) -> dict[Place, float]:
    """Return the probability of each cell that it says none of its texts, if this explains sums.

    It is 0 where sums are right, and where another text of the cell makes them right.
    """
    best = _best(cells)
    broken = [condition for condition in rule if condition.broken(best)]
    result = {}
    for place, texts in cells.items():
        others = (best | {place: text} for text in texts)
        is_in_all = bool(broken) and all(place in condition.cells for condition in broken)
        if is_in_all and all(any(c.broken(other) for c in rule) for other in others):
            result[place] = min(MAX_UNREAD, max(0.0, 1 - sum(texts.values())))
        else:
            result[place] = 0.0
    return result


def _explained(found: Sequence[Filling], unread: float) -> tuple[float, float]:
    """Return how probable it is that sums are right: by alternatives, and by what was not read."""
    possible = min(1.0, sum(math.exp(filling.log_probability) for filling in found))
    unread = min(unread, 1 - possible)
    right, wrong = (possible + unread) * (1 - RULE_BROKEN), (1 - possible - unread) * RULE_BROKEN
    if not right:
        return 0.0, 0.0
    share = (1 - RULE_BROKEN) / (right + wrong)
    return possible * share, unread * share
