"""The task of a recipe."""

import torch

from tenfold.artifacts.training import (
    DetectionRecord,
    JournalRecord,
    LineRecord,
    TrainingRecord,
)
from tenfold.data.digits import Digits
from tenfold.training.cells import CELLS
from tenfold.training.crops import crop_task
from tenfold.training.detection import DIGITS_AND_MARKS
from tenfold.training.digits import digit_task
from tenfold.training.lines import line_task
from tenfold.training.recipe import Recipe
from tenfold.training.task import Task


def record_type(recipe: Recipe) -> type[TrainingRecord]:
    """Return the schema of a line of the journals of a recipe's members."""
    if recipe.line:
        return LineRecord
    return DetectionRecord if recipe.detector else JournalRecord


def recipe_task(
    recipe: Recipe, member: int, training: Digits, monitored: Digits, device: torch.device
) -> Task:
    """Return the task of its `[detector]`, `[line]` or `[crop]` table, else a classifier's.

    Args:
        recipe: everything else that decides what is trained.
        member: its number, from 0; with the recipe's seed it decides everything random.
        training: digits to train on.
        monitored: digits that evaluations measure.
        device: where it is trained.
    """
    if recipe.line:
        return line_task(recipe, member, training, monitored, device)
    if recipe.crop:
        return crop_task(recipe, member, training, monitored, device)
    if recipe.detector is None:
        return digit_task(recipe, member, training, monitored, device)
    if recipe.detector.finds == "cells":
        return CELLS.task(recipe, member, training, monitored, device)
    return DIGITS_AND_MARKS.task(recipe, member, training, monitored, device)
