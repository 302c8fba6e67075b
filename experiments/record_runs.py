"""Keep what finished runs scored in one compact file.

python experiments/record_runs.py runs/single --out experiments/records/single.json

Each folder named is one run, or holds the runs `seed-0`, `seed-1` … of one recipe; it becomes a
group of the record. A group has the recipe, the part of the manifest that all its runs share, and
for each run its scores, its curves as arrays and the indices of the test images that it misreads.
Weights and log probabilities are left out for their size.
"""

import argparse
import json
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tenfold.execution.run import Run
from tenfold.files import write_atomically

LINE_LENGTH = 120
SCORES = {"accuracy": 4, "errors": 0, "nll_sum": 3, "ece": 6}  # decimals that are kept
CURVES = {"accuracy": 4, "nll_sum": 2, "train_nll": 4, "seconds": 1}

Json = Any
Group = dict[str, Json]


def as_json(value: Json, indent: str = "") -> str:
    """Return JSON text in which a list of numbers is one line, and so is all that fits in one."""
    text = json.dumps(value, ensure_ascii=False)
    nested = isinstance(value, Mapping) or (
        isinstance(value, Sequence) and any(isinstance(item, Mapping | list) for item in value)
    )
    if not nested or len(indent) + len(text) <= LINE_LENGTH:
        return text
    inner = indent + " "
    if isinstance(value, Mapping):
        items = [f"{json.dumps(k)}: {as_json(item, inner)}" for k, item in value.items()]
        return f"{{\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}}}"
    return f"[\n{inner}" + f",\n{inner}".join(as_json(v, inner) for v in value) + f"\n{indent}]"


def write_record(path: Path, **content: Json) -> None:
    """Write a record: the command that made it, then its content."""
    command = shlex.join(["python", *sys.argv])
    write_atomically(path, as_json({"command": command, **content}) + "\n")


def publish(options: argparse.Namespace, content: dict[str, Json], *shown: Table) -> None:
    """Write a record to `options.out`, if that is given; print it as JSON, or tables for people."""
    if options.out:
        write_record(options.out, **content)
    if options.json:
        print(json.dumps(content))
    else:
        Console().print(*shown)


def read_record(path: Path) -> dict[str, Json]:
    """Return a record's content."""
    content: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return content


def groups_of(path: Path) -> dict[str, Group]:
    """Return the groups of a record of runs, by name; none if there is no such file."""
    groups = read_record(path)["groups"] if path.exists() else []
    return {group["name"]: group for group in groups}


def rounded(figures: Mapping[str, Json], decimals: Mapping[str, int]) -> dict[str, Json]:
    """Return the figures that `decimals` names, rounded so; each is a number or a list of them."""
    return {
        key: [round(v, digits) for v in figures[key]]
        if isinstance(figures[key], list)
        else round(figures[key], digits)
        for key, digits in decimals.items()
        if key in figures
    }


def recipe_of(run: Run) -> dict[str, Json]:
    """Return the resolved recipe as it stands in the run folder."""
    return tomllib.loads((run.path / "recipe.toml").read_text(encoding="utf-8"))


def curves_of(run: Run) -> dict[str, Json]:
    """Return the curves of every member, and of the ensemble, over one list of steps."""
    measured = run.evaluation.model_dump(mode="json")["curves"]
    curves = {"on": measured["on"], "step": measured["models"][0]["step"]}
    for number, curve in enumerate(measured["models"]):
        journal = {}
        if number < len(run.members):  # the ensemble has none
            lines = (run.members[number] / "journal.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            journal = {key: [row[key] for row in rows] for key in ("train_nll", "seconds")}
        curves[curve["name"]] = rounded(curve | journal, CURVES)
    return curves


def result_of(run: Run) -> dict[str, Json]:
    """Return what a run scored: the headline model, each member, the mistakes, the curves."""
    evaluation = run.evaluation.model_dump(mode="json")
    models = evaluation["models"]
    result = {"seed": run.recipe.seed, **rounded(models[-1], SCORES)}
    if calibration := evaluation.get("calibration"):
        result["temperature"] = round(calibration["temperature"], 6)
        result["nll_sum_before_temperature"] = round(calibration["before"]["nll_sum"], 3)
    if len(models) > 1:
        result["members"] = [rounded(model, SCORES) for model in models[:-1]]
    result["mistakes"] = [mistake["index"] for mistake in evaluation["mistakes"]]
    return result | {"curves": curves_of(run)}


def group_of(name: str, runs: Sequence[Run], **facts: Json) -> Group:
    """Return the group of finished runs that differ in their seed alone."""
    manifests = [run.manifest.model_dump() for run in runs]
    for manifest in manifests:
        del manifest["seed"], manifest["recipe_sha256"]
    shared = {k: v for k, v in manifests[0].items() if all(m.get(k) == v for m in manifests)}
    results = [
        result_of(run) | {key: value for key, value in manifest.items() if key not in shared}
        for run, manifest in zip(runs, manifests, strict=True)
    ]
    recipe = recipe_of(runs[0])
    del recipe["seed"]
    return {"name": name, **facts, "recipe": recipe, "manifest": shared, "runs": results}


def runs_in(folder: Path) -> list[Run]:
    """Return the finished runs of a folder by seed, or the run that it is."""
    paths = [folder] if (folder / "recipe.toml").exists() else folder.glob("seed-*")
    runs = [run for run in map(Run.open, paths) if run.finished]
    return sorted(runs, key=lambda run: run.recipe.seed)


def main() -> None:
    """Record the runs of each folder named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_record(
        options.out, groups=[group_of(path.name, runs_in(path)) for path in options.folders]
    )


if __name__ == "__main__":
    main()
