"""Sweep `swift`, kill the sweep half-way, continue it, and check its trials and its winner.

nice python experiments/sweep_swift.py runs/sweep-swift

Starts 60 trials, sends SIGKILL to every process once 30 have ended, and runs the same command
again. Then no trial may be lost or counted twice, every line of Optuna's journal must be whole, and
the winner must be at least as good on validation as the recipe that the sweep began with, over the
three seeds of the finals. Five more seeds, which have chosen nothing, measure what it is worth.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from record_runs import as_json, write_record

from tenfold.evaluation.statistics import paired, spread
from tenfold.training.hardware import choose_device, describe_machine

SPACE = Path("experiments/sweep_swift.toml")
RECORD = Path("experiments/records/sweep.json")
TRIALS, FRESH_SEEDS = 60, 5


def command(folder: Path) -> list[str]:
    """Return the command that starts and continues the sweep."""
    words = ["sweep", "swift", "--space", str(SPACE), "--trials", str(TRIALS)]
    words += ["--seeds", str(FRESH_SEEDS), "--out", str(folder), "--json"]
    return [sys.executable, "-m", "tenfold", *words]


def trials_of(folder: Path) -> list[dict[str, Any]]:
    """Read the study from Optuna's journal, each line of which is checked."""
    with (folder / "journal.log").open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    backend = JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    return [
        {"number": t.number, "state": t.state, "value": t.value, "run": t.user_attrs.get("run")}
        | {"parameters": t.params}
        for t in optuna.load_study(study_name=name, storage=storage).trials
    ]


def finished(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials that are complete or pruned."""
    return [t for t in trials if t["state"] in {TrialState.COMPLETE, TrialState.PRUNED}]


def kill_half_way(folder: Path) -> None:
    """Start the sweep and kill all of its processes when half of the trials have ended."""
    with subprocess.Popen(
        command(folder), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for line in process.stderr or ():
            print(line, end="", flush=True)
            if line.startswith(f"{TRIALS // 2}/"):
                time.sleep(1)  # into the next trials
                os.killpg(process.pid, signal.SIGKILL)
                return
        raise SystemExit("the sweep ended before it was killed")


def check(
    at_kill: list[dict[str, Any]], trials: list[dict[str, Any]], result: dict[str, Any]
) -> dict[str, int | bool]:
    """Return what the trials at the kill and at the end show, and whether the winner is good."""
    counted, before = finished(trials), finished(at_kill)
    runs = {trial["run"] for trial in counted}
    parameters = {json.dumps(trial["parameters"], sort_keys=True) for trial in counted}
    finals = {f["number"]: fmean(f["validation_nll_sum"]) for f in result["finals"]}
    fresh = result["fresh_seeds"]
    baseline, best = (fmean(fresh[name]["validation_nll_sum"]) for name in ("baseline", "best"))
    return {
        "finished_when_killed": len(before),
        "running_when_killed": sum(t["state"] == TrialState.RUNNING for t in at_kill),
        "finished": len(counted),
        "all_kept_that_had_finished": all(trial in counted for trial in before),
        "runs_counted_twice": len(counted) - len(runs),
        "parameters_counted_twice": len(counted) - len(parameters),
        "left_running": sum(t["state"] == TrialState.RUNNING for t in trials),
        "winner_at_least_as_good": finals[result["best"]["number"]] <= finals[0],
        "winner_at_least_as_good_on_fresh_seeds": best <= baseline,
    }


EXPECTED = {
    "finished": TRIALS,
    "all_kept_that_had_finished": True,
    "left_running": 0,
    "runs_counted_twice": 0,
    "parameters_counted_twice": 0,
    "winner_at_least_as_good": True,
}


def main() -> None:
    """Sweep, kill, continue, check and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    folder = parser.parse_args().out
    start = time.monotonic()
    kill_half_way(folder)
    at_kill = trials_of(folder)
    subprocess.run(command(folder), check=True)
    seconds = round(time.monotonic() - start)
    result = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    checks = check(at_kill, trials_of(folder), result)
    baseline, best = (result["fresh_seeds"][name] for name in ("baseline", "best"))
    summary = {
        "seconds_killed_and_continued": seconds,
        "load_average_at_the_end": os.getloadavg(),
        "checks": checks,
        "fresh_seeds": {
            key: {
                "baseline": spread(baseline[key]).model_dump(),
                "best": spread(best[key]).model_dump(),
                "difference": paired(baseline[key], best[key]).model_dump(),
            }
            for key in baseline
        },
        **describe_machine(choose_device("cpu")).model_dump(),
    }
    recipes = {
        name: tomllib.loads((folder / f"{file}.toml").read_text(encoding="utf-8"))
        for name, file in (("recipe", "recipe"), ("best_recipe", "best"), ("space", "space"))
    }
    write_record(RECORD, summary=summary, **recipes, sweep=result)
    print(as_json(summary))
    if failed := [name for name, value in EXPECTED.items() if checks[name] != value]:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
