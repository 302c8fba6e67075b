"""Picture files of every kind that people have, and everything that can be wrong with one."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from tenfold.data.decoding import FORMATS, OTHER_SUFFIXES, SUFFIXES, decode
from tenfold.errors import DataError

SHAPE = (12, 17)


def grey() -> np.ndarray:
    """No two pixels alike, uint8[12, 17]."""
    return np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint8).reshape(SHAPE)


def colour() -> np.ndarray:
    """A picture whose channels differ, uint8[12, 17, 3]."""
    return np.stack([grey(), 255 - grey(), grey()[::-1]], axis=2)


def saved(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    """Save a picture as a file of this kind."""
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, kind, **options)
    return file.getvalue()


def with_alpha(foreground: int, opacity: np.ndarray) -> np.ndarray:
    """Foreground of one grey in all its colours, opaque where `opacity` says: uint8[h, w, 4]."""
    return np.dstack([np.full((*opacity.shape, 3), foreground, np.uint8), opacity])


def stroke() -> np.ndarray:
    """Opacity of a stroke with soft sides, uint8[12, 17]."""
    opacity = np.zeros(SHAPE, np.uint8)
    opacity[2:10, 7:10] = [90, 255, 160]
    return opacity


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_grey_keeps_every_pixel(kind: str) -> None:
    pixels = decode(saved(grey(), kind))
    assert pixels.dtype == np.uint8
    # A GIF has a palette, which Pillow reads as grey if it is a ramp.
    np.testing.assert_array_equal(pixels if pixels.ndim == 2 else pixels[..., 1], grey())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_colour_keeps_every_pixel(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(saved(colour(), kind, **options))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, colour())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_pictures_come_close(kind: str) -> None:
    ramp = np.linspace(0, 255, 40 * 40).reshape(40, 40).astype(np.uint8)
    pixels = decode(saved(ramp, kind, quality=95)).astype(int)
    assert pixels.ndim == (2 if kind == "JPEG" else 3)  # WebP knows no grey
    assert np.abs(np.atleast_3d(pixels) - ramp[..., None]).mean() < 3


ORIENTED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.T,
    6: lambda x: np.rot90(x, -1),  # to be turned clockwise
    7: lambda x: x[::-1, ::-1].T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_the_camera_s_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(grey()[:2, :3] * 40, np.ones((8, 8), np.uint8))  # what JPEG keeps
    pixels = decode(saved(blocks, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {})))
    expected = ORIENTED[orientation](blocks)
    np.testing.assert_allclose(pixels.astype(int), expected, atol=3 if kind == "JPEG" else 0)


def test_palettes_are_looked_up() -> None:
    indices = np.random.default_rng(0).integers(0, 3, SHAPE, dtype=np.uint8)
    palette = [(120, 110, 100), (200, 30, 10), (0, 0, 90)]
    image = Image.fromarray(indices)
    image.putpalette([level for entry in palette for level in entry])
    assert image.mode == "P"
    expected = np.array(palette, np.uint8)[indices]
    np.testing.assert_array_equal(decode(saved(image, "PNG")), expected)
    # An entry may be transparent: white lies under it, since the rest is dark.
    transparent = decode(saved(image, "PNG", transparency=1))
    expected[indices == 1] = 255
    np.testing.assert_array_equal(transparent, expected)


def test_black_and_white_are_the_ends_of_grey() -> None:
    bits = grey() % 3 == 0
    pixels = decode(saved(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(pixels, np.where(bits, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_deep_grey_is_scaled_from_the_bits_that_are_used(kind: str, bits: int) -> None:
    top = 2**bits - 1
    levels = np.linspace(0, top, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint16)
    pixels = decode(saved(levels, kind))
    assert pixels.shape == SHAPE
    assert pixels.dtype == np.uint8
    assert pixels.max() == 255
    np.testing.assert_allclose(pixels, levels / top * 255, atol=1)


def test_32_bits_are_scaled_too_and_nothing_is_below_black() -> None:
    levels = np.array([[-5, 0, 1000], [2**30, 2**31 - 1, 2**29]], np.int32)
    pixels = decode(saved(levels, "TIFF"))
    np.testing.assert_array_equal(pixels, [[0, 0, 0], [127, 255, 63]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_dark_ink_on_nothing_lies_on_white(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels = decode(saved(with_alpha(20, stroke()), kind, **options)).astype(int)
    expected = 255 + (20 - 255) * (stroke()[..., None] / 255)
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, (*SHAPE, 3)), atol=1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_light_ink_on_nothing_lies_on_black(kind: str) -> None:
    pixels = decode(saved(with_alpha(240, stroke()), kind)).astype(int)
    expected = 240 * (stroke()[..., None] / 255)
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, (*SHAPE, 3)), atol=1)


@pytest.mark.parametrize(("foreground", "paper"), [(0, 255), (255, 0)])
def test_grey_with_alpha_stays_grey(foreground: int, paper: int) -> None:
    both = np.dstack([np.full(SHAPE, foreground, np.uint8), stroke()])
    pixels = decode(saved(both, "PNG"))
    expected = paper + (foreground - paper) * (stroke() / 255)
    assert pixels.shape == SHAPE
    np.testing.assert_allclose(pixels.astype(int), expected, atol=1)


def test_a_transparent_grey_stays_grey() -> None:
    levels = np.where(stroke() > 0, 30, 77).astype(np.uint8)
    pixels = decode(saved(levels, "PNG", transparency=77))
    np.testing.assert_array_equal(pixels, np.where(stroke() > 0, 30, 255))


def test_opaque_paper_stays_what_it_is() -> None:
    page = with_alpha(250, np.full(SHAPE, 255, np.uint8))
    page[3:9, 8, :3] = 10
    page[0, 0, 3] = 0  # a rounded corner: white, as the paper, not black
    pixels = decode(saved(page, "PNG"))
    expected = page[..., :3].copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(pixels, expected)


def test_what_is_transparent_everywhere_is_blank_paper() -> None:
    pixels = decode(saved(with_alpha(0, np.zeros(SHAPE, np.uint8)), "PNG"))
    np.testing.assert_array_equal(pixels, np.full((*SHAPE, 3), 255))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_several_frames_the_first_counts(kind: str) -> None:
    frames = [Image.fromarray(np.full(SHAPE, level, np.uint8)) for level in (200, 90, 10)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(content)) as image:
        assert getattr(image, "n_frames", 1) == 3
    pixels = decode(content)
    assert pixels.shape[:2] == SHAPE
    assert (pixels == 200).all()


def test_ink_of_a_printer_s_jpeg_is_seen_as_on_a_screen() -> None:
    blocks = np.kron(colour()[:2, :3], np.ones((16, 16, 1), np.uint8))
    content = saved(Image.fromarray(blocks).convert("CMYK"), "JPEG", quality=100)
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "CMYK"
    np.testing.assert_allclose(decode(content).astype(int), blocks, atol=3)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_path_and_its_bytes_are_the_same_picture(kind: str, tmp_path: Path) -> None:
    content = saved(colour(), kind)
    path = tmp_path / "picture.anything"  # what a file is called does not matter
    path.write_bytes(content)
    np.testing.assert_array_equal(decode(path), decode(content))


def test_suffixes_are_those_of_the_formats() -> None:
    Image.init()
    known = {suffix: Image.EXTENSION.get(suffix) for suffix in SUFFIXES}
    others = {suffix for suffix, kind in known.items() if kind not in FORMATS}
    assert others == {".pdf", ".heic", ".heif"}
    assert set(FORMATS) <= set(known.values())
    assert not SUFFIXES & OTHER_SUFFIXES


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_header(width: int, height: int) -> bytes:
    """A PNG of the given size that ends where its pixels would begin."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def strange_exif() -> bytes:
    """A JPEG to be turned whose resolution is a text."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "hello"
    content = saved(grey(), "JPEG", exif=exif)
    description, resolution = struct.pack(">HH", 0x010E, 2), struct.pack(">HH", 0x011A, 2)
    assert content.count(description) == 1
    return content.replace(description, resolution)


def strange_tiff() -> bytes:
    """A TIFF whose pixels begin at a fraction of a byte."""
    content = saved(grey(), "TIFF")
    offset, fraction = struct.pack("<HH", 273, 4), struct.pack("<HH", 273, 5)
    assert content.count(offset) == 1
    return content.replace(offset, fraction)


DAMAGED = {
    "text": b"a text that somebody has named .png\n" * 10,
    "html": b"<!doctype html><title>404</title>",
    "magic only": b"\x89PNG\r\n\x1a\n",
    "truncated JPEG": saved(np.tile(colour(), (9, 9, 1)), "JPEG")[:-900],
    "truncated PNG": saved(np.tile(colour(), (9, 9, 1)), "PNG")[:-100],
    "truncated GIF": saved(grey(), "GIF")[:-100],
    "truncated WebP": saved(colour(), "WEBP")[:-30],
    "no pixels": png_header(28, 28),
    "strange EXIF": strange_exif(),
    "strange TIFF": strange_tiff(),
    "floats": saved(np.ones(SHAPE, np.float32), "TIFF"),
    "portable pixmap": saved(grey(), "PPM"),
    "icon": saved(Image.fromarray(np.tile(colour(), (2, 2, 1))), "ICO", sizes=[(16, 16)]),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_no_readable_picture_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(DAMAGED[damage])
    with pytest.raises(DataError, match="not a readable image") as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"^picture: not a readable image"):
        decode(DAMAGED[damage])


@pytest.mark.parametrize(
    ("side", "complaint"),
    [
        (7_072, "7072 x 7072 is above 50 million pixels; make it smaller"),
        (10_000, "10000 x 10000 is above 50 million pixels"),
        (30_000, "has more than 50 million pixels; make it smaller"),
    ],
)
def test_enormous_pictures_are_refused_by_their_header(
    side: int, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError(f"{self.size} was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    path = tmp_path / "enormous.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(DataError, match=complaint) as caught:
        decode(path)
    assert str(path) in str(caught.value)
