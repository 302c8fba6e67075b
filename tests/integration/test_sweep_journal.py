"""A journal of Optuna that something else has written is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenfold.errors import RunError
from tenfold.studies.space import Space, load_space
from tenfold.studies.sweep import open_sweep
from tenfold.training.recipe import load_recipe

SPACE = """
"training.stages.0.learning_rate.start" = { low = 0.001, high = 0.02 }
"network.pooling" = { choices = ["mixed", "max"] }
"""


@pytest.fixture
def space(tmp_path: Path) -> Space:
    (tmp_path / "space.toml").write_text(SPACE)
    return load_space(tmp_path / "space.toml", load_recipe("smoke", ["data.validation=100"]))


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"\xff\xfe",
        b"[" * 20_000,
        b"[1]",
        b'{"op_code": 0}',
        b'{"op_code": 99, "worker_id": "x"}',
        b'{"op_code": ' + b"9" * 5_000 + b"}",
    ],
    ids=["text", "not UTF-8", "deep", "a list", "no name", "unknown", "5,000 digits"],
)
def test_what_is_no_journal(line: bytes, space: Space, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "journal.log").write_bytes(line + b"\n")
    with pytest.raises(RunError) as raised, open_sweep(space, folder):
        pass
    assert str(raised.value).startswith(f"{folder}/journal.log: cannot be opened (")
    assert str(raised.value).endswith("); name another")
    assert "\n" not in str(raised.value)


def forged(lines: list[dict[str, Any]], op_code: int, **values: Any) -> None:
    """Change the first line of a kind."""
    next(line for line in lines if line["op_code"] == op_code).update(values)


FORGERIES: dict[str, tuple[Callable[[list[dict[str, Any]]], None], str]] = {
    "a folder elsewhere": (
        lambda lines: forged(lines, 8, user_attr={"run": "../../elsewhere"}),
        "its run is '../../elsewhere'",
    ),
    "another key": (
        lambda lines: forged(lines, 5, param_name="data.spec"),
        "data.spec is .*, which is not in the space",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_trial_of_another_folder_or_key(name: str, space: Space, tmp_path: Path) -> None:
    forge, fault = FORGERIES[name]
    folder = tmp_path / "sweep"
    with open_sweep(space, folder) as sweep:
        trial = sweep.study.ask(space.distributions)
        trial.set_user_attr("run", "0000")
        sweep.study.tell(trial, 2.5)
    with open_sweep(space, folder) as sweep:
        assert sweep.trials()[0].value == 2.5
    journal = folder / "journal.log"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    forge(lines)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RunError, match=f"journal.log: trial 0: {fault}; name"):  # noqa: SIM117
        with open_sweep(space, folder):
            pass
