"""Faults that come from the template: on nearly every document, and no others."""

from collections.abc import Mapping

import pytest

from tenfold.forms.field_reader import STROKES, Reading
from tenfold.forms.sums import MISSING_PAGE
from tenfold.forms.systematic import FaultCounts
from tenfold.forms.template import FormField, Template
from tenfold.forms.values import EMPTY, Candidate

FIELDS = (
    FormField(name="a", box=(10, 10, 20, 8), kind="number", max=50),
    FormField(name="b", box=(40, 10, 20, 8), kind="number"),
    FormField(name="grid", box=(10, 30, 40, 20), kind="grid", rows=2, columns=2),
    FormField(name="total", box=(10, 60, 20, 8), kind="number", sum_of=("a", "b")),
)
TEMPLATE = Template(name="slip", fields=FIELDS)

Said = tuple[str, float, str, str]  # value, probability, broken rule, reason
GOOD: Said = ("7", 0.999, "", "")
NOTHING: Said = (EMPTY, 0.999, "", "")
RANGE: Said = ("70", 0.999, "range", "")


def document(said: Mapping[str, Said]) -> list[Reading]:
    """Readings of all cells; good ones where nothing is said."""
    readings = []
    for cell in TEMPLATE.cells:
        value, probability, broken, reason = said.get(cell.name, GOOD)
        readings.append(Reading(cell, (Candidate(value, probability, broken),), reason))
    return readings


def questions(faulty: Mapping[str, Said], count: int, total: int) -> list[str]:
    counts = FaultCounts(TEMPLATE)
    for k in range(total):
        counts.add(document(faulty if k < count else {}))
    return list(counts.questions())


def test_the_field_the_rule_and_the_share_are_named() -> None:
    (question,) = questions({"a": RANGE}, 19, 20)
    assert question == (
        "is the template right? Field 'a' breaks the rule 'range' on 19 of 20 documents (95 %); "
        "look at its box, decimals, min and max"
    )


@pytest.mark.parametrize(("count", "total", "asked"), [(9, 9, 0), (9, 10, 1), (17, 19, 0)])
def test_few_documents_and_smaller_shares_say_nothing(count: int, total: int, asked: int) -> None:
    assert len(questions({"a": RANGE}, count, total)) == asked


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((EMPTY, 0.999, "required", ""), "is empty, though required, on"),
        (("7", 0.6, "", ""), "is doubtful on"),
        (("7", 0.4, "", STROKES), "has strokes that belong to no digit on"),
        (("7", 0.999, "values", ""), "look at its box and values"),
    ],
)
def test_other_faults(said: Said, expected: str) -> None:
    (question,) = questions({"b": said}, 10, 10)
    assert "Field 'b' " in question
    assert expected in question


@pytest.mark.parametrize("reason", [MISSING_PAGE, "beside a, which is crossed out"])
def test_faults_of_something_else_are_not_the_field_s(reason: str) -> None:
    assert questions({"b": ("7", 0.999, "", reason)}, 10, 10) == []


def test_different_faults_are_not_added_up() -> None:
    counts = FaultCounts(TEMPLATE)
    for k in range(10):
        counts.add(document({"a": RANGE if k % 2 else NOTHING}))
    assert list(counts.questions()) == []


def test_of_a_wrong_sum_the_total_is_named() -> None:
    said: Said = ("9", 0.999, "sum", "")
    (question,) = questions(dict.fromkeys(("a", "b", "total"), said), 10, 10)
    assert "Field 'total' breaks the rule 'sum'" in question
    crossed_out: Said = ("9", 0.4, "sum", STROKES)
    (question,) = questions({"a": crossed_out}, 10, 10)
    assert "Field 'a' has strokes" in question


def test_a_grid_is_one_field_and_may_have_empty_cells() -> None:
    assert questions({"grid[1,1]": RANGE}, 10, 10) == []
    assert questions(dict.fromkeys(("grid[1,2]", "grid[2,1]", "grid[2,2]"), NOTHING), 10, 10) == []
    most = {"grid[1,1]": RANGE, "grid[1,2]": RANGE, "grid[2,1]": NOTHING}
    (question,) = questions(most, 10, 10)
    assert "Field 'grid' breaks the rule 'range' on 10 of 10" in question


def test_a_field_that_is_seldom_filled_in_says_nothing() -> None:
    assert questions({"a": NOTHING}, 10, 10) == []


def test_no_documents_are_no_question() -> None:
    counts = FaultCounts(TEMPLATE)
    counts.add([])
    assert list(counts.questions()) == []
