"""HEIC: with its extra a picture like any other, without it one line."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data.decoding import decode
from tenfold.errors import DataError

HEADER = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"


def heic(pixels: np.ndarray) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "HEIF", quality=100)
    return file.getvalue()


def test_heic_is_read_with_its_extra() -> None:
    blocks = np.zeros((64, 96, 3), np.uint8)
    blocks[:32, :48] = 200, 40, 90
    np.testing.assert_allclose(decode(heic(blocks)).astype(int), blocks, atol=9)


def test_damaged_heic_is_one_line() -> None:
    content = heic(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    for end in (len(HEADER), 200, len(content) // 2):
        with pytest.raises(DataError, match=r"^picture: not a readable image"):
            decode(content[:end])


def test_without_its_extra_heic_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(HEADER + bytes(40))
    with pytest.raises(DataError, match=rf"^{path}: HEIC .* pip install 'tenfold\[heic\]'$"):
        decode(path)
