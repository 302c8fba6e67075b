"""Sweep `swift`, kill the sweep half-way, continue it, and hold its winner to account.

nice python experiments/sweep_swift.py runs/sweep-swift

60 trials; SIGKILL to every process once 30 have ended; the same command again.
Then: no trial lost or counted twice, every line of Optuna's journal whole, and the winner at least
as good on validation, over the three seeds of the finals, as the recipe that the sweep began with.
Five more seeds, which have chosen nothing, say what it is worth.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from record_runs import write_record

from tenfold.evaluation.statistics import paired, spread
from tenfold.training.hardware import choose_device, describe_machine

SPACE = Path("experiments/sweep_swift.toml")
RECORD = Path("experiments/records/sweep.json")
TRIALS, SEEDS = 60, 5


def command(folder: Path) -> list[str]:
    """Return the command that starts the sweep, and that continues it."""
    words = ["sweep", "swift", "--space", str(SPACE), "--trials", str(TRIALS)]
    words += ["--seeds", str(SEEDS), "--out", str(folder), "--json"]
    return [sys.executable, "-m", "tenfold", *words]


def trials_of(folder: Path) -> list[dict[str, Any]]:
    """Read the study from Optuna's journal, each line of which is checked."""
    with (folder / "journal.log").open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    return [
        {"number": t.number, "state": t.state, "value": t.value, "run": t.user_attrs.get("run")}
        | {"parameters": t.params}
        for t in optuna.load_study(study_name=name, storage=storage).trials
    ]


def finished(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that count."""
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


def main() -> None:
    """Sweep, kill, continue, check, write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    folder = parser.parse_args().out
    begun = time.monotonic()
    kill_half_way(folder)
    at_death = trials_of(folder)
    subprocess.run(command(folder), check=True)
    seconds = time.monotonic() - begun
    trials = trials_of(folder)
    counted = finished(trials)
    result = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    scores = result["fresh_seeds"]
    baseline, best = (scores[name]["validation_nll_sum"] for name in ("baseline", "best"))
    finals = {f["number"]: spread(f["validation_nll_sum"]).mean for f in result["finals"]}
    checks = {
        "finished_when_killed": len(finished(at_death)),
        "running_when_killed": sum(t["state"] == TrialState.RUNNING for t in at_death),
        "finished": len(counted),
        "all_kept_that_had_finished": all(t in counted for t in finished(at_death)),
        "runs_counted_twice": len(counted) - len({t["run"] for t in counted}),
        "parameters_counted_twice": len(counted)
        - len({json.dumps(t["parameters"], sort_keys=True) for t in counted}),
        "left_running": sum(t["state"] == TrialState.RUNNING for t in trials),
        "winner_at_least_as_good": finals[result["best"]["number"]] <= finals[0],
        "winner_at_least_as_good_on_fresh_seeds": spread(best).mean <= spread(baseline).mean,
    }
    fresh = {
        name: {
            "baseline": vars(spread(scores["baseline"][name])),
            "best": vars(spread(scores["best"][name])),
            "difference": vars(paired(scores["baseline"][name], scores["best"][name])),
        }
        for name in scores["baseline"]
    }
    machine = describe_machine(choose_device("cpu")).model_dump()
    machine["versions"] |= {"optuna": version("optuna"), "python": platform.python_version()}
    summary = {
        "command": " ".join(["tenfold", *command(Path("runs/sweep-swift"))[3:]]),
        "seconds_killed_and_continued": round(seconds),
        "load_average_at_the_end": os.getloadavg(),
        "checks": checks,
        "finals": finals,
        "fresh_seeds": fresh,
        **machine,
    }
    recipes = {
        name: tomllib.loads((folder / f"{file}.toml").read_text(encoding="utf-8"))
        for name, file in (("recipe", "recipe"), ("best_recipe", "best"), ("space", "space"))
    }
    write_record(RECORD, summary=summary, **recipes, sweep=result)
    print(json.dumps(summary, indent=2))
    expected = {"finished": TRIALS, "all_kept_that_had_finished": True, "left_running": 0}
    expected |= {"runs_counted_twice": 0, "parameters_counted_twice": 0}
    expected |= {"winner_at_least_as_good": True}
    if any(checks[name] != value for name, value in expected.items()):
        raise SystemExit("failed: see checks above")


if __name__ == "__main__":
    main()
