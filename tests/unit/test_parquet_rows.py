"""The rows of a Parquet file: a row a number, read as was asked."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from clear_digits import number, on_paper, stacked
from pyarrow import parquet

from tenfold.bundle.format import SHIPPED
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.parquet import ReadingRequest, read_partition
from tenfold.reading.partitions import partition_inputs
from tenfold.reading.reader import Layout


def rows_of(
    pictures: Sequence[npt.NDArray[np.uint8]], request: ReadingRequest, folder: Path
) -> list[dict[str, Any]]:
    """Read pictures in one Parquet file; without the file's name in the rows' names."""
    path = folder / "a.parquet"
    images = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
    parquet.write_table(pa.table({"image": images}), path)
    (partition,) = partition_inputs([str(path)], "numbers")
    rows = parquet.read_table(io.BytesIO(read_partition(partition, request))).to_pylist()
    return [row | {"file": row["file"].removeprefix(str(path))} for row in rows]


@pytest.mark.parametrize(
    ("layout", "constraints", "least", "reason"),
    [
        ("numbers", Constraints(length=9), 0.0, "does not fit"),
        ("numbers", ANYTHING, 1.0, "unsure"),
        ("single", ANYTHING, 0.0, None),
    ],
)
def test_constraints_and_the_least_probability_reach_the_rows(
    layout: Layout, constraints: Constraints, least: float, reason: str | None, tmp_path: Path
) -> None:
    request = ReadingRequest.of(SHIPPED, layout, constraints, least)
    (row,) = rows_of([on_paper(number("42", 50)[0], 0, 255)], request, tmp_path)
    assert (row["reason"], row["accepted"]) == (reason, reason is None)


def test_a_number_is_a_row(tmp_path: Path) -> None:
    """Two numbers of a picture are two rows, and a picture without any is one."""
    two = on_paper(stacked([number("42", 50)[0], number("1000", 50)[0]], 100), 0, 255)
    request = ReadingRequest.of(SHIPPED, "numbers", ANYTHING, 0.0)
    found = rows_of([two, np.full_like(two, 255)], request, tmp_path)
    assert [(row["file"], row["page"], row["text"], row["error"]) for row in found] == [
        ("#0", 1, "42", None),
        ("#0", 1, "1000", None),
        ("#1", 1, None, None),
    ]
