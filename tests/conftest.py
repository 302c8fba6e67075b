"""What every test may use."""

import contextlib
import gc
import gzip
import hashlib
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest
import torch
from hypothesis import settings

from tenfold.data.datasets import DATASETS, Dataset
from tenfold.data.digits import Digits, synthetic_digits
from tenfold.data.download import Source
from tenfold.data.idx import write_idx
from tenfold.data.sources import load_digits

# A first call may import half of SciPy; how long an example takes is no property of the code.
settings.register_profile("tenfold", deadline=None)
settings.load_profile("tenfold")

DEBIAN_PACKAGES = {"node": "nodejs"}


def pytest_configure() -> None:
    """Collect no garbage while modules are imported: nearly all that they make is kept."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage again, without looking at what was imported each time."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Compute on one thread, whatever was set before: tiny layers on several mostly wait."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@contextlib.contextmanager
def blank_figures() -> Iterator[None]:
    """Draw no figures of reports: they take longer than all the rest of a page."""
    from tenfold.report import curves, figures
    from tenfold.report.drawing import Drawing

    def blank(_: object, name: str, caption: str) -> Drawing:
        return Drawing(name, caption, f'<svg id="{name}"></svg>')

    with pytest.MonkeyPatch.context() as patched:
        for module in (curves, figures):
            patched.setattr(module, "drawing", blank)
        yield


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Leave figures blank, where a test is about something else."""
    with blank_figures():
        yield


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two members for eight iterations; the figures of the report are blank."""
    from tenfold.execution.config import Execution
    from tenfold.execution.train import train
    from tenfold.report.page import write_report

    short = [f"training.stages.{stage}.iterations=4" for stage in (0, 1)]
    execution = Execution(device="cpu", precision="float32", threads=1)
    path = tmp_path_factory.mktemp("small") / "run"
    train("smoke", overrides=short, out=path, execution=execution)
    with blank_figures():
        write_report([path])
    return path


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """Give a function that returns a program's path, and skips the test where it is missing.

    With CI=true in the environment the test fails instead: a check that is skipped in silence
    checks nothing.
    """

    def require(name: str) -> str:
        if path := shutil.which(name):
            return path
        package = DEBIAN_PACKAGES.get(name, name)
        _skip_or_fail(f"no {name}; on Debian: apt-get install {package}")

    return require


@pytest.fixture(scope="session")
def require_module() -> Callable[[str], Any]:
    """Give a function that imports a module; where it is missing, as `require_tool`."""

    def require(name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            _skip_or_fail(f"no module {name}; install the group dev: pip install --group dev")

    return require


def _skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def tiny_digits() -> Digits:
    """400 drawn digits, 40 of each: learnable, and no file or network is needed."""
    return synthetic_digits(400, seed=0)


@pytest.fixture(scope="session")
def mnist_test() -> Digits:
    """MNIST's test images, fetched into the user's cache the first time."""
    return load_digits("mnist", "test")


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    """The contents of a data set of 12 + 5 random images, under MNIST's file names."""
    generator = np.random.default_rng(0)
    contents = {}
    for part, rows in (("train", 12), ("t10k", 5)):
        contents[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (rows, 28, 28), np.uint8)
        contents[f"{part}-labels-idx1-ubyte"] = generator.integers(0, 10, rows, np.uint8)
    return contents


@pytest.fixture
def originals(arrays: dict[str, np.ndarray], tmp_path: Path) -> Path:
    """Hold those arrays as IDX files, plain and gzipped."""
    folder = tmp_path / "originals"
    folder.mkdir()
    for name, array in arrays.items():
        write_idx(folder / name, array)
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Name a cache folder that does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def install(originals: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the data set ``mnist`` small files, the given sources, and `cache`."""
    monkeypatch.setenv("TENFOLD_CACHE", str(cache))
    names = DATASETS["mnist"].sha256
    sha256 = {name: hashlib.sha256((originals / name).read_bytes()).hexdigest() for name in names}

    def install_sources(*chosen: Source) -> None:
        monkeypatch.setitem(DATASETS, "mnist", Dataset("small", sha256, chosen))

    return install_sources
