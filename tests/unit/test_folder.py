"""Folders of images: what is read, and everything that can be wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.data.folder import list_labelled_files, load_folder, to_mnist_size
from tenfold.errors import DataError


def a_digit() -> np.ndarray:
    """A ramp in a black frame, uint8[28, 28]."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 4:24] = np.arange(20, dtype=np.uint8)[:, None] * 12 + 10
    return pixels


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_subfolders_are_labels_and_names_give_the_order(tmp_path: Path) -> None:
    for name in ("7/b.png", "7/a.png", "0/z.bmp", "7/.hidden.png"):
        save(tmp_path / name, a_digit())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.txt").write_text("not an image")
    (tmp_path / "0" / "Thumbs.db").write_bytes(b"not an image, and not named like one")
    images, labels = load_folder(tmp_path)
    files = [file.path for file in list_labelled_files(tmp_path)]
    assert [str(file.relative_to(tmp_path)) for file in files] == ["0/z.bmp", "7/a.png", "7/b.png"]
    assert labels.tolist() == [0, 7, 7]
    assert labels.dtype == np.int64
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.stack([a_digit()] * 3))


@pytest.mark.parametrize("table", ["labels.csv", "truth.csv"])
@pytest.mark.parametrize("header", ["", "file,label\n", "\ufefffile,label\n"])
def test_csv_with_and_without_header(tmp_path: Path, table: str, header: str) -> None:
    save(tmp_path / "scans" / "one.png", a_digit())
    save(tmp_path / "two.png", a_digit() // 2)
    rows = f"{header}two.png,2\n\nscans/one.png, 1\n"
    (tmp_path / table).write_text(rows, encoding="utf-8")
    images, labels = load_folder(tmp_path)
    files = [file.path for file in list_labelled_files(tmp_path)]
    assert labels.tolist() == [2, 1]
    assert [file.name for file in files] == ["two.png", "one.png"]
    np.testing.assert_array_equal(images[0], a_digit() // 2)


def test_a_first_row_whose_picture_is_missing_is_no_header(tmp_path: Path) -> None:
    save(tmp_path / "two.png", a_digit())
    (tmp_path / "labels.csv").write_text("typo.png,none\ntwo.png,2\n")
    files = list_labelled_files(tmp_path)
    assert [(file.path.name, file.label) for file in files] == [
        ("typo.png", "none"),
        ("two.png", "2"),
    ]


def test_a_table_beside_folders_of_labels_is_not_left_out(tmp_path: Path) -> None:
    save(tmp_path / "7/a.png", a_digit())
    save(tmp_path / "b.png", a_digit())
    (tmp_path / "labels.csv").write_text("b.png,3\n")
    with pytest.raises(DataError, match="has sub-folders of labels and a"):
        list_labelled_files(tmp_path)


def test_pictures_below_a_label_s_folder_are_not_left_out(tmp_path: Path) -> None:
    save(tmp_path / "7/a.png", a_digit())
    save(tmp_path / "7/more/b.png", a_digit())
    save(tmp_path / "7/@eaDir/a.png", a_digit())
    with pytest.raises(DataError, match=r"7/more: has pictures too; move them into .*7$"):
        list_labelled_files(tmp_path)


def test_larger_images_are_averaged_by_area() -> None:
    large = np.random.default_rng(0).integers(0, 100, (84, 56), dtype=np.uint8)
    expected = large.reshape(28, 3, 28, 2).astype(float).mean(axis=(1, 3))
    pixels = to_mnist_size(large)
    np.testing.assert_allclose(pixels, expected, atol=1)  # each axis is rounded in turn


def test_smaller_images_are_enlarged() -> None:
    small = np.zeros((14, 14), np.uint8)
    small[4:10, 4:10] = 200
    pixels = to_mnist_size(small)
    assert pixels.shape == (28, 28)
    assert (pixels[10:18, 10:18] == 200).all()
    assert not pixels[:6].any()


def test_dark_on_light_is_inverted() -> None:
    np.testing.assert_array_equal(to_mnist_size(255 - a_digit()), a_digit())


def test_transparency_is_paper(tmp_path: Path) -> None:
    strokes = np.zeros((28, 28, 4), np.uint8)  # black everywhere, opaque where there are strokes
    strokes[:, :, 3] = a_digit()
    save(tmp_path / "7" / "x.png", strokes)
    np.testing.assert_allclose(load_folder(tmp_path)[0][0].astype(int), a_digit(), atol=1)


def test_colour_turns_grey_with_the_usual_weights() -> None:
    colour = np.zeros((28, 28, 3), np.uint8)
    colour[10:18, 10:18] = (200, 100, 50)
    pixels = to_mnist_size(colour)
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B = 124.2
    assert abs(int(pixels[14, 14]) - 124.2) <= 1


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "3" / "bad.png"
    path.parent.mkdir()
    path.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=f"{path}: not a readable image"):
        load_folder(tmp_path)


@pytest.mark.parametrize("name", ["x.jp2", "x.AVIF", "x.svg"])
def test_a_picture_of_a_format_that_is_not_read_is_an_error(name: str, tmp_path: Path) -> None:
    save(tmp_path / "3" / "good.png", a_digit())
    (tmp_path / "3" / name).write_bytes(b"anything")
    with pytest.raises(DataError, match=f"{tmp_path / '3' / name}: not a readable image: PNG"):
        load_folder(tmp_path)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no digits here"):
        load_folder(tmp_path)
    (tmp_path / "0").mkdir()
    with pytest.raises(DataError, match="no digits here"):
        load_folder(tmp_path)
    with pytest.raises(DataError, match="absent: no such folder"):
        load_folder(tmp_path / "absent")


def test_a_subfolder_beyond_nine_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "10" / "x.png", a_digit())
    with pytest.raises(DataError, match="10: a sub-folder's name is its label"):
        load_folder(tmp_path)


def test_pictures_in_a_misspelt_subfolder_are_not_skipped(tmp_path: Path) -> None:
    save(tmp_path / "7" / "x.png", a_digit())
    save(tmp_path / "none" / "x.png", a_digit())
    (tmp_path / "notes").mkdir()
    for made in (".thumbnails", "__MACOSX", "@eaDir"):
        save(tmp_path / made / "x.png", a_digit())
    assert load_folder(tmp_path)[1].tolist() == [7]
    save(tmp_path / "seven" / "x.png", a_digit())
    with pytest.raises(DataError, match="seven: a sub-folder's name is its label: 0 … 9 or none"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("x.png,3\nx.png,4\n", r"labels\.csv: row 2 labels x\.png as '4', another row as '3'"),
        ("x.png,10\n", r"labels\.csv: row 1 labels x\.png as '10'"),
        ("x.png,-1\n", "row 1 labels"),
        ("x.png,three\n", "row 1 labels x"),
        ("file,label\nx.png,\n", "row 2 labels"),
        ("x.png\n", "row 1 has 1 fields"),
        ("file,label\nabsent.png,1\n", r"absent\.png: no such image"),
        ("file,label\n", "no digits here"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: str, complaint: str) -> None:
    save(tmp_path / "x.png", a_digit())
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match=complaint):
        load_folder(tmp_path)


def test_two_tables_are_one_too_many(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x.png,1\n")
    with pytest.raises(DataError, match="several CSV files"):
        load_folder(tmp_path)


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\0x")
    with pytest.raises(DataError, match=r"labels\.csv: not UTF-8 text"):
        load_folder(tmp_path)
