from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from clear_digits import number, on_paper
from hypothesis import given
from hypothesis import strategies as st

from tenfold.bundle.format import SHIPPED
from tenfold.data.decoding import Picture
from tenfold.errors import BundleError, DataError
from tenfold.reading.bulk import batched, read_in_bulk
from tenfold.reading.constraints import Constraints
from tenfold.reading.page import Page
from tenfold.reading.reader import Reader
from tenfold.rendering.strokes import draw_digit


def drawings(count: int) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(5)
    return [255 - draw_digit(index % 10, random) for index in range(count)]


def summary(outcome: Page | DataError) -> object:
    return str(outcome) if isinstance(outcome, DataError) else outcome.to_dict("")


def test_several_processes_read_what_one_reads_in_the_same_order(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pictures: list[Picture] = [*drawings(150), tmp_path / "broken.png", *drawings(150)]
    together = [summary(o) for o in read_in_bulk(pictures, SHIPPED, "single", workers=2)]
    assert together == [summary(o) for o in Reader.load().outcomes(pictures, "single")]
    assert str(together[150]).startswith(f"{tmp_path / 'broken.png'}: not a readable image: PNG")


@pytest.mark.parametrize("workers", [1, 2])
def test_constraints_and_the_least_probability_reach_the_reader(workers: int) -> None:
    outcomes = read_in_bulk(
        [on_paper(number("42", 50)[0], 0, 255)],
        SHIPPED,
        constraints=Constraints(length=9),
        min_probability=0.0,
        workers=workers,
    )
    (page,) = outcomes
    assert isinstance(page, Page)
    assert [found.reason for found in page.numbers] == ["does not fit"]


def test_pictures_are_fetched_only_a_little_ahead() -> None:
    fetched = 0

    def many() -> Iterator[npt.NDArray[np.uint8]]:
        nonlocal fetched
        for _ in range(10**9):
            fetched += 1
            yield np.full((28, 28), 255, np.uint8)

    outcomes = read_in_bulk(many(), SHIPPED, "single", workers=2)
    for _ in range(10):
        next(outcomes)
    assert 10 <= fetched <= 2_000
    outcomes.close()  # type: ignore[attr-defined]  # a generator


def test_a_bad_bundle_is_named_before_any_process_starts(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="bundle"):
        next(read_in_bulk(drawings(3), tmp_path / "none", workers=2))


@given(st.lists(st.integers(), max_size=50), st.integers(1, 9))
def test_batches_are_the_items_in_order(items: list[int], size: int) -> None:
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(batches)
