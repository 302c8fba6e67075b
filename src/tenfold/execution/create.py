"""Creating a run folder, or opening the unfinished run that is there already."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import torch

from tenfold.artifacts.base import ImageSet
from tenfold.artifacts.training import Manifest
from tenfold.cpu import available_cores
from tenfold.data.digits import Digits
from tenfold.data.sources import Split, load_digits
from tenfold.errors import RecipeError, RunError
from tenfold.execution.config import Execution
from tenfold.execution.run import Run
from tenfold.files import is_temporary, write_atomically, writing
from tenfold.folder_lock import LOCK_NAME, exclusive
from tenfold.training.hardware import (
    choose_device,
    choose_dtype,
    describe_machine,
)
from tenfold.training.recipe import Recipe


def open_or_create(recipe: Recipe, out: str | Path | None, execution: Execution) -> Run:
    """Return the run in the folder `out`, which is created if there is none.

    The data is loaded before a folder is created, so that none is left when it is missing or
    damaged. `recipe.toml` is written last: without it there is no run.

    Args:
        recipe: resolved; a run that is there already must have the same one.
        out: the run folder; None makes a new one, `runs/NAME-K`.
        execution: its device, precision and threads must be those of a run that is there
            already, or the defaults.

    Raises:
        RunError: the folder holds another run or something else.
        WriteError: it cannot be written, or holds a link.
        TenfoldError: something else that the user can mend.
    """
    path = Path(out) if out else None
    if path and (path / "recipe.toml").is_file():
        return _checked(Run(path), recipe, execution)
    if path:
        _check_empty(path)
    manifest = _new_manifest(recipe, execution)
    path = path or _new_folder(recipe.name)
    with exclusive(path):
        run = Run(path)
        if not (path / "recipe.toml").exists():
            run.write_manifest(manifest)
            write_atomically(path / "recipe.toml", recipe.to_toml())
    return _checked(run, recipe, execution)


def newest_unfinished(recipe: Recipe | None = None) -> Run:
    """Return the newest unfinished run under `runs/`, of any recipe or of one.

    Raises:
        RunError: there is none.
    """
    runs = [Run(path.parent) for path in Path("runs").glob("*/manifest.json")]
    unfinished = [run for run in runs if not run.finished and _is_of(run, recipe)]
    if not unfinished:
        wanted = f" of {recipe.name} with these settings" if recipe else ""
        raise RunError(f"--resume: no unfinished run{wanted} under runs/; name one with --out")
    return max(unfinished, key=lambda run: (run.path / "manifest.json").stat().st_mtime)


def _is_of(run: Run, recipe: Recipe | None) -> bool:
    """Return whether a run is of a recipe, or of any; one that cannot be read is of none."""
    try:
        found = run.recipe
    except RecipeError:
        return False
    return recipe is None or recipe == found


def _checked(run: Run, recipe: Recipe, execution: Execution) -> Run:
    """Return a run that agrees with what was asked for."""
    found, wanted = (r.model_dump(mode="json") for r in (run.recipe, recipe))
    for name in ("device", "precision", "threads"):
        value = getattr(execution, name)
        if value not in {"auto", None}:
            found[name] = getattr(run.manifest, name)
            wanted[name] = str(choose_device(value)) if name == "device" else value
    for difference in _differences(found, wanted):
        raise RunError(f"{run.path}: its run has {difference}; name another --out")
    return run


def _differences(found: Any, wanted: Any, key: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """Describe the settings in which two resolved recipes differ."""
    if isinstance(found, list) and isinstance(wanted, list):
        found, wanted = dict(enumerate(found)), dict(enumerate(wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in found | wanted:
            yield from _differences(found.get(name), wanted.get(name), f"{key}.{name}")
    elif found != wanted:
        yield f"{key[1:]} = {json.dumps(found)}, not {json.dumps(wanted)}"


def _check_empty(path: Path) -> None:
    """Refuse a folder with anything but what a process that was killed here leaves behind."""
    with writing(f"--out {path}"):
        if not path.exists():
            return
        for entry in path.iterdir():
            ours = entry.name == LOCK_NAME or is_temporary(entry)
            if entry.name == "manifest.json":
                ours = '"recipe_sha256"' in entry.read_text(encoding="utf-8", errors="replace")
            if not ours:
                raise RunError(f"--out {path}: not empty, and holds no run; name another folder")


def _new_folder(name: str) -> Path:
    """Make `runs/NAME-K` with the first K that is free."""
    number = 1
    while True:
        folder = Path("runs") / f"{name}-{number}"
        with writing(folder):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return folder


def _new_manifest(recipe: Recipe, execution: Execution) -> Manifest:
    """Describe this machine, and the data, which is loaded."""
    device = choose_device(execution.device)
    bfloat16 = choose_dtype(execution.precision, device) == torch.bfloat16
    return Manifest(
        **dict(describe_machine(device)),
        recipe_sha256=hashlib.sha256(recipe.to_toml().encode()).hexdigest(),
        data=_describe_data(recipe),
        device=str(device),
        precision="bfloat16" if bfloat16 else "float32",
        threads=execution.threads or available_cores(),
        seed=recipe.seed,
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _describe_data(recipe: Recipe) -> dict[str, ImageSet]:
    """Load what will be trained and measured on; return sizes and hashes by split."""
    splits: dict[str, Digits] = {
        split: load_digits(recipe.data.spec, split) for split in get_args(Split)
    }
    held_out, images = recipe.data.validation, len(splits["train"])
    if held_out >= images:
        raise RecipeError(f"data.validation: {held_out} of {images} images leave none to train on")
    splits |= {f"also {spec}": load_digits(spec, "train") for spec in recipe.data.also}
    return {
        name: ImageSet(images=len(digits), sha256=digits.sha256) for name, digits in splits.items()
    }
