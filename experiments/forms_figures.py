"""The figures of `forms_reading.py`: what became of the fields of filled forms."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from record_runs import Json
from rich.table import Table

from tenfold.bundle.format import DetectorFacts, find_network
from tenfold.evaluation.metrics import wilson

PERCENTILE = 95
REVIEW_SHARES = (0.02, 0.04, 0.06, 0.08, 0.1)
THRESHOLDS = (0.9, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995)
IMPROBABLE = "probability"  # why a field is reviewed that nothing else speaks against


@dataclass(frozen=True)
class Outcome:
    """What became of a field.

    Attributes:
        place: number of the form, of the copy, and the field's name.
        groups: what the field is counted under: how the picture was taken, and so on.
        truth: what is written.
        value: what was read; "?" if the page was not found.
        why: it needs review; "" if it does not.
        probability: of the value.
        checked: by a check digit or a sum.
    """

    place: tuple[int, int, str]
    groups: tuple[str, ...]
    truth: str
    value: str
    why: str
    probability: float
    checked: bool

    @property
    def right(self) -> bool:
        """Whether the value is what is written."""
        return self.value == self.truth

    @property
    def review(self) -> bool:
        """Whether a person should look at it."""
        return bool(self.why)


@dataclass
class Measured:
    """What was measured of all pages."""

    with_rules: list[Outcome] = field(default_factory=list)
    without_rules: list[Outcome] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    not_found: list[tuple[int, int]] = field(default_factory=list)


def row_of(name: str, outcomes: Sequence[Outcome]) -> Json:
    """Return the figures of some fields."""
    accepted_wrong = sum(not one.right and not one.review for one in outcomes)
    return {
        "name": name,
        "fields": len(outcomes),
        "right": sum(one.right for one in outcomes),
        "reviewed": sum(one.review for one in outcomes),
        "accepted_wrong": accepted_wrong,
        "accepted_wrong_interval": [round(x, 6) for x in wilson(accepted_wrong, len(outcomes))],
    }


def rows_of(outcomes: Sequence[Outcome]) -> Iterator[Json]:
    """Yield the figures of all fields, and of each group."""
    yield row_of("all", outcomes)
    for place in range(len(outcomes[0].groups)):
        for name in sorted({one.groups[place] for one in outcomes}):
            yield row_of(name, [one for one in outcomes if one.groups[place] == name])


def accepted_wrong_after(outcomes: Iterable[Outcome], reviewed: int) -> int:
    """Count the wrong fields that are left when so many are reviewed.

    First those that something speaks against, then the least probable ones.
    """
    order = sorted(outcomes, key=lambda one: (one.why in {"", IMPROBABLE}, one.probability))
    return sum(not one.right for one in order[reviewed:])


def at_equal_review(with_rules: Sequence[Outcome], without_rules: Sequence[Outcome]) -> Json:
    """Compare what is wrong and accepted with rules and without, of the same fields."""
    reviewed = sum(one.review for one in with_rules)
    return {
        "fields": len(with_rules),
        "reviewed": reviewed,
        "with_rules": accepted_wrong_after(with_rules, reviewed),
        "without_rules": accepted_wrong_after(without_rules, reviewed),
    }


def at_threshold(outcomes: Sequence[Outcome], min_probability: float) -> tuple[int, int]:
    """Return how many fields a threshold reviews, and how many wrong ones it accepts."""
    accepted = [
        one
        for one in outcomes
        if one.why in {"", IMPROBABLE} and one.probability >= min_probability
    ]
    return len(outcomes) - len(accepted), sum(not one.right for one in accepted)


def seconds_of(seconds: Sequence[float]) -> Json:
    """Return mean and a percentile of the time of pages."""
    high = round(float(np.percentile(seconds, PERCENTILE)), 3)
    return {"mean": round(float(np.mean(seconds)), 3), f"percentile_{PERCENTILE}": high}


def content_of(measured: Measured, bundle: str) -> Json:
    """Return the record's content."""
    both = (measured.with_rules, measured.without_rules)
    checked = ([one for one in outcomes if one.checked] for outcomes in both)
    return {
        "detector": find_network(bundle, DetectorFacts)[1].sha256,
        "pages": len(measured.seconds),
        "pages_not_found": measured.not_found,
        "seconds_a_page": seconds_of(measured.seconds),
        "cpu_seconds_a_page": seconds_of(measured.cpu_seconds),
        "reviewed_because_of": Counter(one.why for one in measured.with_rules if one.review),
        "wrong_by_review_share": {
            str(share): accepted_wrong_after(
                measured.with_rules, round(share * len(measured.with_rules))
            )
            for share in REVIEW_SHARES
        },
        "by_min_probability": {
            str(p): dict(
                zip(
                    ("reviewed", "accepted_wrong"),
                    at_threshold(measured.with_rules, p),
                    strict=True,
                )
            )
            for p in THRESHOLDS
        },
        "accepted_wrong_at_equal_review": {
            "all": at_equal_review(*both),
            "checked by a check digit or a sum": at_equal_review(*checked),
        },
        "accepted_wrong": [
            [*one.place, one.truth, one.value, round(one.probability, 4)]
            for one in measured.with_rules
            if not one.right and not one.review
        ],
        "rows": list(rows_of(measured.with_rules)),
        "rows_without_rules": list(rows_of(measured.without_rules)),
    }


def table_of(content: Json) -> Table:
    """Lay the figures out for people."""
    headings = ("fields", "of", "right", "reviewed", "right after", "accepted and wrong")
    table = Table(*headings, box=None)
    for row in content["rows"]:
        n = row["fields"]
        after = n - row["accepted_wrong"]
        counts = (row["right"], row["reviewed"], after, row["accepted_wrong"])
        table.add_row(row["name"], str(n), *(f"{100 * count / n:.2f} %" for count in counts))
    return table
