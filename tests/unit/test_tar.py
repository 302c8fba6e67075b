"""Tar files: every picture of a whole archive, and of any other an error after what is whole."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import DataError
from tenfold.reading import tar as tar_module
from tenfold.reading.tar import pictures_in_tar

PICTURES = {f"{number}.png": bytes([number]) * (100 + 300 * number) for number in range(4)}


def packed(*members: tuple[tarfile.TarInfo, bytes], end: bool = True) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for member, contents in members:
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
        if not end:
            return file.getvalue()
    return file.getvalue()


def pictures() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(name), contents) for name, contents in PICTURES.items()]


def found(folder: Path, archive: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Return the pictures by their names, and the errors."""
    path = folder / "a.tar"
    path.write_bytes(archive)
    read, errors = {}, []
    for name, contents in pictures_in_tar(str(path)):
        if isinstance(contents, DataError):
            errors.append(str(contents))
        else:
            read[name.removeprefix(f"{path}/")] = contents
    return read, errors


def test_an_archive_cut_anywhere_is_whole_or_an_error(tmp_path: Path) -> None:
    whole = packed(*pictures())
    assert found(tmp_path, whole) == (PICTURES, [])
    data_end = len(packed(*pictures(), end=False))
    end = data_end + 1024
    borders = {block + offset for block in range(0, end, 512) for offset in (-1, 0, 1)}
    for cut in sorted(borders.union(range(0, end, 41), [end]) - {-1}):
        read, errors = found(tmp_path, whole[:cut])
        assert read.items() <= PICTURES.items()
        assert errors or read == PICTURES
        assert bool(errors) == (cut not in {data_end + 512, data_end + 1024}), cut


def test_a_gzip_cut_anywhere_is_whole_or_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(packed(*pictures()))
    assert found(tmp_path, whole) == (PICTURES, [])
    for cut in range(len(whole)):
        read, errors = found(tmp_path, whole[:cut])
        assert read.items() <= PICTURES.items()
        assert len(errors) == 1, cut


def test_a_damaged_gzip_is_an_error(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(packed(*pictures())))
    whole[-6] ^= 1  # the checksum
    read, errors = found(tmp_path, bytes(whole))
    assert read == PICTURES
    assert "CRC check failed" in errors[0]


@given(st.integers(0, 6_000), st.binary(min_size=1, max_size=20))
def test_damage_anywhere_is_no_other_exception(
    tmp_path_factory: pytest.TempPathFactory, place: int, noise: bytes
) -> None:
    archive = bytearray(packed(*pictures(), (tarfile.TarInfo("long" * 60 + ".png"), b"12345")))
    archive[place : place + len(noise)] = noise
    read, errors = found(tmp_path_factory.mktemp("damaged"), bytes(archive))
    assert len(read) + len(errors) > 0


def test_archives_may_follow_one_another(tmp_path: Path) -> None:
    first, second = packed(*pictures()[:2]), packed(*pictures()[2:])
    assert found(tmp_path, first + second) == (PICTURES, [])
    assert found(tmp_path, gzip.compress(first) + gzip.compress(second)) == (PICTURES, [])
    read, errors = found(tmp_path, first + second[:700])
    assert len(read) == 2
    assert len(errors) == 1


def test_what_follows_a_damaged_header_is_not_skipped_in_silence(tmp_path: Path) -> None:
    archive = bytearray(packed(*pictures()))
    archive[2 * 512 : 3 * 512] = b"x" * 512  # the second header: 0.png has 100 bytes
    read, errors = found(tmp_path, bytes(archive))
    assert read == {"0.png": PICTURES["0.png"]}
    assert "a.tar: damaged, what follows is not read (invalid header)" in errors[0]


def test_links_and_large_members_are_errors_in_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_module, "MAX_PICTURE_BYTES", 800)
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.LNKTYPE, "0.png"
    folder = tarfile.TarInfo("folder.png")
    folder.type = tarfile.DIRTYPE
    archive = packed((link, b""), (folder, b""), *pictures())
    read, errors = found(tmp_path, archive)
    assert read.keys() == PICTURES.keys() - {"3.png"}
    assert errors == [
        "link.png: a link or a device, not a picture",
        "3.png: 1,000 bytes, above 800",
    ]


def header(name: str, kind: bytes, size: int, more: bytes = b"") -> bytes:
    """Return a header block with the right checksum; `more` goes to its end."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT)[:512])
    block[512 - len(more) :] = more
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_would_fill_the_memory_is_refused(kind: bytes, tmp_path: Path) -> None:
    archive = header("x", kind, 3 * 2**30) + bytes(1024)
    assert "a header of 3,221,225,472 bytes" in found(tmp_path, archive)[1][0]


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    old = header("a.png", tarfile.GNUTYPE_SPARSE, 0, b"%011o\0" % (3 * 2**30) + bytes(17))
    assert "a.png is sparse; pack it without --sparse" in found(tmp_path, old + bytes(1024))[1][0]
    new = tarfile.TarInfo("a.png")
    new.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    archive = packed((new, b"99999999999999\n" + b"1\n" * 1_000))
    assert "is sparse; pack it without --sparse" in found(tmp_path, archive)[1][0]
    new.pax_headers = {"GNU.sparse.size": str(3 * 2**30), "GNU.sparse.map": "0,0"}
    assert "3,221,225,472 bytes, above" in found(tmp_path, packed((new, b"")))[1][0]


def test_headers_without_end_are_damage(tmp_path: Path) -> None:
    archive = (header("x", tarfile.GNUTYPE_LONGNAME, 2) + b"ab".ljust(512, b"\0")) * 2_000
    assert "what follows is not read" in found(tmp_path, archive)[1][0]


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(pictures_in_tar(str(tmp_path / "none.tar")))
