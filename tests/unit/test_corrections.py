"""Corrections: digits and non-digits, of folders and zips."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tenfold.data.corrections import Corrections, load_corrections, without_copies
from tenfold.data.digits import concatenate
from tenfold.data.sources import load_digits
from tenfold.errors import DataError


def write_images(root: Path, *places: str) -> list[np.ndarray]:
    images = []
    for index, place in enumerate(places):
        images.append(np.zeros((28, 28), np.uint8))
        images[-1][10:20, 5 + index : 15] = 200 + index
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[-1]).save(root / place)
    return images


@pytest.mark.parametrize("packed", [False, True])
def test_the_folder_none_holds_non_digits_which_training_leaves_out(
    tmp_path: Path, *, packed: bool
) -> None:
    images = write_images(tmp_path / "c", "3/a.png", "none/b.png", "none/c.png")
    path = tmp_path / "c"
    if packed:
        path = tmp_path / "c.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (tmp_path / "c").rglob("*.png"):
                archive.write(file, file.relative_to(tmp_path / "c"))
    found = load_corrections(str(path))
    assert found.labels.tolist() == [3, -1, -1]
    np.testing.assert_array_equal(found.images.numpy(), images)
    assert load_digits(str(path)).labels.tolist() == [3]
    both = concatenate([found, load_corrections("synthetic")])
    assert both.labels[:4].tolist() == [3, -1, -1, int(load_digits("synthetic").labels[0])]
    assert both.subset([1]).labels.tolist() == [-1]


def test_a_csv_names_non_digits(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_text("a.png,none\nb.png,7\n")
    assert load_corrections(str(tmp_path)).labels.tolist() == [-1, 7]
    with pytest.raises(DataError, match=r"row 1 labels a\.png as 'none', not 0 … 9"):
        load_digits(str(tmp_path))


def test_copies_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, "3/b.png", "none/c.png", "7/e.png")
    for copy in ("3/a.png", "3/d.png"):
        (tmp_path / copy).write_bytes((tmp_path / "3/b.png").read_bytes())
    found = load_corrections(str(tmp_path))
    once = without_copies(found)
    assert once.labels.tolist() == [3, 7, -1]
    assert torch.equal(once.images, found.images[[0, 3, 4]])
    (tmp_path / "none" / "f.png").write_bytes((tmp_path / "7/e.png").read_bytes())
    both = "image 1 of the label 7 and image 2 of the label none are the same; delete one"
    with pytest.raises(DataError, match=both):
        without_copies(load_corrections(str(tmp_path)))


def test_only_non_digits_are_corrections_but_no_digits(tmp_path: Path) -> None:
    write_images(tmp_path, "none/a.png")
    assert load_corrections(str(tmp_path)).labels.tolist() == [-1]
    with pytest.raises(DataError, match="no digits here"):
        load_digits(str(tmp_path))


def test_labels_below_minus_1_are_refused() -> None:
    digits = load_digits("synthetic")
    labels = digits.labels.clone()
    labels[4] = -2
    with pytest.raises(DataError, match="label 4 is -2"):
        Corrections(digits.images, labels, "c", "")
