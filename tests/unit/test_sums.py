"""Sums over fields, against an enumeration of all combinations."""

import itertools
import math

import pytest

from tenfold.forms.field_reader import Reading
from tenfold.forms.sums import MISSING_PAGE, SUM, sums_of, under_sums
from tenfold.forms.template import FormField, Template
from tenfold.forms.values import Candidate

PRIOR = 0.01


def template() -> Template:
    fields = [FormField(name=n, box=(10, 10, 9, 9), kind="number") for n in ("a", "b")]
    total = FormField(name="total", box=(10, 30, 9, 9), kind="number", sum_of=("a", "b"))
    return Template(name="sums", fields=(*fields, total))


def readings(*texts: dict[str, float]) -> list[Reading]:
    cells = template().cells
    return [
        Reading(cell, tuple(Candidate(text, p) for text, p in ranked.items()))
        for cell, ranked in zip(cells, texts, strict=True)
    ]


def enumerated(*texts: dict[str, float]) -> dict[str, float]:
    """The probabilities of the texts of the total."""
    joint = dict.fromkeys(texts[-1], 0.0)
    right = {
        values: math.prod(t[v] for t, v in zip(texts, values, strict=True))
        for values in itertools.product(*texts)
    }
    fits = {v for v in right if v[2] == "" or sum(int(x or 0) for x in v[:2]) == int(v[2])}
    possible = sum(right[v] for v in fits)
    share = possible * (1 - PRIOR) / (possible * (1 - PRIOR) + (1 - possible) * PRIOR)
    for values in fits:
        joint[values[2]] += share * right[values] / possible
    return {text: p + (1 - share) * texts[-1][text] for text, p in joint.items()}


def test_a_sum_decides_between_alternatives() -> None:
    texts = {"4": 0.97, "9": 0.03}, {"7": 0.55, "1": 0.45}, {"5": 0.9, "11": 0.1}
    found = under_sums(readings(*texts), sums_of(template()))
    assert [reading.best.value for reading in found] == ["4", "1", "5"]
    total = {c.value: c.probability for c in found[2].candidates}
    assert total == pytest.approx(enumerated(*texts), abs=0.02)


def test_a_wrong_sum_is_said_and_not_corrected() -> None:
    texts = {"4": 0.999, "9": 0.001}, {"7": 0.9999}, {"12": 0.999, "11": 0.0005}
    found = under_sums(readings(*texts), sums_of(template()))
    assert [reading.best.value for reading in found] == ["4", "7", "12"]
    assert all(reading.best.broken == SUM for reading in found)
    assert all(reading.needs_review(0.5) for reading in found)


def test_a_field_that_was_not_read_explains_a_wrong_sum() -> None:
    texts = {"4": 0.9995, "9": 0.0005}, {"7": 0.6}, {"12": 0.999, "11": 0.001}  # 8 is written
    a, b, total = under_sums(readings(*texts), sums_of(template()))
    assert not a.needs_review(0.97)
    assert total.best.broken == SUM
    # b says something else, or the total is 11, or the sum on paper is wrong.
    other, eleven, wrong = 0.4 * (1 - PRIOR), 0.6 * 0.001 * (1 - PRIOR), 0.6 * 0.999 * PRIOR
    assert b.best.value == "7"
    expected = (eleven + wrong) / (other + eleven + wrong)
    assert b.best.probability == pytest.approx(expected, rel=0.01)
    assert a.best.probability == pytest.approx(0.9995, abs=1e-4)


def test_an_alternative_explains_a_wrong_sum() -> None:
    texts = {"4": 0.9999}, {"7": 0.96, "1": 0.04}, {"5": 0.9999}
    a, b, total = under_sums(readings(*texts), sums_of(template()))
    assert [r.best.value for r in (a, b, total)] == ["4", "1", "5"]
    assert [r.needs_review(0.97) for r in (a, b, total)] == [False, True, False]


def test_what_is_not_read_settles_nothing_where_the_sum_is_right() -> None:
    texts = {"4": 0.9999}, {"7": 0.9}, {"11": 0.9999}
    found = under_sums(readings(*texts), sums_of(template()))
    assert not any(r.needs_review(0.97) for r in found)


def test_an_empty_part_is_nothing_and_an_empty_total_is_no_sum() -> None:
    for texts in (({"4": 1.0}, {"": 1.0}, {"4": 1.0}), ({"4": 1.0}, {"7": 1.0}, {"": 1.0})):
        found = under_sums(readings(*texts), sums_of(template()))
        assert not any(reading.best.broken for reading in found)


def test_a_sum_with_a_missing_page_is_no_sum() -> None:
    read = readings({"4": 1.0}, {"7": 1.0}, {"": 0.0})
    missing = Reading(read[2].cell, read[2].candidates, MISSING_PAGE)
    found = under_sums([*read[:2], missing], sums_of(template()))
    assert not any(reading.best.broken for reading in found)


def test_sums_of_grids_and_of_sums_are_read_together() -> None:
    grid = FormField(name="g", box=(10, 10, 40, 9), kind="grid", rows=1, columns=2)
    row = FormField(name="row", box=(60, 10, 9, 9), kind="number", sum_of=("g",))
    total = FormField(name="total", box=(10, 30, 9, 9), kind="number", sum_of=("row", "g[1,1]"))
    form = Template(name="grid", fields=(grid, row, total))
    assert sums_of(form) == (("g[1,1]", "g[1,2]", "row"), ("row", "g[1,1]", "total"))
    texts = [{"2": 0.9, "7": 0.1}, {"3": 1.0}, {"10": 0.5, "5": 0.5}, {"17": 0.6, "7": 0.4}]
    read = [
        Reading(cell, tuple(Candidate(text, p) for text, p in ranked.items()))
        for cell, ranked in zip(form.cells, texts, strict=True)
    ]
    found = [reading.best.value for reading in under_sums(read, sums_of(form))]
    assert found == ["2", "3", "5", "7"]  # 0.9 · 0.5 · 0.4 against 0.1 · 0.5 · 0.6
