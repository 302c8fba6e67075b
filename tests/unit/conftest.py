"""What tests of the kernels share."""

from collections.abc import Callable, Iterator

import pytest
import torch

from tenfold.model import library


@pytest.fixture
def use_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Choose the kernels as a new process would that finds TENFOLD_KERNELS set."""

    def choose(variant: str) -> None:
        monkeypatch.setenv("TENFOLD_KERNELS", variant)
        library.load.cache_clear()

    yield choose
    monkeypatch.undo()
    library.load.cache_clear()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Spare many small calls the waiting for another thread on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
