"""Sets of pictures: folders of the user's own, and the sets known by name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold import data, rendering
from tenfold.data.digits import Digits
from tenfold.errors import DataError
from tenfold.rendering.picture_sets import PICTURE_SETS, load_pictures, picture_sets

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
SUDOKU = "1" + "." * 79 + "9"


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_subfolders_keep_size_and_colour(tmp_path: Path) -> None:
    save(tmp_path / "7" / "a.png", GREY)
    save(tmp_path / "3" / "b.png", COLOUR)
    pictures = load_pictures(str(tmp_path))
    assert (pictures.kind, pictures.labels) == ("single", ("3", "7"))
    assert (pictures.name, pictures.source) == (tmp_path.name, str(tmp_path))
    np.testing.assert_array_equal(pictures.pictures[0], COLOUR)
    np.testing.assert_array_equal(pictures.pictures[1], GREY)
    assert load_pictures(str(tmp_path), n=1).labels == ("3",)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("1", "2"), "single"),
        (("1", "007"), "number"),
        (("12", ""), "number"),
        (("-8.50", "10:30 7"), "number"),
        (("", ""), "non-digit"),
        ((SUDOKU, SUDOKU), "grid"),
        (("12,,7/3,4,5", "1/2"), "table"),
    ],
)
def test_labels_tell_the_kind(tmp_path: Path, labels: tuple[str, str], kind: str) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.png", GREY)
    (tmp_path / "labels.csv").write_text(f'file,label\na.png,"{labels[0]}"\nb.png,"{labels[1]} "\n')
    pictures = load_pictures(str(tmp_path))
    assert (pictures.labels, pictures.kind) == (labels, kind)


def test_a_first_row_without_a_label_is_no_header(tmp_path: Path) -> None:
    save(tmp_path / "a.png", GREY)
    (tmp_path / "labels.csv").write_text("a.png,\n")
    assert load_pictures(str(tmp_path)).kind == "non-digit"


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ("4o2", r"labels\.csv: row 2 labels b\.png as '4o2'; write its number, such as -8.50"),
        (SUDOKU, r"row 2 labels b\.png as '1\.\.\.+9'"),
    ],
)
def test_labels_of_no_kind_are_named(tmp_path: Path, label: str, complaint: str) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.png", GREY)
    (tmp_path / "labels.csv").write_text(f"a.png,1\nb.png,{label}\n")
    with pytest.raises(DataError, match=complaint):
        load_pictures(str(tmp_path))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "bad.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"bad\.png"):
        load_pictures(str(tmp_path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        DataError, match=r"dekk: no such set of pictures or folder; sets: .*optical, "
    ):
        load_pictures("dekk")
    with pytest.raises(DataError, match="no -1 pictures"):
        load_pictures("optical", n=-1)


def test_each_set_is_described_in_a_line() -> None:
    assert list(picture_sets()) == list(PICTURE_SETS)
    assert all("\n" not in line and 20 < len(line) < 80 for line in picture_sets().values())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("documents", "single"),
        ("document-numbers", "number"),
        ("document-grids", "grid"),
        ("blanks-and-scribbles", "non-digit"),
    ],
)
def test_drawn_sets_are_the_same_each_time(mnist_test: Digits, name: str, kind: str) -> None:
    first, again = load_pictures(name, n=2), load_pictures(name, n=2)
    assert first.kind == kind
    assert len(first) == 2
    assert first.sha256 == again.sha256
    assert (mnist_test.name in first.source) == name.startswith("document")


def test_handwriting_is_shown_dark_on_light(
    tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.data.sources.load_digits", lambda *_: tiny_digits)
    monkeypatch.setattr(
        "tenfold.data.sources.load_symbols", lambda *_: np.full((3, 28, 28), 7, np.uint8)
    )
    digits = load_pictures("bhmsds-pictures", n=2)
    assert digits.labels == tuple(map(str, tiny_digits.labels[:2].tolist()))
    np.testing.assert_array_equal(digits.pictures, 255 - tiny_digits.images[:2].numpy())
    symbols = load_pictures("bhmsds-symbol-pictures")
    assert (symbols.kind, len(symbols)) == ("non-digit", 3)
    assert {int(level) for picture in symbols.pictures for level in picture.ravel()} == {248}


def test_listing_the_sets_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tenfold.rendering.picture_sets import picture_sets; picture_sets();"
        "sys.exit(len({'torch', 'cv2', 'sklearn'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_without_torch_pictures_are_rendered_and_files_read() -> None:
    need_torch = {"affine", "corrections", "digits", "sampling", "non_digits"}
    modules = [
        f"tenfold.{package.__name__.rpartition('.')[2]}.{path.stem}"
        for package in (data, rendering)
        for path in Path(package.__path__[0]).glob("*.py")
        if path.stem not in need_torch | {"__init__"}
    ]
    assert {"tenfold.rendering.strokes", "tenfold.data.idx"} <= set(modules)
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
