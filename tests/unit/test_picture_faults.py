"""What is wrong with a file that is no picture is said in words that help."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data.decoding import decode
from tenfold.errors import DataError


def saved(kind: str, mode: str = "L") -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (saved("JPEG")[:-900], "not a readable image: it is damaged or cut short"),
        (saved("PNG")[:-900], "not a readable image: it is damaged or cut short"),
        (saved("TIFF", "F"), "not a readable image"),
        (b"notes", "not a readable image: PNG, JPEG, BMP, GIF, TIFF, WEBP, HEIC and PDF are read"),
    ],
    ids=["empty", "JPEG", "PNG", "floats", "text"],
)
def test_what_is_wrong_with_a_file_is_said_in_words(
    content: bytes, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for source, name in ((path, str(path)), (content, "picture")):
        with pytest.raises(DataError, match=f"^{name}: {fault}$"):
            decode(source)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(saved("PNG"))

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=rf"^{path}: cannot be read \(Permission denied\)$"):
        decode(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.png: no such image"):
        decode(tmp_path / "absent.png")
    with pytest.raises(DataError, match=rf"{tmp_path.name}: is a folder"):
        decode(tmp_path)
