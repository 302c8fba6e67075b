"""The IDX format of MNIST's files: a big-endian header, then the bytes of the array.

A header is two zero bytes, the type (8 = unsigned byte, the only one read here), the number of
dimensions, then each dimension as a 32-bit unsigned integer.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", FILE FORMATS.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from tenfold.errors import DataError
from tenfold.files import write_atomically

Bytes = npt.NDArray[np.uint8]

_UNSIGNED_BYTE = 0x08
_MAX_DIMENSIONS = 8
_MAX_UNPACKED = 1 << 30  # bytes; a gzipped header's promise is taken up in memory at once


def read_idx(path: Path) -> Bytes:
    """Read an IDX file of unsigned bytes, plain or gzipped (a name that ends in ``.gz``).

    Returns:
        A read-only uint8 array of the header's shape. A plain file is memory-mapped, so that
        several processes share one copy of it.

    Raises:
        DataError: the file is missing, is not IDX, or is shorter or longer than its header says.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return _read_stream(cast("BinaryIO", file), path)
        return _map_file(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def write_idx(path: Path, array: Bytes) -> None:
    """Write a uint8 array as a plain IDX file, which appears at once or not at all.

    Raises:
        DataError: the array is not uint8 or has no dimension.
    """
    if array.dtype != np.uint8 or not array.ndim:
        raise DataError(f"{path}: IDX takes a uint8 array, not {array.dtype}{list(array.shape)}")
    header = struct.pack(f">4B{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    write_atomically(path, b"".join([header, np.ascontiguousarray(array).data]))


def _map_file(path: Path) -> Bytes:
    with path.open("rb") as file:
        shape = _read_shape(file, path)
        offset = file.tell()
    expected, actual = math.prod(shape), path.stat().st_size - offset
    if actual != expected:
        raise DataError(_wrong_length(path, shape, "shorter" if actual < expected else "longer"))
    if not expected:  # an empty file cannot be mapped
        return np.zeros(shape, np.uint8)
    return np.memmap(path, np.uint8, mode="r", offset=offset, shape=shape)


def _read_stream(file: BinaryIO, path: Path) -> Bytes:
    shape = _read_shape(file, path)
    expected = math.prod(shape)
    if expected > _MAX_UNPACKED:
        raise DataError(f"{path}: promises {'x'.join(map(str, shape))} bytes; unpack it first")
    # One byte past the end is enough to see that there is more: a bomb is never unpacked.
    content = file.read(expected + 1)
    if len(content) != expected:
        raise DataError(
            _wrong_length(path, shape, "shorter" if len(content) < expected else "longer")
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_shape(file: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":  # noqa: PLR2004
        raise DataError(f"{path}: not an IDX file (it begins with {magic.hex(' ') or 'nothing'})")
    if magic[2] != _UNSIGNED_BYTE:
        raise DataError(f"{path}: IDX type 0x{magic[2]:02x}; only unsigned bytes (0x08) are read")
    dimensions = magic[3]
    sizes = file.read(4 * dimensions)
    if not 0 < dimensions <= _MAX_DIMENSIONS or len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: the IDX header is damaged (it promises {dimensions} sizes)")
    return struct.unpack(f">{dimensions}I", sizes)


def _wrong_length(path: Path, shape: tuple[int, ...], direction: str) -> str:
    sizes = "x".join(map(str, shape))
    return f"{path}: {direction} than the {sizes} bytes that its header promises; copy it again"
