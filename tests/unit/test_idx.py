"""IDX files: bytes spelled out by hand, and everything that can be wrong with them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.idx import read_idx, write_idx
from tenfold.errors import DataError

# Two 2 x 3 images, as the format's description lays them out.
CONTENT = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(250, 256), *range(6)])
ARRAY = np.array([[[250, 251, 252], [253, 254, 255]], [[0, 1, 2], [3, 4, 5]]], dtype=np.uint8)
ZIPPED = gzip.compress(CONTENT, mtime=0)  # the clock must not name a test


def test_written_bytes_are_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", ARRAY)
    assert (tmp_path / "images").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_strided_view_is_written_in_order(tmp_path: Path) -> None:
    write_idx(tmp_path / "column", ARRAY[:, :, 1])
    np.testing.assert_array_equal(read_idx(tmp_path / "column"), [[251, 254], [1, 4]])


def test_reads_plain_as_a_read_only_array(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(CONTENT)
    array = read_idx(tmp_path / "images")
    np.testing.assert_array_equal(array, ARRAY)


def test_reads_gzip(tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(ZIPPED)
    np.testing.assert_array_equal(read_idx(tmp_path / "images.gz"), ARRAY)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "begins with nothing"),
        (b"\x89PNG\r\n", "begins with 89 50 4e 47"),
        (b"\0\0\x0d\x01\0\0\0\0", "IDX type 0x0d"),
        (CONTENT[:10], "promises 3 sizes"),
        (b"\0\0\x08\x09" + bytes(36), "promises 9 sizes"),
        (b"\0\0\x08\0", "promises 0 sizes"),
        (CONTENT[:-1], "shorter than the 2x2x3 bytes"),
        (CONTENT + b"!", "longer than the 2x2x3 bytes"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "4294967295x4294967295 bytes"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_names_the_file_and_what_is_wrong(
    tmp_path: Path, content: bytes, complaint: str, suffix: str
) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError, match=complaint) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [ZIPPED[:-12], CONTENT, b"\x1f\x8b\x08junk"])
def test_refuses_damaged_gzip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"images\.gz: cannot be read"):
        read_idx(path)


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: cannot be read: No such file"):
        read_idx(tmp_path / "absent")
