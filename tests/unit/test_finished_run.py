"""A run is read from its files: what they hold, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
from finished_run import Edit, make_run

from tenfold.artifacts.finished_run import read_run, read_runs
from tenfold.artifacts.training import READER_NETWORKS
from tenfold.errors import RunError


def test_runs_of_a_folder_are_read_by_seed(tmp_path: Path) -> None:
    for seed in (10, 2):
        make_run(tmp_path / f"seed-{seed}", members=1, seed=seed)
    (tmp_path / "unfinished").mkdir()
    assert [run.name for run in read_runs(tmp_path)] == ["seed-2", "seed-10"]
    assert [run.seed for run in read_runs(tmp_path / "seed-2")] == [2]


def test_stages_begin_where_the_journal_changes_to_another(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    (start,) = run.stage_starts
    assert [record.stage for record in run.journal] == [
        int(record.step > start) for record in run.journal
    ]


def test_a_run_of_another_kind_of_network_is_no_run_of_a_classifier(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    for table in READER_NETWORKS:
        (path / "recipe.toml").write_text(f"[{table}]")
        with pytest.raises(RunError, match=f"run: trained a {READER_NETWORKS[table]}; reports"):
            read_run(path)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("evaluation.json", None, "No such file"),
        ("evaluation.json", "{", "not valid JSON"),
        ("evaluation.json", "[]", "evaluation.json"),
        ("manifest.json", None, "No such file"),
        ("manifest.json", '{"timings": [1]}', "hardware"),
        ("recipe.toml", None, "No such file"),
        ("recipe.toml", "name = ", "not valid TOML"),
        ("members/00/journal.jsonl", '{"step": 1}\n', "stage"),
        ("members/00/journal.jsonl", "", "empty"),
    ],
)
def test_a_damaged_run_is_named_with_its_fix(
    name: str, text: str | None, part: str, tmp_path: Path
) -> None:
    path = make_run(tmp_path / "r")
    if text is None:
        (path / name).unlink()
    else:
        (path / name).write_text(text)
    with pytest.raises(RunError) as raised:
        read_run(path)
    message = str(raised.value)
    assert str(path / name) in message
    assert part in message
    assert "\n" not in message


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    def spoil(facts: dict[str, Any]) -> None:
        facts["models"][1]["accuracy"] = "much"

    with pytest.raises(RunError, match=r"models\.1\.accuracy.*tenfold train --resume --out"):
        read_run(make_run(tmp_path / "r", edit=spoil))


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda facts: facts.update(format=2), "format"),
        (lambda facts: facts["mistakes"][0].update(label=12), r"mistakes\.0\.label"),
    ],
)
def test_a_newer_format_and_an_eleventh_digit_are_refused(
    edit: Edit, field: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=rf"evaluation\.json: {field}: "):
        read_run(make_run(tmp_path / "r", edit=edit))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        read_run(tmp_path / "absent")
