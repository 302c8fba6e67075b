from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.bundle.format import SHIPPED
from tenfold.data.decoding import Picture
from tenfold.errors import BundleError, DataError
from tenfold.reading.bulk import read_in_bulk
from tenfold.reading.reader import Reader, Reading
from tenfold.rendering.strokes import draw_digit


def drawings(count: int) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(5)
    return [255 - draw_digit(index % 10, random) for index in range(count)]


def summary(outcome: list[Reading] | DataError) -> object:
    if isinstance(outcome, DataError):
        return str(outcome)
    return [(r.digit, r.box, round(r.probability, 4), r.reason) for r in outcome]


def test_several_processes_read_what_one_reads_in_the_same_order(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pictures: list[Picture] = [*drawings(150), tmp_path / "broken.png", *drawings(150)]
    together = [summary(o) for o in read_in_bulk(pictures, SHIPPED, workers=2)]
    assert together == [summary(o) for o in Reader.load().outcomes(pictures)]
    assert (
        together[150] == f"{tmp_path / 'broken.png'}: not a readable image (UnidentifiedImageError)"
    )


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
