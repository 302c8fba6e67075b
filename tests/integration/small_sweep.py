"""A small sweep: its recipe, its space, and its study as Optuna has it on disk."""

from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend

SMALL = (
    "training.stages.0.iterations=6",
    "training.stages.1.iterations=6",
    "training.evaluate_every=4",
)
SPACE = """
"training.stages.1.learning_rate.start" = { low = 0.0001, high = 0.05, log = true }
"network.pooling" = { choices = ["mixed", "max"] }
"""


def study_of(folder: Path) -> optuna.Study:
    """Read Optuna's journal as any other program would."""
    backend = JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)
