"""Pictures: what is refused on construction, and what the hash depends on."""

from typing import Any

import numpy as np
import pytest

from tenfold.data.pictures import Pictures
from tenfold.errors import DataError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
SUDOKU = "1" + "." * 79 + "9"


def make(**changes: Any) -> Pictures:
    fields = {"pictures": (GREY, COLOUR), "labels": ("7", "0"), "name": "x", "source": "here"}
    return Pictures(**{"kind": "single", **fields, **changes})


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("single", ("7", "0")),
        ("number", ("40213", "")),
        ("number", ("-8.50 10:30", "2026-12-01")),
        ("grid", (SUDOKU, "." * 81)),
        ("non-digit", ("", "")),
        ("table", ("12,,7.5/-3,4,", "10:30/")),
    ],
)
def test_each_kind_has_its_labels(kind: str, labels: tuple[str, ...]) -> None:
    assert make(kind=kind, labels=labels).labels == labels


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels": ("7",)}, "1 labels for 2 pictures"),
        ({"labels": ("7", "10")}, "label 1 is '10'; single pictures have one digit"),
        ({"labels": ("7", "")}, "label 1 is ''"),
        ({"labels": ("7", "٣")}, "label 1 is '٣'"),
        ({"labels": ("7\n", "7")}, "label 0 is"),
        (
            {"kind": "number", "labels": ("12", "1a")},
            "label 1 is '1a'; number pictures have digits",
        ),
        ({"kind": "grid", "labels": (SUDOKU, SUDOKU[:80])}, "81 digits and dots"),
        ({"kind": "table", "labels": ("1,2/3,4", "1,2/3")}, "label 1 is '1,2/3'; table pictures"),
        ({"kind": "table", "labels": ("1,a", "1,2")}, "label 0 is '1,a'; table pictures have rows"),
        ({"kind": "non-digit"}, "label 0 is '7'; non-digit pictures have nothing"),
        ({"pictures": (GREY, GREY.astype(np.int64))}, "picture 1 must be uint8 .* not int64"),
        ({"pictures": (GREY[0], GREY)}, r"picture 0 must be .* not uint8 \[4\]"),
        ({"pictures": (GREY, COLOUR[..., :2])}, r"picture 1 .* not uint8 \[2, 4, 2\]"),
        ({"pictures": (GREY[:0], GREY)}, r"picture 0 .* not uint8 \[0, 4\]"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        make(**changes)


def test_the_hash_is_that_of_the_contents() -> None:
    expected = make().sha256
    # Another stride and another name are no other contents.
    mirrored = np.asfortranarray(GREY)
    assert make(pictures=(mirrored, COLOUR), name="y", source="there").sha256 == expected
    brighter = GREY.copy()
    brighter[2, 3] += 1
    for changes in (
        {"pictures": (brighter, COLOUR)},
        {"pictures": (GREY.reshape(4, 3), COLOUR)},
        {"pictures": (COLOUR, GREY)},
        {"labels": ("7", "1")},
    ):
        assert make(**changes).sha256 != expected
