"""Records are listed with the command that made them, and tables of the docs follow from them."""

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "benchmarks", ROOT / "experiments"]
RECORDS = sorted(record for folder in FOLDERS for record in (folder / "records").iterdir())


@pytest.fixture
def printed_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., set[str]]:
    """Give a function that returns the rows of the tables a script prints, headings left out."""
    monkeypatch.chdir(ROOT)

    def run(script: str, *arguments: str) -> set[str]:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        capsys.readouterr()
        runpy.run_path(script, run_name="__main__")
        return {line for line in capsys.readouterr().out.splitlines() if re.match(r"\| [^|]", line)}

    return run


def table_rows(page: str) -> set[str]:
    """Return the table rows of a page."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.startswith("| ")}


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_record_is_compact_json_that_its_readme_links_to(record: Path) -> None:
    assert record.suffix == ".json"
    assert record.stat().st_size < 250_000
    json.loads(record.read_text(encoding="utf-8"))
    readme = (record.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"records/{record.name})" in readme or f"`{record.name}`" in readme


def test_the_table_of_the_report_s_methods_follows_from_its_record(
    printed_rows: Callable[..., set[str]],
) -> None:
    rows = {row for row in printed_rows("experiments/report_table.py") if "| 5 |" in row}
    assert len(rows) == 5
    assert rows <= table_rows("experiments/README.md")


def test_the_tables_of_ablations_follow_from_their_record(
    printed_rows: Callable[..., set[str]], tmp_path: Path
) -> None:
    figure = str(tmp_path / "ablations.svg")
    rows = printed_rows("experiments/ablations.py", str(tmp_path), "--figure", figure)
    assert len(rows) == 15
    assert rows <= table_rows("docs/explanation/ablations.md")


def test_the_table_of_interpretations_follows_from_its_record(
    printed_rows: Callable[..., set[str]],
) -> None:
    rows = printed_rows("experiments/report_interpretation.py", "--seeds", "0")
    assert len(rows) == 13
    assert rows <= table_rows("experiments/README.md")
