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

UNSIGNED_BYTE = 0x08
MAX_DIMENSIONS = 8
# A damaged or malicious header must not make us allocate more than this.
MAX_ARRAY_BYTES = 1 << 30
_PART_BYTES = 1 << 20


def read_idx(path: Path) -> Bytes:
    """Read an IDX file of unsigned bytes, plain or gzipped (a name that ends in ``.gz``).

    Returns:
        A uint8 array of the header's shape.

    Raises:
        DataError: the file is missing, is not IDX, is larger than 1 GiB, or is shorter or longer
            than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _read_shape(cast("BinaryIO", file), path)
            sizes = "x".join(map(str, shape))
            if math.prod(max(size, 1) for size in shape) > MAX_ARRAY_BYTES:
                raise DataError(
                    f"{path}: promises {sizes} bytes; at most {MAX_ARRAY_BYTES} are read"
                )
            array = np.empty(shape, np.uint8)
            missing = _fill(array.reshape(-1).data, cast("BinaryIO", file))
            more = not missing and bool(file.read(1))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    if missing or more:
        direction = "shorter" if missing else "longer"
        raise DataError(
            f"{path}: {direction} than the {sizes} bytes that its header promises; copy it again"
        )
    return array


def _fill(view: memoryview, file: BinaryIO) -> int:
    """Read a file into memory, a part at a time; return how many bytes it is too short."""
    missing = len(view)
    while missing and (part := file.read(min(missing, _PART_BYTES))):
        start = len(view) - missing
        view[start : start + len(part)] = part
        missing -= len(part)
    return missing


def write_idx(path: Path, array: Bytes) -> None:
    """Write a uint8 array as a plain IDX file, atomically."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    write_atomically(path, b"".join([header, np.ascontiguousarray(array).data]))


def _read_shape(file: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":  # noqa: PLR2004
        raise DataError(f"{path}: not an IDX file (it begins with {magic.hex(' ') or 'nothing'})")
    if magic[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: IDX type 0x{magic[2]:02x}; only unsigned bytes (0x08) are read")
    dimensions = magic[3]
    sizes = file.read(4 * dimensions)
    if not 0 < dimensions <= MAX_DIMENSIONS or len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: the IDX header is damaged (it promises {dimensions} sizes)")
    return struct.unpack(f">{dimensions}I", sizes)
