"""What the shell offers where a name is expected."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tenfold.bundle.format import BUNDLES
from tenfold.cli import app
from tenfold.data.sources import datasets
from tenfold.training.recipe import shipped

SHIPPED_BUNDLES = {path.name for path in BUNDLES.iterdir() if path.is_dir()}


def complete(line: str) -> set[str]:
    """Return what bash is offered for the last word of a line."""
    variables = {
        "_TENFOLD_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    done = CliRunner().invoke(app, [], env=variables, prog_name="tenfold")
    assert done.exit_code == 0, done.output
    return set(done.output.split())


@pytest.mark.parametrize("command", ["train", "repeat", "sweep", "audit --recipe"])
def test_recipes(command: str) -> None:
    assert complete(f"tenfold {command} ") == set(shipped())
    assert complete(f"tenfold {command} s") == {n for n in shipped() if n.startswith("s")}


@pytest.mark.parametrize("command", ["read --model", "serve --model", "tune", "export", "evaluate"])
def test_bundles(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete(f"tenfold {command} ") == SHIPPED_BUNDLES
    (tmp_path / "runs" / "mine-1" / "bundle").mkdir(parents=True)
    assert complete(f"tenfold {command} runs/") == set()  # not trained yet: the shell's own paths
    (tmp_path / "runs" / "mine-1" / "bundle" / "bundle.json").touch()
    assert complete(f"tenfold {command} runs/") == {"runs/mine-1/bundle"}


def test_data_sets() -> None:
    assert complete("tenfold train --data ") == set(datasets())
    assert complete("tenfold data fetch fas") == {"fashion-mnist"}


def test_options() -> None:
    assert complete("tenfold read --gr") == {"--grid"}
