"""From a recipe to a finished run: lay the folder, launch the members, bundle, evaluate."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from tenfold.bundle.format import BundleConfig, BundleFacts
from tenfold.bundle.save import recalibrate_bundle, save_bundle
from tenfold.cpu import available_cores
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.data.sources import Split, load_digits
from tenfold.errors import RecipeError, RunError
from tenfold.evaluation.calibration import apply_temperature, fit_acceptance, fit_temperature
from tenfold.execution.local import Job, Launcher, Local
from tenfold.execution.run import Run
from tenfold.files import write_atomically
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.curves import curves, selected_rows
from tenfold.training.hardware import (
    Precision,
    choose_device,
    choose_dtype,
    describe_machine,
)
from tenfold.training.journal import Journal
from tenfold.training.member import Event
from tenfold.training.recipe import Recipe, load_recipe

STRANGERS = 2_000  # pictures of no digit that the acceptance is fitted on

OnMemberEvent = Callable[[int, Event], None]


def train(  # noqa: PLR0913 - each is an option of the command line
    recipe: Recipe | str | Path = "default",
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    launcher: Launcher | None = None,
    on_event: OnMemberEvent = lambda _member, _event: None,
) -> Run:
    """Train a recipe in a new run folder and measure it.

    Args:
        recipe: a `Recipe`, the name of a shipped one, or a TOML file.
        out: the run folder; by default a new one under `runs/`.
        overrides: `key.path=value` settings, as with `--set`.
        device: auto, cpu, cuda or mps.
        precision: auto, float32 or bfloat16.
        threads: CPU threads; all by default.
        launcher: where members are trained; this machine by default.
        on_event: called with (member, event) as training goes on.

    Raises:
        TenfoldError: something that the caller can mend.
        Interrupted: stopped by Ctrl-C; `resume` continues.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    elif overrides:
        raise RecipeError("overrides go with a recipe's name or file, not with a Recipe")
    run = prepare(recipe, out=out, device=device, precision=precision, threads=threads)
    return resume(run, launcher=launcher, on_event=on_event)


def prepare(
    recipe: Recipe,
    *,
    out: str | Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
) -> Run:
    """Lay a run folder that `resume` trains: resolved recipe, and a manifest of this machine.

    The data is loaded once, so that nothing is laid when it is missing or damaged.

    Raises:
        TenfoldError: something that the caller can mend.
    """
    chosen = choose_device(device)
    manifest = {
        **describe_machine(chosen),
        "recipe_sha256": _sha256(recipe.to_toml().encode()),
        "data": _describe_data(recipe),
        "device": str(chosen),
        "precision": str(choose_dtype(precision, chosen)).removeprefix("torch."),
        "threads": threads or available_cores(),
        "seed": recipe.seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "timings": {},
    }
    return Run.create(Path(out) if out else new_folder(recipe.name), recipe, manifest)


def resume(
    run: Run,
    *,
    launcher: Launcher | None = None,
    start_method: Literal["fork", "spawn"] = "spawn",
    on_event: OnMemberEvent = lambda _member, _event: None,
) -> Run:
    """Train what is left of a run, from each member's checkpoint; then bundle and evaluate it.

    Device, precision and threads are those that the run began with, so that it ends with
    the same bytes as if it had never stopped.

    Raises:
        RunError: a checkpoint is damaged, or the recipe is not the one that the run began with.
    """
    manifest = run.manifest
    jobs = jobs_of(run)
    launch = launcher or Local(manifest["threads"] // jobs[0].threads, start_method)
    begun = time.monotonic()
    launch(jobs, lambda job, event: on_event(job.member, event))
    spent = manifest["timings"].get("training_seconds", 0) + time.monotonic() - begun
    torch.set_num_threads(manifest["threads"])
    finish(run, {"training_seconds": round(spent, 2)})
    return run


def jobs_of(run: Run) -> list[Job]:
    """Return what trains a run's members, after a look at what it began with.

    Raises:
        RunError: the recipe is not the one that the run began with.
    """
    manifest = run.manifest
    if _sha256((run.path / "recipe.toml").read_bytes()) != manifest["recipe_sha256"]:
        raise RunError(
            f"{run.path}/recipe.toml: changed since the run began; start another with it"
        )
    for torn in run.path.rglob(".*.tmp"):  # a killed process was writing them
        torn.unlink()
    members, threads = range(run.recipe.members), manifest["threads"]
    if manifest["device"] == "cpu":
        threads //= min(len(members), threads)
    return [Job(run.path, m, manifest["device"], manifest["precision"], threads) for m in members]


def finish(run: Run, timings: dict[str, float]) -> None:
    """Bundle, calibrate, evaluate a run whose members are trained; `timings` go on record."""
    begun = time.monotonic()
    monitored = run.digits()[1]
    _make_bundle(run)
    if run.recipe.data.monitor == "validation":
        _calibrate(run, monitored)
    _evaluate(run, monitored)
    spent = {"evaluation_seconds": round(time.monotonic() - begun, 2)}
    run.write_manifest({**run.manifest, "timings": {**timings, **spent}})


def new_folder(name: str) -> Path:
    """Return `runs/NAME-K` with the first K that is free."""
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def unfinished(path: Path | None = None) -> Run:
    """Open a run to resume: the one named, or the newest under `runs/` that has not ended.

    Raises:
        RunError: there is none.
    """
    if path:
        return Run.open(path)
    runs = [Run(recipe.parent) for recipe in Path("runs").glob("*/recipe.toml")]
    candidates = [run for run in runs if not run.finished]
    if not candidates:
        raise RunError("--resume: no unfinished run under runs/; name one with --out")
    return max(candidates, key=lambda run: (run.path / "manifest.json").stat().st_mtime)


def _describe_data(recipe: Recipe) -> dict[str, Any]:
    """Load what will be trained and measured on; return its sizes and hashes for a manifest."""
    splits: dict[str, Digits] = {
        split: load_digits(recipe.data.spec, split) for split in get_args(Split)
    }
    held_out, images = recipe.data.validation, len(splits["train"])
    if held_out >= images:
        raise RecipeError(f"data.validation: {held_out} of {images} images leave none to train on")
    splits |= {f"also {spec}": load_digits(spec, "train") for spec in recipe.data.also}
    return {
        name: {"images": len(digits), "sha256": digits.sha256} for name, digits in splits.items()
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _make_bundle(run: Run) -> None:
    """Put the kept weights of all members into `bundle/`."""
    states: list[dict[str, torch.Tensor]] = [
        load_checkpoint(folder / "weights.safetensors")[0] for folder in run.members
    ]
    recipe = run.recipe
    save_bundle(
        run.path / "bundle",
        BundleConfig(
            name=recipe.name,
            members=(recipe.network,) * recipe.members,
            test_time_augmentation=recipe.test_time_augmentation,
            facts=BundleFacts(recipe=recipe.name, seed=recipe.seed, data=recipe.data.spec),
        ),
        states,
        CARD.format(recipe=recipe, networks="s" if recipe.members > 1 else ""),
    )


def _calibrate(run: Run, validation: Digits) -> None:
    """Fit the bundle's temperature, then the probability below which it refuses to read.

    On the validation images, and on fresh pictures of no digit if it was trained with such.
    """
    bundle = run.bundle()
    log_p = bundle.combine(bundle.member_log_probabilities(validation.images))
    labels = validation.labels.numpy()
    temperature = fit_temperature(log_p, labels)
    strangers = validation.images[:0]
    if run.recipe.outlier_exposure.non_digits:
        from tenfold.rendering.non_digits import non_digits

        strangers = non_digits(STRANGERS, derive_seed("validation"))
    accept = fit_acceptance(
        apply_temperature(log_p, temperature),
        labels,
        apply_temperature(bundle.combine(bundle.member_log_probabilities(strangers)), temperature),
    )
    recalibrate_bundle(run.path / "bundle", temperature=temperature, rejection_threshold=accept)


def _evaluate(run: Run, monitored: Digits) -> None:
    """Write `evaluation.json`: the kept weights on test, and the curves on the monitored set."""
    recipe = run.recipe
    evaluation: dict[str, Any] = run.evaluate()
    kept = [_kept_step(folder) for folder in run.members]
    for model, step in zip(evaluation["models"], kept, strict=False):
        model["step"] = step
    if recipe.members > 1:
        evaluation["models"][-1]["step"] = max(kept)
    drawn = curves([Journal(folder) for folder in run.members], monitored.labels.numpy())
    evaluation |= {
        "kept": {"rule": recipe.training.keep, "selected_on": recipe.selected_on},
        "selection": [row for curve in drawn for row in selected_rows(curve)],
        "curves": {"on": recipe.data.monitor, "images": len(monitored), "models": drawn},
    }
    write_atomically(run.path / "evaluation.json", json.dumps(evaluation) + "\n")


def _kept_step(folder: Path) -> int:
    return int(load_checkpoint(folder / "weights.safetensors")[1]["step"])


CARD = """# tenfold bundle: {recipe.name}

{recipe.description}

{recipe.members} network{networks} of 28×28 grey digits, white on black as in MNIST: uint8 in,
probabilities out. Trained on {recipe.data.spec} with seed {recipe.seed}; weights kept by rule
"{recipe.training.keep}", selected on {recipe.selected_on}. MNIST is CC BY-SA 3.0
(Yann LeCun and Corinna Cortes). Figures: evaluation.json of the run; `bundle.json` has the rest.
"""
