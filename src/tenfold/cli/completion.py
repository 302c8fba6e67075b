"""What the shell offers for an option or argument; paths it completes itself."""

from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
"""Its folders are listed here: the modules that know them take seconds to import."""


def recipe_names(incomplete: str) -> list[str]:
    """Return the shipped recipes whose names begin so."""
    return _beginning_with(incomplete, (path.stem for path in PACKAGE.glob("recipes/*.toml")))


def bundle_names(incomplete: str) -> list[str]:
    """Return the shipped bundles, and those of the run folders in `runs`, that begin so."""
    shipped = (path.parent.name for path in PACKAGE.glob("bundles/*/bundle.json"))
    trained = (str(path.parent) for path in Path().glob("runs/*/bundle/bundle.json"))
    return _beginning_with(incomplete, [*shipped, *trained])


def dataset_names(incomplete: str) -> list[str]:
    """Return the data sets that can be downloaded, and the synthetic one, that begin so."""
    from tenfold.data.sources import datasets

    return _beginning_with(incomplete, datasets())


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
