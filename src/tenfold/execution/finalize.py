"""Finalizing a run whose members are trained: its bundle, calibration and evaluation."""

import time
from collections.abc import Iterator

import torch

from tenfold.artifacts.evaluation import Curves, Kept, RunEvaluation
from tenfold.artifacts.training import Timings
from tenfold.bundle.format import BundleConfig, BundleFacts
from tenfold.bundle.save import recalibrate_bundle, save_bundle
from tenfold.data.datasets import DATASETS
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.evaluation.calibration import (
    apply_temperature,
    fit_rejection_threshold,
    fit_temperature,
)
from tenfold.execution.finalize_reader import finalize_reader
from tenfold.execution.run import Run
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.curves import curves, selected_rows
from tenfold.training.journal import Journal
from tenfold.training.recipe import Recipe

NON_DIGITS = 2_000  # fresh pictures that the rejection threshold is fitted on


def finalize_run(run: Run, training_seconds: float, workers: int) -> None:
    """Bundle, calibrate and evaluate a run whose members are trained.

    `evaluation.json` is written last: a run that has it is finished.

    Args:
        run: what `torch.get_num_threads` threads work on.
        training_seconds: wall-clock time of the training; it goes into the manifest.
        workers: members that were trained at a time, those of other runs included.
    """
    begun = time.monotonic()
    evaluation = _finalize_classifier(run) if run.recipe.is_classifier else finalize_reader(run)
    for folder in run.members:  # of a process that was killed between the two files
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    timings = Timings(
        training_seconds=round(training_seconds, 2),
        evaluation_seconds=round(time.monotonic() - begun, 2),
    )
    manifest = run.manifest.model_copy(update={"timings": timings, "parallel_members": workers})
    run.write_manifest(manifest)
    evaluation.write_file(run.path / "evaluation.json")


def _finalize_classifier(run: Run) -> RunEvaluation:
    """Bundle, calibrate and measure the networks of a run that trained classifiers."""
    monitored = run.digits()[1]
    _make_bundle(run)
    if run.recipe.data.monitor == "validation":
        _calibrate(run, monitored)
    return _evaluate(run, monitored)


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
        CARD.format(
            recipe=recipe,
            data="+".join(recipe.data_sets),
            networks="s" if recipe.members > 1 else "",
            licences="; ".join(_licences(recipe)),
        ),
    )


def _licences(recipe: Recipe) -> Iterator[str]:
    """Yield the licence of each data set that a recipe uses, but of the user's own."""
    for name in recipe.data_sets:
        if name in DATASETS:
            yield f"{name}: {DATASETS[name].licence}"


def _calibrate(run: Run, validation: Digits) -> None:
    """Fit the bundle's temperature, then the probability below which it rejects a reading.

    Both are fitted on the validation images; the second also on fresh pictures without a digit
    if the recipe trains with such pictures.
    """
    bundle = run.bundle()
    log_p = bundle.combine(bundle.member_log_probabilities(validation.images))
    labels = validation.labels.numpy()
    temperature = fit_temperature(log_p, labels)
    outliers = validation.images[:0]
    if run.recipe.outlier_exposure.non_digits:
        from tenfold.rendering.non_digits import non_digits

        outliers = non_digits(NON_DIGITS, derive_seed("validation"))
    threshold = fit_rejection_threshold(
        apply_temperature(log_p, temperature),
        labels,
        apply_temperature(bundle.combine(bundle.member_log_probabilities(outliers)), temperature),
    )
    recalibrate_bundle(run.path / "bundle", temperature=temperature, rejection_threshold=threshold)


def _evaluate(run: Run, monitored: Digits) -> RunEvaluation:
    """Measure the kept weights on test; add the curves on the monitored set."""
    recipe = run.recipe
    measured = run.evaluate()
    checkpoints = (load_checkpoint(folder / "weights.safetensors") for folder in run.members)
    kept = [int(facts["step"]) for _, facts in checkpoints]
    steps = kept if recipe.members == 1 else [*kept, max(kept)]
    models = tuple(
        model.model_copy(update={"step": step})
        for model, step in zip(measured.models, steps, strict=True)
    )
    drawn = curves([Journal(folder) for folder in run.members], monitored.labels.numpy())
    return RunEvaluation(
        **dict(measured) | {"models": models},
        kept=Kept(rule=recipe.training.keep, selected_on=recipe.selected_on),
        selection=tuple(row for curve in drawn for row in selected_rows(curve)),
        curves=Curves(on=recipe.data.monitor, images=len(monitored), models=tuple(drawn)),
    )


CARD = """# tenfold bundle: {recipe.name}

{recipe.description}

{recipe.members} network{networks} of 28×28 grey digits, white on black as in MNIST: uint8 in,
probabilities out. Trained on {data} with seed {recipe.seed}; weights kept by rule
"{recipe.training.keep}", selected on {recipe.selected_on}. {licences}
Figures: evaluation.json of the run; `bundle.json` has the rest.
"""
