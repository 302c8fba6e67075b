"""Folders of images: what is read, and everything that can be wrong with them."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data.folder import list_labelled_files, load_folder, read_image
from tenfold.errors import DataError


def a_digit() -> np.ndarray:
    """A ramp in a black frame, uint8[28, 28]."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 4:24] = np.arange(20, dtype=np.uint8)[:, None] * 12 + 10
    return pixels


def save(path: Path, pixels: np.ndarray, quality: int = 75) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality)
    return path


def test_subfolders_are_labels_and_names_give_the_order(tmp_path: Path) -> None:
    for name in ("7/b.png", "7/a.png", "0/z.bmp", "7/.hidden.png", "notes/x.png"):
        save(tmp_path / name, a_digit())
    (tmp_path / "0" / "Thumbs.db").write_bytes(b"not an image, and not named like one")
    images, labels = load_folder(tmp_path)
    files = [file.path for file in list_labelled_files(tmp_path)]
    assert [str(file.relative_to(tmp_path)) for file in files] == ["0/z.bmp", "7/a.png", "7/b.png"]
    assert labels.tolist() == [0, 7, 7]
    assert labels.dtype == np.int64
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.stack([a_digit()] * 3))


@pytest.mark.parametrize("table", ["labels.csv", "truth.csv"])
@pytest.mark.parametrize("header", ["", "file,label\n", "\ufefffile,label\n"])
def test_csv_with_and_without_header(tmp_path: Path, table: str, header: str) -> None:
    save(tmp_path / "scans" / "one.png", a_digit())
    save(tmp_path / "two.png", a_digit() // 2)
    rows = f"{header}two.png,2\n\nscans/one.png, 1\n"
    (tmp_path / table).write_text(rows, encoding="utf-8")
    images, labels = load_folder(tmp_path)
    files = [file.path for file in list_labelled_files(tmp_path)]
    assert labels.tolist() == [2, 1]
    assert [file.name for file in files] == ["two.png", "one.png"]
    np.testing.assert_array_equal(images[0], a_digit() // 2)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".tif"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    np.testing.assert_array_equal(read_image(save(tmp_path / f"x{suffix}", a_digit())), a_digit())


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_come_close(tmp_path: Path, suffix: str) -> None:
    pixels = read_image(save(tmp_path / f"x{suffix}", a_digit(), quality=95)).astype(int)
    assert abs(pixels - a_digit()).mean() < 3


def test_larger_images_are_averaged_by_area(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 100, (84, 56), dtype=np.uint8)
    expected = large.reshape(28, 3, 28, 2).astype(float).mean(axis=(1, 3))
    pixels = read_image(save(tmp_path / "large.png", large))
    np.testing.assert_allclose(pixels, expected, atol=1)  # each axis is rounded in turn


def test_smaller_images_are_enlarged(tmp_path: Path) -> None:
    small = np.zeros((14, 14), np.uint8)
    small[4:10, 4:10] = 200
    pixels = read_image(save(tmp_path / "small.png", small))
    assert pixels.shape == (28, 28)
    assert (pixels[10:18, 10:18] == 200).all()
    assert not pixels[:6].any()


def test_dark_on_light_is_inverted(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(save(tmp_path / "x.png", 255 - a_digit())), a_digit())


def test_transparency_is_paper(tmp_path: Path) -> None:
    strokes = np.zeros((28, 28, 4), np.uint8)  # black everywhere, opaque where there are strokes
    strokes[:, :, 3] = a_digit()
    pixels = read_image(save(tmp_path / "x.png", strokes)).astype(int)
    np.testing.assert_allclose(pixels, a_digit(), atol=1)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    deep = a_digit().astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(save(tmp_path / "x.png", deep)), a_digit())


def test_colour_turns_grey_with_the_usual_weights(tmp_path: Path) -> None:
    colour = np.zeros((28, 28, 3), np.uint8)
    colour[10:18, 10:18] = (200, 100, 50)
    pixels = read_image(save(tmp_path / "x.png", colour))
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B = 124.2
    assert abs(int(pixels[14, 14]) - 124.2) <= 1


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.rot90(a_digit()))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    image.save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), a_digit())


def a_png_of(width: int, height: int) -> bytes:
    """A PNG header that claims a size, with no pixels behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a readable image"),
        (b"GIF89a", "not a readable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a readable image"),
        (a_png_of(28, 28), "not a readable image"),
        (a_png_of(8_000, 8_000), "8000 x 8000 is above 50 million"),
        (a_png_of(10_000, 10_000), "10000 x 10000 is above 50 million"),
        (a_png_of(30_000, 30_000), "not a readable image"),
    ],
)
def test_unreadable_images_are_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "3" / "bad.png"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        load_folder(tmp_path)
    assert str(path) in str(caught.value)


def test_a_float_image_has_no_white(tmp_path: Path) -> None:
    Image.fromarray(np.ones((28, 28), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="not a readable image"):
        read_image(tmp_path / "x.tif")


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no digits here"):
        load_folder(tmp_path)
    (tmp_path / "0").mkdir()
    with pytest.raises(DataError, match="no digits here"):
        load_folder(tmp_path)
    with pytest.raises(DataError, match="absent: no such folder"):
        load_folder(tmp_path / "absent")


def test_a_subfolder_beyond_nine_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "10" / "x.png", a_digit())
    with pytest.raises(DataError, match="10: a sub-folder's name is its label"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("x.png,10\n", r"labels\.csv: row 1 labels x\.png as '10'"),
        ("x.png,-1\n", "row 1 labels"),
        ("x.png,three\n", "row 1 labels x"),
        ("file,label\nx.png,\n", "row 2 labels"),
        ("x.png\n", "row 1 has 1 fields"),
        ("file,label\nabsent.png,1\n", r"absent\.png: no such image"),
        ("file,label\n", "no digits here"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: str, complaint: str) -> None:
    save(tmp_path / "x.png", a_digit())
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match=complaint):
        load_folder(tmp_path)


def test_two_tables_are_one_too_many(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x.png,1\n")
    with pytest.raises(DataError, match="several CSV files"):
        load_folder(tmp_path)


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\0x")
    with pytest.raises(DataError, match=r"labels\.csv: not UTF-8 text"):
        load_folder(tmp_path)
