"""The pictures of a tar file, in constant memory. What is missing is never missed in silence.

`tarfile` stops in silence at a damaged or missing header, and takes a header's sizes as they are.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tarfile import EmptyHeaderError, EOFHeaderError  # type: ignore[attr-defined]
from typing import Any, Self

from tenfold.data.decoding import LISTED_SUFFIXES
from tenfold.errors import DataError

MAX_PICTURE_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 2**20

_GZIP_MAGIC = b"\x1f\x8b"
_EXTENDED_HEADERS = frozenset(
    (
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    )
)
_DAMAGES = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError)


def pictures_in_tar(path: str) -> Iterator[tuple[str, bytes | DataError]]:
    """Yield the name and the bytes of each picture, or its error; at last the archive's, if any.

    The archive may be compressed by gzip, and may be several, one after the other.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with open(path, "rb") as raw:  # noqa: PTH123 - the name may be no text
            file: Any = raw
            if raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
                file = gzip.open(raw)  # noqa: SIM115 - closed with `raw`
            with _Archive.open(fileobj=file, mode="r|") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
                    if not member.isdir() and Path(member.name).suffix.lower() in LISTED_SUFFIXES:
                        yield f"{path}/{member.name}", _contents(archive, member)
    except _DAMAGES as error:
        yield path, DataError(f"{path}: damaged, what follows is not read ({error})")


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | DataError:
    file = archive.extractfile(member) if member.isfile() else None
    if file is None:
        return DataError(f"{member.name}: a link or a device, not a picture")
    if member.size > MAX_PICTURE_BYTES:
        return DataError(f"{member.name}: {member.size:,} bytes, above {MAX_PICTURE_BYTES:,}")
    return file.read()


class _Member(tarfile.TarInfo):
    """A header whose damage is an error."""

    @classmethod
    def fromtarfile(cls, archive: "_Archive") -> Self:  # type: ignore[override]
        """Read the next header; the end of the file is right only after a block of zeros."""
        try:
            member = super().fromtarfile(archive)
        except EOFHeaderError:
            archive.ended = True
            raise
        except EmptyHeaderError:
            if archive.ended:
                raise
            raise tarfile.ReadError("cut short: it has no end-of-archive block") from None
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        archive.ended = False
        return member

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header; refuse those that `tarfile` would read into memory, however long."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED_HEADERS and member.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{member.name} is sparse; pack it without --sparse")
        return member

    def _proc_gnusparse_10(self, *_: object) -> None:
        """Refuse the format of sparse files whose table has no bound."""
        raise tarfile.ReadError(f"{self.name} is sparse; pack it without --sparse")


class _Archive(tarfile.TarFile):
    """An archive that knows whether its end was there."""

    tarinfo = _Member
    ignore_zeros = True  # archives may follow one another
    ended = False
