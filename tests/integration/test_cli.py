"""The command line: what each command prints, writes and does not change."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from tenfold.training.recipe import load_recipe, shipped

from .drawn_pictures import Tenfold


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_train_ends_with_one_json_object_on_stdout(finished: Any) -> None:
    assert finished.stdout.count("\n") == 1
    summary = finished.summary
    assert {"accuracy", "nll_sum", "nll", "seconds", "run", "members"} <= summary.keys()
    assert summary["run"] == str(finished.path)
    assert [member["name"] for member in summary["members"]] == ["member 1", "member 2", "ensemble"]
    headline = summary["members"][-1]
    assert summary["accuracy"] == headline["accuracy"] == 1 - headline["errors"] / 1000
    assert summary["nll"] == pytest.approx(summary["nll_sum"] / 1000)
    assert summary["selected_on"] == "validation"
    assert 0 < summary["seconds"] < 120


def test_the_smoke_recipe_learns(finished: Any) -> None:
    assert finished.summary["accuracy"] > 0.9


def test_progress_goes_to_stderr(finished: Any) -> None:
    first, *progress = finished.stderr.splitlines()
    assert first == f"training smoke in {finished.path}"
    assert re.match(r"member 1 · stage 1/2 · iteration \d+/90 · learning rate ", progress[0])


def test_a_run_folder_has_all_its_files(finished: Any) -> None:
    assert set(hashes(finished.path)) >= {
        "recipe.toml",
        "manifest.json",
        "evaluation.json",
        "report.html",
        "bundle/bundle.json",
        "bundle/card.md",
        "bundle/weights.safetensors",
        *(
            f"members/{member}/{name}"
            for member in ("00", "01")
            for name in ("journal.jsonl", "log_probabilities.f16", "weights.safetensors")
        ),
    }
    assert not list(finished.path.rglob("checkpoint*"))
    assert not list(finished.path.rglob("*.tmp"))


def test_the_manifest_describes_the_machine_and_the_data(finished: Any) -> None:
    from tenfold.data.sources import load_digits

    manifest = json.loads((finished.path / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert manifest["threads"] == 1
    assert manifest["device"] == "cpu"
    assert manifest["precision"] in {"float32", "bfloat16"}
    assert manifest["versions"]["torch"] == torch.__version__
    assert {"cpu", "cores", "kernels"} <= manifest["hardware"].keys()
    assert manifest["timings"].keys() == {"training_seconds", "evaluation_seconds"}
    for split, images in (("train", 6000), ("test", 1000)):
        digits = load_digits("synthetic", split)  # type: ignore[arg-type]  # one of its two
        assert manifest["data"][split] == {"images": images, "sha256": digits.sha256}


def test_the_run_holds_the_resolved_recipe(finished: Any) -> None:
    assert load_recipe(finished.path / "recipe.toml") == load_recipe("smoke")


def test_the_headline_is_measured_on_test_and_curves_on_validation(finished: Any) -> None:
    evaluation = json.loads((finished.path / "evaluation.json").read_text())
    assert evaluation["data"]["split"] == "test"
    assert evaluation["data"]["images"] == 1000
    assert evaluation["curves"]["on"] == "validation"
    assert evaluation["curves"]["images"] == 500
    steps = list(range(10, 91, 10))
    assert [curve["step"] for curve in evaluation["curves"]["models"]] == [steps] * 3
    assert {row["rule"] for row in evaluation["selection"]} == {"min-nll", "max-accuracy", "last"}
    assert evaluation["kept"] == {"rule": "min-nll", "selected_on": "validation"}
    assert len(evaluation["mistakes"]) == evaluation["models"][-1]["errors"]


@pytest.mark.usefixtures("undrawn")
def test_options_reach_the_recipe(tenfold: Tenfold, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--members", 1, "--seed", 7, "--data", "synthetic", "--precision", "float32")
    changes = ("training.stages.0.iterations=2", "training.stages.1.iterations=3")
    settings = [part for change in changes for part in ("--set", change)]
    assert tenfold("train", "smoke", "--out", out, "--threads", 1, *options, *settings).code == 0
    recipe = tomllib.loads((out / "recipe.toml").read_text())
    assert (recipe["members"], recipe["seed"], recipe["data"]["spec"]) == (1, 7, "synthetic")
    assert [stage["iterations"] for stage in recipe["training"]["stages"]] == [2, 3]
    assert json.loads((out / "manifest.json").read_text())["precision"] == "float32"
    assert json.loads((out / "evaluation.json").read_text())["models"][-1]["name"] == "member 1"


@pytest.mark.processes
@pytest.mark.usefixtures("undrawn")
def test_a_run_without_out_is_written_under_runs(
    tenfold: Tenfold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = ("--set", "training.stages=[{iterations=1, learning_rate=0.1, batch_size=8}]")
    for _ in range(2):
        assert tenfold("train", "smoke", "--threads", 1, *short).code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["smoke-1", "smoke-2"]
    (tmp_path / "runs/smoke-1/evaluation.json").unlink()
    assert tenfold("train", "--resume").code == 0  # the one that has not come to its end
    assert (tmp_path / "runs/smoke-1/evaluation.json").exists()


def test_recipes_lists_the_shipped_ones(tenfold: Tenfold) -> None:
    listed = json.loads(tenfold("recipes", "--json").out)
    assert [recipe["name"] for recipe in listed] == list(shipped())
    table = tenfold("recipes").out
    assert all(name in table for name in shipped())


@pytest.mark.parametrize("what", ["", "bundle"])
def test_evaluate_measures_a_run_or_a_bundle_and_changes_neither(
    what: str, tenfold: Tenfold, finished: Any
) -> None:
    before = hashes(finished.path)
    data = ("--data", "synthetic") if what else ()
    output = tenfold("evaluate", finished.path / what, "--json", *data).out
    assert output.count("\n") == 1
    evaluation = json.loads(output)
    assert hashes(finished.path) == before
    written = json.loads((finished.path / "evaluation.json").read_text())
    assert evaluation["data"] == written["data"]
    for again, model in zip(evaluation["models"], written["models"], strict=True):
        assert again["name"] == model["name"]
        assert again["errors"] == model["errors"]
        assert again["nll_sum"] == pytest.approx(model["nll_sum"], rel=1e-5)


def test_evaluate_prints_a_table(tenfold: Tenfold, finished: Any) -> None:
    output = tenfold("evaluate", finished.path).out
    assert "1,000 test images of synthetic" in output
    assert f"{100 * finished.summary['accuracy']:.2f} %" in output


@pytest.mark.usefixtures("undrawn")
def test_report_writes_to_the_given_file(tenfold: Tenfold, finished: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert tenfold("report", finished.path, "--out", page) == (0, f"{page}\n", "")
    assert page.read_text().lstrip().lower().startswith(("<!doctype html", "<html"))


def test_without_arguments_help_is_printed(tenfold: Tenfold) -> None:
    _, out, err = tenfold()
    assert "Usage: tenfold" in out + err


def test_the_version_is_the_package_s(tenfold: Tenfold) -> None:
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert tenfold("--version").out == f"tenfold {pyproject['project']['version']}\n"


@pytest.mark.processes
def test_two_runs_are_the_same_bytes(tenfold: Tenfold, finished: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert tenfold("train", "smoke", "--out", path, "--threads", 1).code == 0
    timed = {"manifest.json", "report.html"}
    timed |= {f"members/{member}/journal.jsonl" for member in ("00", "01")}
    ours, theirs = hashes(path), hashes(finished.path)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} <= timed
