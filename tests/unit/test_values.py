"""Values of fields and their rules, against sums over all possibilities that are written out."""

import pytest

from tenfold.forms.template import FormField
from tenfold.forms.values import Candidate, merged, under_rules, value_of


def field(kind: str, **rules: object) -> FormField:
    return FormField.model_validate({"name": "f", "box": (10, 10, 40, 8), "kind": kind} | rules)


@pytest.mark.parametrize(
    ("rules", "text", "value", "broken"),
    [
        ({"kind": "digits", "length": 3}, "123", "123", ""),
        ({"kind": "digits", "length": 3}, "1-23", "123", ""),
        ({"kind": "digits", "length": 3}, "12", "12", "length"),
        ({"kind": "digits", "length": 4, "check": "luhn"}, "1234", "1234", "check"),
        ({"kind": "number"}, "07.", "07", ""),
        ({"kind": "number"}, "7.5", "7.5", "decimals"),
        ({"kind": "number"}, "7/5", "7/5", "number"),
        ({"kind": "number"}, "-7", "-7", "sign"),
        ({"kind": "number", "sign": True, "min": -9}, "-7", "-7", ""),
        ({"kind": "number", "sign": True, "min": -5}, "-7", "-7", "range"),
        ({"kind": "number", "decimals": 1, "max": 9.5}, "9.5", "9.5", ""),
        ({"kind": "number", "decimals": 1, "max": 9.5}, "9.6", "9.6", "range"),
        ({"kind": "date"}, "1.12.2099", "01.12.2099", ""),
        ({"kind": "date"}, "26.12.2913", "26.12.2913", "range"),
        ({"kind": "date"}, "1.2.34", "01.02.0034", "range"),
        ({"kind": "date", "min": 1800, "max": 1850}, "1.2.1850", "01.02.1850", ""),
        ({"kind": "date", "min": 1800, "max": 1850}, "1.2.1851", "01.02.1851", "range"),
        ({"kind": "date", "format": "DD.MM.YY"}, "1.2.99", "01.02.99", ""),
        ({"kind": "number", "decimals": 1}, "95", "9.5", ""),  # the point is printed
        ({"kind": "number", "decimals": 1}, "5", "5", "decimals"),
        ({"kind": "number", "values": ["1", "3"]}, "2", "2", "values"),
        ({"kind": "number", "pattern": "[1-5]"}, "6", "6", "pattern"),
        ({"kind": "number", "required": True}, "", "", "required"),
        ({"kind": "number"}, "", "", ""),
        ({"kind": "date"}, "3.5.2024", "03.05.2024", ""),
        ({"kind": "date"}, "30022024", "30022024", "date"),
    ],
)
def test_a_text_has_a_value_and_the_rule_that_it_breaks(
    rules: dict[str, object], text: str, value: str, broken: str
) -> None:
    kind = str(rules.pop("kind"))
    assert value_of(text, field(kind, **rules), point_printed=True) == (value, broken)


def test_without_a_printed_point_one_must_be_written() -> None:
    price = field("number", decimals=2)
    assert value_of("250", price, point_printed=False) == ("250", "decimals")


def test_the_posterior_is_that_of_bayes() -> None:
    """Of four readings two break a rule; 0.1 is left for what is no candidate."""
    read = {"1": (0.4, "check"), "2": (0.3, ""), "3": (0.15, ""), "4": (0.05, "check")}
    candidates = [Candidate(value, p, broken) for value, (p, broken) in read.items()]
    prior = 0.01
    joint = {v: p * (prior if broken else 1 - prior) for v, (p, broken) in read.items()}
    evidence = sum(joint.values()) + 0.1 * prior
    found = {c.value: c.probability for c in under_rules(candidates)}
    assert found == pytest.approx({value: p / evidence for value, p in joint.items()})


def test_a_rule_corrects_what_is_doubtful_and_not_what_is_sure() -> None:
    doubtful = [Candidate("17", 0.6, "check"), Candidate("11", 0.39)]
    assert under_rules(doubtful)[0].value == "11"
    sure = [Candidate("17", 0.9995, "check"), Candidate("11", 0.0005)]
    best = under_rules(sure)[0]
    assert (best.value, best.broken) == ("17", "check")


def test_a_rule_never_makes_an_improbable_reading_sure() -> None:
    for p in (0.001, 0.01, 0.1, 0.2):
        best = under_rules([Candidate("17", 1 - p, "check"), Candidate("11", p)])[0]
        assert best.broken or best.probability < 0.97


def test_the_best_of_improbable_readings_stays() -> None:
    (best,) = under_rules([Candidate("123", 1e-9), Candidate("124", 1e-8)])
    assert best.value == "124"
    assert best.probability < 0.1


def test_texts_with_one_value_add_up() -> None:
    found = merged([Candidate("12", 0.5, "", (0, 1)), Candidate("12", 0.25, "", (0, 2, 1))])
    assert found == [Candidate("12", 0.75, "", (0, 1))]
