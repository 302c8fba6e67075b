"""Named data sets and folders of the user's own; the network is never used."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from PIL import Image

from tenfold.data import sources
from tenfold.data.download import LocalFolder
from tenfold.data.idx import write_idx
from tenfold.data.sources import datasets, fetch, load_digits, verify
from tenfold.errors import ChecksumError, DataError


def test_a_split_is_loaded_from_the_cache(
    arrays: dict[str, np.ndarray], install: Callable[..., None], originals: Path, cache: Path
) -> None:
    install(LocalFolder(originals))
    fetch("mnist")
    install()  # no source is left
    train, test = (load_digits("mnist", "train"), load_digits("mnist", "test"))
    for digits, part in ((train, "train"), (test, "t10k")):
        np.testing.assert_array_equal(digits.images, arrays[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(digits.labels, arrays[f"{part}-labels-idx1-ubyte"])
    assert (train.name, test.name) == ("mnist/train", "mnist/test")
    assert train.source == str(cache / "mnist")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_flipped_bit_in_the_cache_is_found_and_kept(
    install: Callable[..., None], originals: Path, cache: Path, name: str
) -> None:
    install(LocalFolder(originals))
    fetch("mnist")
    path = cache / "mnist" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for load in (lambda: load_digits("mnist", "train"), lambda: fetch("mnist")):
        with pytest.raises(ChecksumError, match=name):
            load()
    assert path.read_bytes() == content
    load_digits("mnist", "test")  # the other split is as good as ever


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "named"))
    assert verify("mnist")[0][0].parent == tmp_path / "named" / "mnist"
    monkeypatch.delenv("TENFOLD_CACHE")
    assert sources.cache_folder() == platformdirs.user_cache_path("tenfold")


def test_verify_tells_ok_missing_and_wrong(install: Callable[..., None], originals: Path) -> None:
    install(LocalFolder(originals))
    assert [state for _, state in verify("mnist")] == ["missing"] * 4
    paths = fetch("mnist")
    paths[1].write_bytes(b"wrong")
    paths[2].unlink()
    rows = verify("mnist")
    assert [row[0] for row in rows] == paths
    assert [row[1] for row in rows] == ["ok", "wrong", "missing", "ok"]


def test_an_unwritable_cache_is_named(
    install: Callable[..., None], originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(LocalFolder(originals))
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="file/mnist: cannot be written"):
        fetch("mnist")


def test_a_folder_of_idx_files_plain_gzipped_or_dotted(
    arrays: dict[str, np.ndarray], originals: Path
) -> None:
    (originals / "train-images-idx3-ubyte").unlink()
    labels = originals / "train-labels-idx1-ubyte"
    (originals / "train-labels-idx1-ubyte.gz").unlink()
    labels.rename(originals / "train-labels.idx1-ubyte")
    digits = load_digits(str(originals), "train")
    np.testing.assert_array_equal(digits.images, arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(digits.labels, arrays["train-labels-idx1-ubyte"])
    assert digits.name == "originals/train"
    (originals / "t10k-labels-idx1-ubyte").unlink()
    (originals / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="has no t10k-labels-idx1-ubyte"):
        load_digits(str(originals), "test")


def test_an_idx_file_without_images_is_one_line(originals: Path) -> None:
    path = originals / "t10k-images-idx3-ubyte"
    write_idx(path, np.empty((0, 28, 28), np.uint8))
    write_idx(originals / "t10k-labels-idx1-ubyte", np.empty(0, np.uint8))
    assert len(load_digits(str(originals), "train"))
    with pytest.raises(DataError, match=f"^{path}: has no images; put at least one into it$"):
        load_digits(str(originals), "test")


def test_a_folder_of_images_with_and_without_splits(tmp_path: Path) -> None:
    def draw(folder: Path, label: int) -> None:
        (folder / str(label)).mkdir(parents=True)
        Image.new("L", (28, 28), label).save(folder / str(label) / "x.png")

    draw(tmp_path / "whole", 3)
    for split, label in (("train", 4), ("test", 5)):
        draw(tmp_path / "parted" / split, label)
    labels = [
        load_digits(str(tmp_path / folder), split).labels.tolist()
        for folder in ("whole", "parted")
        for split in ("train", "test")
    ]
    assert labels == [[3], [3], [4], [5]]


def test_synthetic_splits_differ() -> None:
    train, test = load_digits("synthetic", "train"), load_digits("synthetic", "test")
    assert (len(train), len(test)) == (6_000, 1_000)
    assert (train.name, test.name) == ("synthetic/train", "synthetic/test")
    assert not (train.images[:1_000] == test.images).all()


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(DataError, match="mnits: no such data set or folder; data sets: mnist"):
        load_digits("mnits")
    for use in (fetch, verify):
        with pytest.raises(DataError, match="mnist, fashion-mnist"):
            use("synthetic")
    assert list(datasets()) == ["mnist", "fashion-mnist", "bhmsds", "bhmsds-symbols", "synthetic"]


def test_symbols_are_no_digits() -> None:
    with pytest.raises(DataError, match="bhmsds-symbols: has no digits"):
        load_digits("bhmsds-symbols")


def test_importing_needs_no_torch() -> None:
    code = "import sys, tenfold.data.sources; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.network
def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))
    paths = fetch("mnist")
    # The MD5s of the unpacked originals, as published beside them for decades.
    assert [hashlib.md5(path.read_bytes()).hexdigest() for path in paths] == [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]
