"""A zip in place of a folder of images."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tenfold.data import archive
from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits
from tenfold.errors import DataError


@pytest.fixture
def folder(tmp_path: Path, tiny_digits: Digits) -> Path:
    """Write twelve digits as the page's corrections are."""
    for index in range(12):
        digit = tmp_path / "corrections" / str(int(tiny_digits.labels[index]))
        digit.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tiny_digits.images[index].numpy()).save(digit / f"{index:02}.png")
    return tmp_path / "corrections"


@pytest.fixture
def corrections(folder: Path) -> Path:
    """Zip that folder's contents."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archived:
        for file in sorted(folder.rglob("*.png")):
            archived.write(file, file.relative_to(folder))
    return path


def test_a_zip_holds_the_digits_of_its_folder(folder: Path, corrections: Path) -> None:
    zipped, plain = load_digits(str(corrections)), load_digits(str(folder))
    assert torch.equal(zipped.images, plain.images)
    assert torch.equal(zipped.labels, plain.labels)
    assert len(zipped) == 12
    assert zipped.source == str(corrections)


@pytest.mark.parametrize("name", ["packed.zip", "packed"])
def test_a_folder_that_was_packed_as_a_whole_is_looked_into(
    name: str, folder: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archived:
        archived.writestr("__MACOSX/._corrections", b"")
        for file in sorted(folder.rglob("*.png")):
            archived.write(file, file.relative_to(tmp_path))
    assert torch.equal(load_digits(str(tmp_path / name)).images, load_digits(str(folder)).images)


def test_a_label_is_no_folder_that_was_packed(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archived:
        archived.write(next(folder.rglob("*.png")), "7/a.png")
    assert load_digits(str(tmp_path / "one.zip")).labels.tolist() == [7]


def test_a_bad_image_in_a_zip_is_named_by_the_zip(corrections: Path) -> None:
    with zipfile.ZipFile(corrections, "a") as archived:
        archived.writestr("3/bad.png", b"no picture")
    with pytest.raises(DataError) as caught:
        load_digits(str(corrections))
    assert str(caught.value).startswith(f"{corrections}/3/bad.png: ")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(byte ^ 255 for byte in data[60:80])
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def named_too_long(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archived:
        archived.writestr("3/" + "x" * 5_000, b"")


def with_a_damaged_entry(path: Path, compression: int) -> None:
    with zipfile.ZipFile(path, "w", compression) as archived:
        archived.writestr("3/a.png", bytes(range(256)) * 20)
    data = bytearray(path.read_bytes())
    data[80:120] = bytes(byte ^ 255 for byte in data[80:120])
    path.write_bytes(data)


def damaged_lzma(path: Path) -> None:
    with_a_damaged_entry(path, zipfile.ZIP_LZMA)


def damaged_bzip2(path: Path) -> None:
    with_a_damaged_entry(path, zipfile.ZIP_BZIP2)


@pytest.mark.parametrize(
    "damage",
    [truncated, flipped, emptied, removed, named_too_long, damaged_lzma, damaged_bzip2],
)
def test_a_damaged_zip_is_one_line(damage: Callable[[Path], None], corrections: Path) -> None:
    damage(corrections)
    with pytest.raises(DataError) as caught:
        load_digits(str(corrections))
    assert str(caught.value).startswith(f"{corrections}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 11), ("MAX_UNPACKED_BYTES", 500)])
def test_a_zip_that_is_too_large_is_refused(
    limit: str, value: int, corrections: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(DataError, match=f"more than {value} (files|bytes); divide it"):
        load_digits(str(corrections))


def test_names_lead_out_of_no_folder(corrections: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(corrections, "a") as archived:
        archived.writestr("../../../../outside.png", b"")
    with archive.unpacked(corrections) as folder:
        assert (folder / "outside.png").exists()
        assert folder.parent != tmp_path
    assert not folder.exists()
