"""Named data sets and folders of the user's own: fetched once, checked at every load.

The cache holds the four IDX files of each data set, unpacked. A file enters the cache only
with the SHA-256 that `datasets` has.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tenfold.data.archive import unpacked
from tenfold.data.datasets import DATASETS, SYMBOLS, Dataset
from tenfold.data.download import Source, file_sha256
from tenfold.data.folder import load_folder
from tenfold.data.idx import Bytes, read_idx
from tenfold.errors import ChecksumError, DataError
from tenfold.text import escape

if TYPE_CHECKING:
    from tenfold.data.digits import Digits

Split = Literal["train", "test"]
State = Literal["ok", "missing", "wrong"]

_FILE_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_SYNTHETIC_COUNT_AND_SEED: dict[Split, tuple[int, int]] = {"train": (6_000, 1), "test": (1_000, 2)}


def datasets() -> dict[str, str]:
    """Describe the data sets that `load_digits` knows by name, one line each."""
    known = {name: dataset.description for name, dataset in DATASETS.items()}
    return known | {"synthetic": "6,000 + 1,000 drawn seven-segment digits, made on the spot"}


def cache_folder() -> Path:
    """Return the cache: TENFOLD_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("TENFOLD_CACHE"):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("tenfold")


def load_digits(spec: str = "mnist", split: Split = "train") -> "Digits":
    """Load one split of a data set into memory, fetching it first when the cache lacks it.

    Args:
        spec: a name in `datasets`, or the path of a folder or of a zip of one: of IDX files under
            MNIST's names (plain or ``.gz``), or of images as `load_folder` takes them. A folder of
            images with ``train`` and ``test`` sub-folders has two splits. In any other folder of
            images, both splits are the same.
        split: ``train`` or ``test``.

    Raises:
        ChecksumError: a cached file has other bytes than expected. This is checked at every load.
        DataError: no such data set or folder, no source could be reached, or bad contents.
    """
    import torch

    from tenfold.data.digits import Digits, synthetic_digits

    if spec == "synthetic":
        made = synthetic_digits(*_SYNTHETIC_COUNT_AND_SEED[split])
        return replace(made, name=f"synthetic/{split}")
    if spec == SYMBOLS:
        raise DataError(f"{spec}: has no digits; it is for the recipe's outlier_exposure.symbols")
    if spec in DATASETS:
        name, folder = spec, cache_folder() / spec
        images, labels = _load_cached(spec, split)
    else:
        folder = Path(spec)
        name = escape(folder.resolve().name)
        images, labels = load_own(folder, split)
    return Digits(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels.astype(np.int64)),
        name=f"{name}/{split}",
        source=str(folder),
    )


def fetch(name: str) -> list[Path]:
    """Bring the missing files of a data set into the cache, from the first source that has them.

    Each source that fails gives one line on standard error.

    Returns:
        The data set's files in the cache, checked.

    Raises:
        ChecksumError: a file in the cache is wrong; or a source sent wrong bytes, and no other
            source could deliver.
        DataError: no such data set, or no source could deliver.
    """
    dataset, folder = _dataset(name), cache_folder() / name
    wrong_bytes: ChecksumError | None = None
    tried: list[str] = []
    for source in dataset.sources:
        if not (missing := _missing(dataset, folder)):
            break
        try:
            _fetch_from(source, missing, folder, dataset.sha256)
        except DataError as error:
            wrong_bytes = wrong_bytes or (error if isinstance(error, ChecksumError) else None)
            reason = "sent wrong bytes" if isinstance(error, ChecksumError) else error
            tried.append(f"{source.label} {reason}")
            following = (
                "trying the next source" if source != dataset.sources[-1] else "none is left"
            )
            sys.stderr.write(f"{name}: {tried[-1]}; {following}\n")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
    if missing := _missing(dataset, folder):
        if wrong_bytes:
            raise wrong_bytes
        raise DataError(
            f"{name}: no source could deliver ({', '.join(tried)}); connect to the network, or "
            f"put {', '.join(missing)} (unpacked) into {folder}"
        )
    for file in dataset.sha256:
        _check(name, folder / file)
    return [folder / file for file in dataset.sha256]


def verify(name: str) -> list[tuple[Path, State]]:
    """Compare the files of a data set in the cache with the expected SHA-256.

    Returns:
        Path and state of each file.

    Raises:
        DataError: no such data set.
    """
    folder = cache_folder() / name
    states: list[tuple[Path, State]] = []
    for file, expected in _dataset(name).sha256.items():
        path = folder / file
        state: State = "missing"
        if path.exists():
            state = "ok" if file_sha256(path) == expected else "wrong"
        states.append((path, state))
    return states


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise DataError(f"{name}: nothing to fetch; data sets: {', '.join(DATASETS)}")
    return DATASETS[name]


def _missing(dataset: Dataset, folder: Path) -> list[str]:
    return [file for file in dataset.sha256 if not (folder / file).exists()]


def _fetch_from(source: Source, files: list[str], folder: Path, sha256: Mapping[str, str]) -> None:
    """Move each file that the source delivers into the folder once its hash is right."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
        for path in source.deliver(files, Path(staging)):
            expected, actual = sha256[path.name], file_sha256(path)
            if actual != expected:
                advice = f"it was not kept; fetch again later, or put {path.name} into {folder}"
                raise ChecksumError(f"{path.name} from {source.label}", expected, actual, advice)
            path.replace(folder / path.name)


def _check(name: str, path: Path) -> None:
    expected, actual = DATASETS[name].sha256[path.name], file_sha256(path)
    if actual != expected:
        advice = f"delete the file and run `tenfold data fetch {name}`"
        raise ChecksumError(path, expected, actual, advice)


def _load_cached(name: str, split: Split) -> tuple[Bytes, Bytes]:
    folder, prefix = cache_folder() / name, _FILE_PREFIX[split]
    paths = [folder / file for file in DATASETS[name].sha256 if file.startswith(prefix)]
    if not all(path.exists() for path in paths):
        fetch(name)
    # The check takes 35 ms for MNIST, and keeps a run from training on damaged data.
    for path in paths:
        _check(name, path)
    images, labels = map(read_idx, paths)
    return images, labels


def load_symbols(split: Split = "train") -> Bytes:
    """Load letters and symbols written by hand, uint8[n, 28, 28], as `load_digits` does digits."""
    return _load_cached(SYMBOLS, split)[0]


def load_own(
    path: Path, split: Split, *, with_non_digits: bool = False
) -> tuple[Bytes, Bytes | np.ndarray]:
    """Load a folder or a zip as `load_digits` does; `load_folder` describes non-digits."""
    with unpacked(path) as folder:
        return _load_folder(folder, split, with_non_digits=with_non_digits)


def _load_folder(
    folder: Path, split: Split, *, with_non_digits: bool
) -> tuple[Bytes, Bytes | np.ndarray]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data set or folder; data sets: {', '.join(datasets())}")
    if any(folder.glob("*-images?idx3-ubyte*")):
        prefix = _FILE_PREFIX[split]
        path = _find_idx(folder, f"{prefix}-images", "idx3-ubyte")
        images = read_idx(path)
        if not len(images):
            raise DataError(f"{path}: has no images; put at least one into it")
        return images, read_idx(_find_idx(folder, f"{prefix}-labels", "idx1-ubyte"))
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        folder = folder / split
    return load_folder(folder, with_non_digits=with_non_digits)


def _find_idx(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{separator}{kind}{suffix}" for suffix in ("", ".gz") for separator in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: has no {names[0]}, plain or .gz")
