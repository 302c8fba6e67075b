"""Likely label errors: every image is judged by a network that never saw it.

Confident learning (Northcutt, Jiang & Chuang 2021), by cleanlab (extra `audit`).
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch

from tenfold.artifacts.base import NamedImageSet
from tenfold.artifacts.studies import AuditResult, Suspect
from tenfold.cpu import available_cores
from tenfold.data.digits import Digits
from tenfold.data.mnist import CLASSES
from tenfold.errors import MissingExtraError
from tenfold.evaluation.calibration import apply_temperature, fit_temperature
from tenfold.execution.config import Execution
from tenfold.model.kernels.functional import tune_process
from tenfold.training.digits import digit_task, log_probabilities
from tenfold.training.hardware import choose_placement
from tenfold.training.recipe import Recipe
from tenfold.training.trainer import Trainer

OnStep = Callable[[int, int], None]


def audit(
    digits: Digits,
    recipe: Recipe,
    execution: Execution,
    *,
    folds: int = 5,
    on_step: OnStep = lambda _done, _all: None,
) -> AuditResult:
    """Rank the labels that confident learning doubts.

    Args:
        digits: what to audit, at least `folds` images of each digit.
        recipe: trained once a fold, on the other folds; its members and validation do not count.
        execution: its device, precision and threads; cluster and workers do not count.
        folds: parts that the images are dealt into, each digit evenly.
        on_step: called with (iterations done, iterations in all).

    Raises:
        MissingExtraError: cleanlab is not installed.
        RecipeError: the recipe trains no classifier.
    """
    recipe.require_classifier()
    if find_spec("cleanlab") is None:
        raise MissingExtraError("tenfold audit", "audit")
    from cleanlab.filter import find_label_issues

    labels = digits.labels.numpy()
    log_p = _held_out_log_probabilities(digits, recipe, execution, folds, on_step)
    temperature = fit_temperature(log_p, labels)
    p = np.exp(apply_temperature(log_p, temperature))
    suspects = find_label_issues(labels, p, return_indices_ranked_by="self_confidence", n_jobs=1)
    return AuditResult(
        data=NamedImageSet(name=digits.name, images=len(digits), sha256=digits.sha256),
        recipe=recipe.name,
        folds=folds,
        accuracy=float((p.argmax(axis=1) == labels).mean()),
        temperature=temperature,
        suspects=tuple(
            Suspect(
                index=int(index),
                label=int(labels[index]),
                suggestion=int(p[index].argmax()),
                p_label=float(p[index, labels[index]]),
                p_suggestion=float(p[index].max()),
                image=digits.images[index].numpy().tobytes(),
            )
            for index in suspects
        ),
    )


def _held_out_log_probabilities(
    digits: Digits, recipe: Recipe, execution: Execution, folds: int, on_step: OnStep
) -> npt.NDArray[np.float64]:
    """Train once a fold; return log p [n, 10] of each image by the network that never saw it."""
    tune_process()
    torch.set_num_threads(execution.threads or available_cores())
    where = choose_placement(execution.device, execution.precision)
    log_p = np.empty((len(digits), CLASSES))
    parts = deal(digits.labels.numpy(), folds, recipe.seed)
    for number, (training, held_out) in enumerate(parts):
        task = digit_task(recipe, number, digits.subset(training), device=where.device)
        trainer = Trainer(task, recipe.training, recipe.ema, where.dtype)
        iterations = trainer.schedule.iterations
        while trainer.step_count < iterations:
            trainer.step()
            on_step(number * iterations + trainer.step_count, folds * iterations)
        network = trainer.evaluated_network()
        log_p[held_out] = log_probabilities(network, digits.images[held_out]).numpy()
    return log_p


def deal(
    labels: npt.NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (training, held out) indices of each fold, every digit dealt evenly."""
    from sklearn.model_selection import StratifiedKFold

    splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    for training, held_out in splits:
        yield torch.from_numpy(training), torch.from_numpy(held_out)
