"""The other numbers of a table's column tell whether a stroke is a 1 or a slash."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_in_node import PAGE, run_in_node

from tenfold.reading.column_marks import ColumnMarksConfig, weigh_marks
from tenfold.reading.hypotheses import Hypothesis

Texts = dict[str, float]

USUAL = ColumnMarksConfig()

PROBABILITIES = st.floats(0.01, 1)
NUMBERS = st.lists(
    st.dictionaries(st.text("17/.", min_size=1, max_size=4), PROBABILITIES, min_size=1),
    min_size=1,
    max_size=6,
)


def tried(texts: Texts) -> list[Hypothesis]:
    """Return hypotheses, the most probable first."""
    ranked = sorted(texts.items(), key=lambda item: -item[1])
    return [Hypothesis(text, math.log(p), tuple(range(len(text)))) for text, p in ranked]


def weighed(
    numbers: list[Texts], columns: list[int], config: ColumnMarksConfig = USUAL
) -> list[Texts]:
    """Return the probabilities of texts, in the order in which they come."""
    found = weigh_marks([tried(number) for number in numbers], columns, config)
    return [{h.text: math.exp(h.log_probability) for h in each} for each in found]


def best(texts: Texts) -> str:
    return next(iter(texts))


def test_a_slash_among_whole_numbers_is_a_one() -> None:
    doubtful = {"4/84": 0.6, "4184": 0.4}
    whole = [{f"{number}": 1.0} for number in range(20)]
    assert best(weighed([doubtful, *whole], [0] * 21)[0]) == "4184"


def test_a_slash_among_fractions_is_a_slash() -> None:
    doubtful = {"4184": 0.6, "4/84": 0.4}
    fractions = [{f"{number}/7": 1.0} for number in range(5)]
    assert best(weighed([doubtful, *fractions], [0] * 6)[0]) == "4/84"


def test_doubtful_numbers_of_a_column_agree() -> None:
    """None of them is sure, but most others have no slash."""
    doubtful = {"4/84": 0.6, "4184": 0.4}
    whole = [{f"{number}": 1.0} for number in range(20)]
    found = weighed([doubtful] * 3 + whole, [0] * 23)
    assert [best(texts) for texts in found[:3]] == ["4184"] * 3


def test_other_columns_and_numbers_that_are_alone_say_nothing() -> None:
    doubtful = {"4/84": 0.6, "4184": 0.4}
    whole = [{f"{number}": 1.0} for number in range(20)]
    assert weighed([doubtful, *whole], [1] + [0] * 20)[0] == pytest.approx(doubtful)


def test_one_round_is_bayes_with_the_share_of_the_others() -> None:
    config = ColumnMarksConfig(share=0.2, strength=3.0, rounds=1)
    numbers = [{"1/7": 0.5, "117": 0.25}, {"2/3": 0.3, "213": 0.1}, {"5.5": 0.2}]
    slash = (0.3 / 0.4 + 0 + 0.2 * 3) / (2 + 3)
    point = (0 + 1 + 0.2 * 3) / (2 + 3)
    neither = (0 + 0 + 0.2 * 3) / (2 + 3)
    common = (1 - point) / 0.8 * ((1 - neither) / 0.8) ** 2
    with_slash = 0.5 * slash / 0.2 * common
    without = 0.25 * (1 - slash) / 0.8 * common
    scale = 0.75 / (with_slash + without)
    expected = {"1/7": with_slash * scale, "117": without * scale}
    assert weighed(numbers, [4, 4, 4], config)[0] == pytest.approx(expected)


@given(NUMBERS)
def test_probabilities_add_up_as_before_and_the_best_comes_first(numbers: list[Texts]) -> None:
    found = weighed(numbers, [0] * len(numbers))
    for before, after in zip(numbers, found, strict=True):
        assert after.keys() == before.keys()
        assert sum(after.values()) == pytest.approx(sum(before.values()))
        assert list(after.values()) == sorted(after.values(), reverse=True)


def test_the_page_does_the_same(require_tool: Callable[[str], str]) -> None:
    numbers = [
        {"4/84": 0.6, "4184": 0.4},
        {"12": 0.9, "1.2": 0.1, "72": 0.05},
        {"-7": 0.5, "7": 0.2},
        {"1/11": 0.7, "1111": 0.2, "11/1": 0.05},
        {"83": 1.0},
    ]
    columns = [0, 1, 0, 0, 1]
    texts = [[{"text": text, "probability": p} for text, p in number.items()] for number in numbers]
    given = json.dumps([texts, columns, asdict(ColumnMarksConfig())])
    module = json.dumps((PAGE / "reader" / "column-marks.js").as_uri())
    found = run_in_node(
        require_tool("node"),
        f"const {{ weighMarks }} = await import({module});"
        f"console.log(JSON.stringify(weighMarks(...{given})));",
    )
    for texts_there, here in zip(found, weighed(numbers, columns), strict=True):
        there = {one["text"]: one["probability"] for one in texts_there}
        assert there == pytest.approx(here)
        assert list(there) == list(here)
