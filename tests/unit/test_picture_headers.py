"""Pictures whose headers ask for too much are refused before pixels are made."""

import io
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from tenfold.data import picture_headers
from tenfold.data.decoding import decode
from tenfold.errors import DataError

SIDE = 28
Entry = tuple[int, int, int, int]  # tag, type, number of values, value or place
BYTE, SHORT, LONG, RATIONAL = 1, 3, 4, 5


def saved(kind: str, **options: object) -> bytes:
    """Save a grey picture of 28 x 28 pixels."""
    file = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 200, np.uint8)).save(file, kind, **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 28 x 28 pixels with these chunks before its pixels."""
    header = (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes(SIDE * (SIDE + 1))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (header, *chunks, pixels, (b"IEND", b""))
    )


def tiff(*entries: Entry, order: str = "<", big: bool = False) -> bytes:
    """Return a TIFF of 28 x 28 grey pixels, in one strip unless entries say otherwise."""
    size = (256, SHORT, 1, SIDE), (257, SHORT, 1, SIDE), (258, SHORT, 1, 8), (262, SHORT, 1, 1)
    own = {entry[0]: entry for entry in (*size, (273, LONG, 1, 8), (279, LONG, 1, 784))}
    chosen = sorted((own | {entry[0]: entry for entry in entries}).values())
    start = 16 if big else 8
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start)
    directory = struct.pack(order + ("Q" if big else "H"), len(chosen))
    for tag, kind, count, value in chosen:
        numbers = {BYTE: "B", SHORT: "H"}.get(kind, "Q" if big else "I")
        packed = struct.pack(order + numbers, value).ljust(8 if big else 4, b"\0")
        directory += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count) + packed
    return mark + head + directory + bytes(8 + SIDE * SIDE)


def jpeg_of_scans(count: int) -> bytes:
    """Return a progressive JPEG with this number of scans: its last one many times."""
    content = saved("JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xc4") : -2]
    own = content.count(b"\xff\xda")
    return content[:-2] + last * (count - own) + b"\xff\xd9"


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a JPEG that has a second, larger frame after its pixels."""
    content = saved("JPEG", progressive=True)
    start = content.index(b"\xff\xc2")
    frame = bytearray(content[start : start + 13])
    frame[5:9] = struct.pack(">HH", height, width)
    return content[:-2] + bytes(frame) + b"\xff\xd9"


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """Return a JPEG with these segments at its start."""
    content = saved("JPEG")
    added = (b"\xff%c" % code + struct.pack(">H", 2 + len(data)) + data for code, data in segments)
    return content[:2] + b"".join(added) + content[2:]


def gif(before: bytes) -> bytes:
    """Return a GIF with these bytes before its image."""
    head = b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0, 0, 0)
    whole = saved("GIF")
    palette = 3 << (whole[10] & 7) + 1
    return head[:10] + whole[10 : 13 + palette] + before + whole[13 + palette :]


def bmp(width: int, height: int, data: bytes) -> bytes:
    """Return a BMP of 16 colours, run-length encoded."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 4, 2, len(data), 0, 0, 16, 0)
    start = 14 + len(head) + 64
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + bytes(64) + data


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP with these chunks after its pixels."""
    extended = b"VP8X" + struct.pack("<IIHBHB", 10, 8, SIDE - 1, 0, SIDE - 1, 0)
    body = b"WEBP" + extended + saved("WEBP", lossless=True)[12:]
    body += b"".join(kind + struct.pack("<I", len(data)) + data for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


BLOCKS = picture_headers.MAX_BLOCKS
LONG_EXIF = bytes(picture_headers.MAX_EXIF_BYTES + 1)
EXCESSIVE: dict[str, tuple[Callable[[], bytes], str]] = {
    "TIFF tile": (lambda: tiff((322, LONG, 1, 46320), (323, SHORT, 1, 46320)), "a tile"),
    "TIFF tile, MM": (
        lambda: tiff((322, LONG, 1, 46320), (323, LONG, 1, 46320), order=">"),
        "a tile",
    ),
    "BigTIFF tile": (
        lambda: tiff((322, LONG, 1, 46320), (323, 16, 1, 46320), big=True),
        "a tile of the TIFF has more than 16,777,216 pixels",
    ),
    "TIFF tile of odd type": (lambda: tiff((322, RATIONAL, 1, 8)), "not a whole number"),
    "TIFF strips": (lambda: tiff((273, LONG, 4_000_000, 8)), "entry 273 of the TIFF has more than"),
    "TIFF numbers": (lambda: tiff((282, RATIONAL, 2_000_000, 8)), "entry 282 of the TIFF"),
    "TIFF entries": (
        lambda: tiff(*((40_000 + n, BYTE, 1, 0) for n in range(1_001))),
        "the TIFF has more than 1,000 entries",
    ),
    "JPEG scans": (lambda: jpeg_of_scans(41), "the JPEG has more than 40 scans"),
    "JPEG frame": (
        lambda: jpeg_of_size(60_000, 50_000),
        "60000 x 50000 is above 50 million pixels",
    ),
    "JPEG segments": (lambda: jpeg(*[(0xFE, b"")] * BLOCKS), "100,000 segments"),
    "JPEG EXIF": (lambda: jpeg(*[(0xE1, b"Exif\0\0" + bytes(65_000))] * 17), "EXIF has more than"),
    "JPEG fill bytes": (
        lambda: saved("JPEG")[:2] + b"\xff" * 200_000 + saved("JPEG")[2:],
        "the JPEG has more than 100,000 bytes between segments",
    ),
    "JPEG junk": (
        lambda: saved("JPEG")[:20] + b"\xff\0" * 60_000 + saved("JPEG")[20:],
        "the JPEG has more than 100,000 bytes between segments",
    ),
    "JPEG fill bytes of a scan": (
        lambda: saved("JPEG")[:-2] + b"\xff" * (16 * BLOCKS) + b"\xd9",
        "the JPEG has more than 100,000 segments",
    ),
    "PNG chunks": (lambda: png(*[(b"abCd", b"")] * BLOCKS), "the PNG has more than 100,000 chunks"),
    "PNG profiles": (lambda: png(*[(b"iCCP", b"a\0\0")] * 2), "several iCCP chunks"),
    "PNG EXIF": (lambda: png((b"eXIf", LONG_EXIF)), "EXIF has more than 1,048,576 bytes"),
    "WebP EXIF": (lambda: webp((b"EXIF", LONG_EXIF)), "EXIF has more than 1,048,576 bytes"),
    "WebP chunks": (lambda: webp(*[(b"abcd", b"")] * BLOCKS), "the WebP has more than"),
    "GIF comments": (lambda: gif(b"!\xfe" + b"\1a" * BLOCKS + b"\0"), "the GIF has more than"),
    "GIF junk": (lambda: gif(b"\1" * BLOCKS), "the GIF has more than 100,000 blocks"),
    "BMP runs": (lambda: bmp(7_000, 7_000, b"\xff\x01"), "a run-length encoded BMP"),
    "BMP bytes": (lambda: bmp(SIDE, SIDE, b"\x01\x01" * 2_000_001), "a run-length encoded BMP"),
    "long side": (
        lambda: (
            b"\x89PNG\r\n\x1a\n"
            + png()[8:16]
            + (size := struct.pack(">IIBBBBB", 1, 65_536, 8, 0, 0, 0, 0))
            + struct.pack(">I", zlib.crc32(b"IHDR" + size))
            + png()[33:]
        ),
        "1 x 65536 is longer than 65,535 pixels",
    ),
}


@pytest.mark.parametrize("kind", EXCESSIVE)
def test_what_asks_for_too_much_is_refused_before_pixels_are_made(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError(f"{self.size} was decoded")

    make, complaint = EXCESSIVE[kind]
    content = make()
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for source in (content, path):
        with pytest.raises(DataError, match=complaint) as caught:
            decode(source)
        assert str(caught.value).startswith("picture: " if source is content else f"{path}: ")
        assert "\n" not in str(caught.value)


WITHIN: dict[str, Callable[[], bytes]] = {
    "TIFF": tiff,
    "TIFF, MM": lambda: tiff(order=">"),
    "TIFF of a strip a row": lambda: saved("TIFF", tiffinfo={278: 1}),
    "JPEG scans": lambda: jpeg_of_scans(40),
    "JPEG segments": lambda: jpeg(*[(0xFE, b"")] * 1_000),
    "JPEG comment with markers": lambda: jpeg((0xFE, b"\xff\xda" * 500)),
    "JPEG with data after it": lambda: saved("JPEG") + b"\xff\xda\0\x02" * 500,
    "JPEG with a thumbnail": lambda: jpeg((0xE1, b"Exif\0\0" + saved("JPEG", progressive=True))),
    "PNG": lambda: png((b"abCd", b""), (b"tEXt", b"a\0b")),
    "WebP": lambda: webp((b"abcd", b"")),
    "GIF": lambda: gif(b"!\xfe\1a\0"),
    "BMP": lambda: bmp(SIDE, SIDE, b"\x1c\x01\0\0" * SIDE),
}


@pytest.mark.parametrize("kind", WITHIN)
def test_what_is_within_the_limits_is_decoded(kind: str) -> None:
    assert decode(WITHIN[kind]()).shape[:2] == (SIDE, SIDE)


def test_exif_whose_entries_share_their_bytes_takes_no_more_memory_than_it_has() -> None:
    """Pillow 12 kept each entry's bytes apart: half a gigabyte here."""
    entries = range(6_000)
    shared = b"".join(struct.pack("<HHII", tag, BYTE, 80_000, 8) for tag in entries)
    exif = b"II*\0" + struct.pack("<IH", 8, len(entries)) + shared + bytes(10_000)
    tracemalloc.start()
    try:
        decode(png((b"eXIf", exif)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 2**20


def test_fill_bytes_are_passed_in_linear_time() -> None:
    content = saved("JPEG")
    filled = content[:-2] + (b"\xff" * 15 + b"\0") * 100_000 + b"\xff\xd9"
    assert picture_headers.excess_of_header(filled) is None


def test_restart_markers_are_no_segments() -> None:
    restarts = saved("JPEG")[:-2] + b"\xff\xd0" * (2 * BLOCKS) + b"\xff\xd9"
    assert picture_headers.excess_of_header(restarts) is None


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "CMYK", "P"])
def test_numpy_holds_little_more_than_the_pixels(mode: str) -> None:
    """Pillow's memory is not traced; it holds at most four bytes a pixel."""
    h, w = 1500, 2000
    levels = np.tile(np.arange(w, dtype=np.uint8), (h, 1))
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16))
    else:
        image = Image.fromarray(levels).convert(mode)
    file = io.BytesIO()
    options = {"transparency": 3} if mode == "P" else {}
    image.save(file, "TIFF" if mode == "CMYK" else "PNG", **options)
    tracemalloc.start()
    try:
        pixels = decode(file.getvalue())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels.shape[:2] == (h, w)
    assert peak < pixels.nbytes + 32 * 2**20


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(DataError, match=r"fifo\.png: is a pipe or a device, not a file"):
        decode(tmp_path / "fifo.png")


def test_the_camera_s_settings_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nested directory of millions of numbers would take seconds and gigabytes."""

    def get_ifd(_: Image.Exif, tag: int) -> None:
        raise AssertionError(f"directory {tag} was read")

    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2026:11:28 12:00:00"
    content = {kind: saved(kind, exif=exif.tobytes()) for kind in ("TIFF", "PNG", "JPEG", "WEBP")}
    monkeypatch.setattr(Image.Exif, "get_ifd", get_ifd)
    for picture in content.values():
        assert decode(picture).shape[:2] == (SIDE, SIDE)
