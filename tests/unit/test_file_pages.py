"""Files of several pages: each page is a picture of its own, and none is dropped."""

import io
import struct
import subprocess
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from made_documents import pdf, plain, scanned
from PIL import Image

from tenfold.data.decoding import decode, load_pixels
from tenfold.data.file_pages import FilePage, file_pages, page_counts, pages_of_files
from tenfold.data.picture_headers import MAX_PAGES
from tenfold.errors import DataError


def pointer(content: bytes, directory: int) -> int:
    """Return the place of the pointer that follows a directory of a little-endian TIFF."""
    (start,) = struct.unpack_from("<I", content, 4)
    for index in range(directory + 1):
        (count,) = struct.unpack_from("<H", content, start)
        place = start + 2 + 12 * count
        if index < directory:
            (start,) = struct.unpack_from("<I", content, place)
    return int(place)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "group4"])
def test_each_page_of_a_tiff_is_a_picture(compression: str, tmp_path: Path) -> None:
    pages = plain(0, 255, 0) if compression == "group4" else plain(200, 90, 10)
    images = [p > 0 for p in pages] if compression == "group4" else pages
    path = tmp_path / "fax.tif"
    path.write_bytes(scanned(images, "TIFF", compression=compression))
    for source in (path, str(path), path.read_bytes()):
        found = list(file_pages(source))
        assert [(page.number, page.count) for page in found] == [(1, 3), (2, 3), (3, 3)]
        for page, pixels in zip(found, pages, strict=True):
            np.testing.assert_array_equal(load_pixels(page), pixels)


def test_a_page_is_turned_as_its_own_tag_says() -> None:
    first, second = (Image.fromarray(page) for page in plain(0, 0))
    second.putpixel((0, 0), 255)
    second.encoderinfo = {"tiffinfo": {0x0112: 3}}  # upside down
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=[second])
    pages = [load_pixels(page) for page in file_pages(file.getvalue())]
    assert [np.argwhere(page).tolist() for page in pages] == [[], [[23, 39]]]


@pytest.mark.parametrize("kind", [1, 4])
def test_thumbnails_and_masks_are_no_pages(kind: int) -> None:
    images = [Image.fromarray(page) for page in plain(10, 20, 30)]
    images[1].encoderinfo = {"tiffinfo": {254: kind}}
    file = io.BytesIO()
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:])
    found = [int(load_pixels(page)[0, 0]) for page in file_pages(file.getvalue())]
    assert found == [10, 30]
    assert [page.count for page in file_pages(file.getvalue())] == [2, 2]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_one_page(kind: str) -> None:
    content = scanned(plain(200, 90), kind)
    assert [page.count for page in file_pages(content)] == [1]


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_file_of_several_pages_is_not_read_as_one(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(scanned(plain(1, 2, 3), kind))
    for read in (decode, load_pixels):
        with pytest.raises(DataError, match=f"{path}: has 3 pages; read each one of `file_pages`"):
            read(path)
    path.write_bytes(scanned(plain(200), kind))
    assert decode(path).shape[:2] == (24, 40)


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_message_names_the_file_and_the_page(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(scanned(plain(1, 2), kind))
    assert [str(page) for page in file_pages(path)] == [f"{path}, page 1", f"{path}, page 2"]
    with pytest.raises(DataError, match=f"{path}, page 3: there is no page 3"):
        decode(FilePage(path, 3, 3))


def test_limits_hold_for_every_page() -> None:
    large = np.zeros((8_000, 8_000), bool)
    content = scanned([plain(0)[0] > 0, large], "TIFF", compression="group4")
    first, second = file_pages(content)
    assert load_pixels(first).shape == (24, 40)
    with pytest.raises(DataError, match="page 2: 8000 x 8000 is above 50 million pixels"):
        load_pixels(second)


def test_a_chain_of_directories_without_end_has_one_page_each() -> None:
    content = bytearray(scanned(plain(1, 2), "TIFF"))
    first = bytes(content[4:8])
    struct.pack_into("<4s", content, pointer(bytes(content), 1), first)
    assert [int(load_pixels(page)[0, 0]) for page in file_pages(bytes(content))] == [1, 2]


def test_a_tiff_of_too_many_pages_is_one_line() -> None:
    directory = struct.Struct("<H12sI")  # one entry, and where the next directory is
    entry = struct.pack("<HHII", 256, 3, 1, 1)
    content = b"II*\0" + struct.pack("<I", 8)
    for index in range(MAX_PAGES + 1):
        content += directory.pack(1, entry, 8 + directory.size * (index + 1))
    begun = time.process_time()
    (page,) = file_pages(content)
    with pytest.raises(DataError, match="has more than 10,000 pages, or as many entries; divide"):
        load_pixels(page)
    assert time.process_time() - begun < 2


def test_a_file_that_cannot_be_read_is_one_page(tmp_path: Path) -> None:
    (tmp_path / "torn.tif").write_bytes(b"II*\0")
    (tmp_path / "empty.pdf").write_bytes(b"")
    for path in (tmp_path, tmp_path / "absent.pdf", *tmp_path.iterdir()):
        (page,) = file_pages(path)
        with pytest.raises(DataError, match=f"^{path}: (no such image|is empty|is a folder|not a)"):
            load_pixels(page)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"II*\0\0\0\0\0", "a TIFF without pages"),
        (b"MM\0*\0\0\0\0", "a TIFF without pages"),
        (b"II+\0\x08\0\0\0" + b"\xff" * 8, "not a readable image"),  # a page far behind the end
    ],
)
def test_a_tiff_whose_first_page_is_nowhere_is_one_line(content: bytes, message: str) -> None:
    (page,) = file_pages(content)
    with pytest.raises(DataError, match=message):
        load_pixels(page)


def test_the_pages_of_many_files_are_counted(tmp_path: Path) -> None:
    contents = {
        "a.png": scanned(plain(1), "PNG"),
        "b.pdf": scanned(plain(1, 2), "PDF"),
        "c.TIF": scanned(plain(1, 2, 3), "TIFF"),
        "d.pdf": b"no PDF",
        "e.PDF": pdf([b"/MediaBox [0 0 9 9]"] * 4),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert page_counts([str(tmp_path / name) for name in contents]) == [1, 2, 3, 1, 4]


def test_pages_of_many_files_are_those_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {
        "a.png": scanned(plain(1), "PNG"),
        "b.pdf": scanned(plain(1, 2), "PDF"),
        "c.tif": scanned(plain(1, 2, 3), "TIFF"),
        "d.pdf": b"no PDF",
        "e": pdf([b"/MediaBox [0 0 9 9]"] * 4),  # what a file is, its content says
        "f": scanned(plain(1, 2), "TIFF"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    names = [str(tmp_path / name) for name in (*contents, "absent.pdf")]
    expected = [page for name in names for page in file_pages(name)]
    run = Mock(wraps=subprocess.run)
    monkeypatch.setattr(subprocess, "run", run)
    assert list(pages_of_files(names)) == expected
    assert run.call_count == 1
