"""Curves in TensorBoard: the extra is asked for, and what is written is what was measured."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from training_records import evaluation_event, progress_event

from tenfold.errors import MissingExtraError
from tenfold.execution.tensorboard import TensorBoard

EVENT = evaluation_event(7)
SCALARS = ("nll_sum", "accuracy", "train_nll", "weight_loss", "learning_rate", "l2_coefficient")


def test_without_tensorboard_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.execution.tensorboard.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(MissingExtraError, match=r"--tensorboard .* pip install 'tenfold\[track\]'"):
        TensorBoard()


def test_evaluations_become_scalars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "tensorboard")

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            pass

    fake = ModuleType("torch.utils.tensorboard")
    vars(fake)["SummaryWriter"] = Writer
    monkeypatch.setitem(__import__("sys").modules, fake.__name__, fake)
    monkeypatch.setattr("tenfold.execution.tensorboard.find_spec", lambda _name: SimpleNamespace())
    board, folder = TensorBoard(), tmp_path / "tensorboard"
    board.on_event(folder, 0, progress_event(3))
    assert written == []
    board.on_event(folder, 1, EVENT)
    facts = EVENT.record.model_dump()
    assert sorted(written) == sorted((f"{name}/member 2", facts[name], 7) for name in SCALARS)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="extra `track`")
def test_real_files_appear(tmp_path: Path) -> None:
    TensorBoard().on_event(tmp_path, 0, EVENT)
    assert list(tmp_path.glob("events.out.tfevents.*"))
