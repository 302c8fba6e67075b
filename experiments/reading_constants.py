"""The constants with which numbers are read, by name, and the values to try."""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

from tenfold.reading.number_reader import NumberReaderConfig

Values = dict[str, float]

# Fields of `NumberReaderConfig` (a number is a place in a tuple), and constants of modules.
VALUES: dict[str, tuple[float, ...]] = {
    "pyramid.max_enlargement": (1.5, 2.0, 3.0),
    "pyramid.small_height_px": (14.0, 16.0, 18.0, 20.0, 24.0),
    "pyramid.large_height_px": (40.0, 46.0, 60.0),
    "pyramid.max_pixels": (8e5, 1.6e6),
    "pyramid.margin_px": (8, 16, 24, 32),
    "pyramid.digit_heights_px.0": (6.0, 8.0, 10.0, 12.0, 14.0),
    "pyramid.digit_heights_px.1": (40.0, 50.0, 60.0, 80.0, 120.0),
    "pyramid.preferred_height_px": (20.0, 22.0, 24.0, 28.0),
    "pyramid.preferred_mark_px": (5.0, 7.0, 9.0, 12.0),
    "pyramid.height_tolerance": (0.7, 1.0, 1.4),
    "pyramid.min_objectness": (0.05, 0.1, 0.15, 0.3),
    "pyramid.merging.max_overlap": (0.3, 0.4, 0.5, 0.6, 0.7),
    "pyramid.merging.min_distance.0": (0.0, 0.15, 0.3, 0.45),
    "pyramid.merging.min_distance.1": (0.25, 0.5, 0.75),
    "pyramid.merging.min_distance_of_height": (0.0, 0.08, 0.12, 0.16),
    "pyramid.merging.max_inside": (0.5, 0.6, 0.75, 0.9, 1.0),
    "pyramid.merging.part_height": (0.6, 0.75, 0.85, 0.95),
    "classification.detector_weight": (0.2, 0.3, 0.4, 0.5, 0.7, 1.0),
    "classification.crop_weight": (0.0, 0.3, 0.5, 0.7, 1.0, 1.4),
    "classification.digit_weight": (0.0, 0.1, 0.2, 0.3, 0.4),
    "classification.objectness_weight": (0.0, 0.1, 0.2, 0.4),
    "classification.floor": (1e-4, 1e-3, 1e-2),
    "classification.margin.0": (0.0, 0.06, 0.12),
    "classification.margin.1": (0.06, 0.12, 0.18),
    "classification.sure_probability": (0.98, 0.985, 0.99, 0.995, 1.1),
    "classification.max_side_px": (24, 28, 36, 48, 64),
    "suppression.max_overlap": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    "suppression.min_distance.0": (0.0, 0.15, 0.3, 0.45, 0.6),
    "suppression.min_distance.1": (0.25, 0.5, 0.75),
    "lines.length_weight": (0.0, 0.5, 0.8, 1.0, 1.3),
    "lines.text_weight": (0.0, 0.1, 0.25, 0.4, 0.6),
    "lines.floor": (1e-5, 1e-4, 1e-3),
    "lines.crop.margin": (0.3, 0.4, 0.5),
    "grouping.max_gap": (1.0, 1.2, 1.5, 2.0),
    "grouping.max_rise": (0.3, 0.5, 0.7),
    "grouping.max_mark_rise": (0.5, 0.7, 0.9, 1.2),
    "grouping.max_height_ratio": (1.6, 2.2, 3.0, 5.0),
    "hypotheses:MAX_OF_REGION": (3, 6, 9),
    "hypotheses:CLASSES_CONSIDERED": (2, 4, 6),
    "hypotheses:MIN_PROBABILITY": (1e-5, 1e-4, 1e-3, 1e-2),
}


def todays_values() -> Values:
    """Return the values in the code."""
    return {
        name: _constant(name) if ":" in name else _get(NumberReaderConfig(), name.split("."))
        for name in VALUES
    }


def configured(values: Values) -> NumberReaderConfig:
    """Set the constants of modules, and return the config of a reader."""
    config = NumberReaderConfig()
    for name, value in values.items():
        if ":" in name:
            set_constant(name, value)
        else:
            config = _changed(config, name.split("."), value)
    return config


def set_constant(name: str, value: float) -> None:
    """Set a constant of a module of `tenfold.reading`, as in "hypotheses:MIN_PROBABILITY"."""
    module, constant = name.split(":")
    setattr(importlib.import_module(f"tenfold.reading.{module}"), constant, value)


def _constant(name: str) -> float:
    module, constant = name.split(":")
    value: float = getattr(importlib.import_module(f"tenfold.reading.{module}"), constant)
    return value


def _get(config: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - of any type
    """Return a field of nested dataclasses and tuples."""
    for part in path:
        config = config[int(part)] if part.isdigit() else getattr(config, part)
    return config


def _changed(config: Any, path: Sequence[str], value: float) -> Any:  # noqa: ANN401 - of any type
    """Return nested dataclasses and tuples with another value of a field."""
    if not path:
        return value
    inner = _changed(_get(config, path[:1]), path[1:], value)
    if isinstance(config, tuple):
        place = int(path[0])
        return (*config[:place], inner, *config[place + 1 :])
    return dataclasses.replace(config, **{path[0]: inner})
