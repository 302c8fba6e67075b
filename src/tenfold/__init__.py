"""tenfold: handwritten digits, trained in seconds, measured honestly.

The public names are loaded when first used, so that `import tenfold` stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenfold.bundle.torch_bundle import Bundle
    from tenfold.data.digits import Digits
    from tenfold.data.sources import load_digits
    from tenfold.errors import TenfoldError
    from tenfold.execution.config import Execution
    from tenfold.execution.run import Run
    from tenfold.execution.train import resume, train
    from tenfold.model.config import NetworkConfig
    from tenfold.model.network import DigitNetwork
    from tenfold.reading.reader import Reader, Reading
    from tenfold.training.estimator import DigitClassifier
    from tenfold.training.recipe import Recipe, load_recipe
    from tenfold.training.schedule import Schedule, Stage

__all__ = [
    "Bundle",
    "DigitClassifier",
    "DigitNetwork",
    "Digits",
    "Execution",
    "NetworkConfig",
    "Reader",
    "Reading",
    "Recipe",
    "Run",
    "Schedule",
    "Stage",
    "TenfoldError",
    "load_digits",
    "load_recipe",
    "resume",
    "train",
]

_HOMES = {
    "Bundle": "tenfold.bundle.torch_bundle",
    "DigitClassifier": "tenfold.training.estimator",
    "DigitNetwork": "tenfold.model.network",
    "Digits": "tenfold.data.digits",
    "Execution": "tenfold.execution.config",
    "NetworkConfig": "tenfold.model.config",
    "Reader": "tenfold.reading.reader",
    "Reading": "tenfold.reading.reader",
    "Recipe": "tenfold.training.recipe",
    "Run": "tenfold.execution.run",
    "Schedule": "tenfold.training.schedule",
    "Stage": "tenfold.training.schedule",
    "TenfoldError": "tenfold.errors",
    "load_digits": "tenfold.data.sources",
    "load_recipe": "tenfold.training.recipe",
    "resume": "tenfold.execution.train",
    "train": "tenfold.execution.train",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tenfold' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
