"""What a picture's header asks for, looked at before pixels are made.

A file of a few kilobytes may ask for gigabytes or minutes: a tile larger than its picture, a
thousand scans, a million chunks. Every limit is far above what encoders write.
"""

import mmap
import re
import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from tenfold.errors import DataError

MAX_PIXELS = 50_000_000
MAX_SIDE_PX = 65_535  # as in JPEG and GIF; Pillow keeps a pointer for each row
MAX_BLOCKS = 100_000  # chunks, segments, extensions; 50 million pixels are some 20,000 PNG chunks
MAX_EXIF_BYTES = 2**20  # EXIF has 64 KiB; each of its numbers becomes an object
MAX_JPEG_SCANS = 40  # encoders write up to 18; each may pass over all pixels
MAX_JPEG_FILL_BYTES = 100_000  # before the pixels, between segments
MAX_BMP_RUN_LENGTH_SIZE = 4_000_000  # of the pixels and of the bytes: Pillow decodes it in Python
MAX_PAGES = 10_000  # of a document
MAX_TIFF_ENTRIES = 1_000
MAX_TIFF_ENTRIES_OF_A_PAGE = 25  # on average over `MAX_PAGES`: all before a page are looked at
MAX_TIFF_NUMBERS = 65_536  # of one entry: so many strips or tiles
MAX_TIFF_TILE_PIXELS = 4096 * 4096

# A JPEG marker that is not a restart marker, or many fill bytes. In a scan's data, 00 follows FF.
_JPEG_MARKER = re.compile(rb"\xff(?:[^\x00\xd0-\xd7\xff]|\xff{15})")
_SOI, _EOI, _SOS, _FILL = 0xD8, 0xD9, 0xDA, 0xFF
_FIRST_JPEG_SEGMENT = 0xC0  # lower markers have no length
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # they give the size

_BIG_TIFF = 43  # the version in its header
_TIFF_KIND_OF_PAGE = 254  # the lowest tag, hence the first entry
_TIFF_THUMBNAIL_OR_MASK = 1 | 4  # bits of its value
_TIFF_WIDTH_AND_LENGTH_OF_TILE = {322, 323}
_TIFF_NUMBER_TYPES = frozenset(range(1, 19)) - {1, 2, 7}  # all but bytes and text

_BMP_RUN_LENGTH = {1, 2}  # values of the field "compression"
_BMP_CORE_HEADER_SIZE = 12  # of the oldest header, without that field

Data = bytes | mmap.mmap


def excess_of_header(data: Data, directory: int = 0) -> str | None:
    """Return what a picture asks for that is above a limit, in one line; None if nothing is.

    Args:
        data: the whole file, in one of the formats of `decode`.
        directory: of a TIFF, the one that is decoded; see `tiff_pages`.

    Raises:
        struct.error, IndexError: the header is cut short.
    """
    formats: dict[bytes, Callable[[Data], str | None]] = {
        b"\x89PNG": _excess_of_png,
        b"\xff\xd8\xff": _excess_of_jpeg,
        b"GIF8": _excess_of_gif,
        b"RIFF": _excess_of_webp,
        b"II": partial(_excess_of_tiff, directory=directory),
        b"MM": partial(_excess_of_tiff, directory=directory),
        b"BM": _excess_of_bmp,
    }
    for start, excess in formats.items():
        if data[: len(start)] == start:
            return excess(data)
    return None


def excess_of_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> str | None:
    """Return in one line what is too large about a picture of this size; None if nothing is."""
    if width * height > max_pixels:
        limit = f"{max_pixels / 10**6:.3g} million pixels"
        return f"{width} x {height} is above {limit}; make it smaller"
    if max(width, height) > MAX_SIDE_PX:
        return f"{width} x {height} is longer than {MAX_SIDE_PX:,} pixels; make it smaller"
    return None


def _excess_of_png(data: Data) -> str | None:
    position, profiles = 8, 0
    for _ in range(MAX_BLOCKS):
        if position + 8 > len(data):
            return None
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return None
        if kind == b"eXIf" and length > MAX_EXIF_BYTES:
            return _above("EXIF", MAX_EXIF_BYTES, "bytes")
        profiles += kind == b"iCCP"
        if profiles > 1:
            return "several iCCP chunks; a PNG has one"
        position += 12 + length
    return _above("the PNG", MAX_BLOCKS, "chunks")


def _excess_of_jpeg(data: Data) -> str | None:
    position, scans, exif, fill = 2, 0, 0, 0
    for _ in range(MAX_BLOCKS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[0][1] == _EOI:
            return None
        code = marker[0][1]
        fill += 0 if scans else marker.end() - 2 - position
        position = marker.end()
        if code >= _FIRST_JPEG_SEGMENT and code not in {_SOI, _FILL}:
            (length,) = struct.unpack_from(">H", data, position)
            scans += code == _SOS
            exif += length if data[position + 2 : position + 6] == b"Exif" else 0
            if code in _JPEG_FRAMES:
                height, width = struct.unpack_from(">HH", data, position + 3)
                if excess := excess_of_size(width, height):
                    return excess
            position += max(length, 2)
        if scans > MAX_JPEG_SCANS:
            return _above("the JPEG", MAX_JPEG_SCANS, "scans")
        if exif > MAX_EXIF_BYTES:
            return _above("EXIF", MAX_EXIF_BYTES, "bytes")
        if fill > MAX_JPEG_FILL_BYTES:
            return _above("the JPEG", MAX_JPEG_FILL_BYTES, "bytes between segments")
    return _above("the JPEG", MAX_BLOCKS, "segments")


def _excess_of_gif(data: Data) -> str | None:
    flags = data[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    in_extension = False
    for _ in range(MAX_BLOCKS):
        byte = data[position]
        if in_extension:  # the length of a block, 0 after the last
            in_extension = byte > 0
            position += 1 + byte
        elif byte in b",;":  # the first image, the end
            return None
        else:
            in_extension = byte == ord("!")
            position += 2 if in_extension else 1
    return _above("the GIF", MAX_BLOCKS, "blocks before its image")


def _excess_of_webp(data: Data) -> str | None:
    position = 12
    for _ in range(MAX_BLOCKS):
        if position + 8 > len(data):
            return None
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF" and length > MAX_EXIF_BYTES:
            return _above("EXIF", MAX_EXIF_BYTES, "bytes")
        position += 8 + length + length % 2
    return _above("the WebP", MAX_BLOCKS, "chunks")


class _Tiff:
    """The directories of a TIFF, each of a page, and their entries: of 32 bits, or of 64."""

    def __init__(self, data: Data) -> None:
        order = "<" if data[:2] == b"II" else ">"
        big = _BIG_TIFF in data[2:4]
        self._data, self._start = data, 8 if big else 4
        self._pointer = struct.Struct(order + ("Q" if big else "I"))
        self._count = struct.Struct(order + ("Q" if big else "H"))
        self._entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        inline = {1: "B", 3: "H", 4: "I"} | ({16: "Q"} if big else {})
        self._inline = {kind: struct.Struct(order + letter) for kind, letter in inline.items()}

    def directories(self) -> Iterator[tuple[int, int]]:
        """Yield where the entries of each directory are, and how many they are."""
        seen = set()
        (start,) = self._pointer.unpack_from(self._data, self._start)
        while start not in seen and start:
            seen.add(start)
            (count,) = self._count.unpack_from(self._data, start)
            yield start + self._count.size, count
            end = start + self._count.size + count * self._entry.size
            is_cut = end + self._pointer.size > len(self._data)
            start = 0 if is_cut else self._pointer.unpack_from(self._data, end)[0]

    def entry(self, place: int, index: int) -> tuple[int, int, int, int | None]:
        """Return an entry's tag, type, count of numbers, and its number if it is a whole one."""
        at = place + index * self._entry.size
        tag, kind, numbers, value = self._entry.unpack_from(self._data, at)
        is_whole = kind in self._inline
        return tag, kind, numbers, self._inline[kind].unpack_from(value)[0] if is_whole else None


def tiff_pages(data: Data) -> list[int]:
    """Return which directories of a TIFF are pages: not its thumbnails and masks.

    Raises:
        DataError: there are more than `MAX_PAGES` directories, or too many entries in them.
        struct.error: a directory is cut short.
    """
    tiff, pages, entries = _Tiff(data), [], 0
    for index, (place, count) in enumerate(tiff.directories()):
        entries += count
        if index >= MAX_PAGES or entries > MAX_PAGES * MAX_TIFF_ENTRIES_OF_A_PAGE:
            raise DataError(f"has more than {MAX_PAGES:,} pages, or as many entries; divide it")
        tag, _, _, kind = tiff.entry(place, 0) if count else (0, 0, 0, None)
        if tag != _TIFF_KIND_OF_PAGE or not (kind or 0) & _TIFF_THUMBNAIL_OR_MASK:
            pages.append(index)
    return pages or [0]


def _excess_of_tiff(data: Data, directory: int) -> str | None:
    tiff, tile = _Tiff(data), 1
    found = next(islice(tiff.directories(), directory, None), None)
    if found is None:
        return "a TIFF without pages"
    place, count = found
    if count > MAX_TIFF_ENTRIES:
        return _above("the TIFF", MAX_TIFF_ENTRIES, "entries")
    for index in range(count):
        tag, kind, numbers, value = tiff.entry(place, index)
        if kind in _TIFF_NUMBER_TYPES and numbers > MAX_TIFF_NUMBERS:
            return _above(f"entry {tag} of the TIFF", MAX_TIFF_NUMBERS, "numbers")
        if tag in _TIFF_WIDTH_AND_LENGTH_OF_TILE:
            if value is None:
                return "the size of the TIFF's tiles is not a whole number"
            tile *= value
    if tile > MAX_TIFF_TILE_PIXELS:
        return _above("a tile of the TIFF", MAX_TIFF_TILE_PIXELS, "pixels")
    return None


def _excess_of_bmp(data: Data) -> str | None:
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == _BMP_CORE_HEADER_SIZE:
        return None
    width, height, compression = struct.unpack_from("<ii4xI", data, 18)
    size = max(abs(width * height), len(data))
    if compression in _BMP_RUN_LENGTH and size > MAX_BMP_RUN_LENGTH_SIZE:
        return _above("a run-length encoded BMP", MAX_BMP_RUN_LENGTH_SIZE, "pixels or bytes")
    return None


def _above(what: str, limit: int, unit: str) -> str:
    return f"{what} has more than {limit:,} {unit}"
