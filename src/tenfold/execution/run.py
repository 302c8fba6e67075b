"""A run folder: everything that a training leaves behind.

    recipe.toml     resolved            manifest.json      versions, hardware, hashes, timings
    members/NN/     see member.py       evaluation.json    what it scored
    bundle/         what is shipped     report.html, figures/

All of it is readable without the code that made it.
"""

from functools import cached_property
from pathlib import Path

from tenfold.artifacts.detection import DetectorEvaluation
from tenfold.artifacts.evaluation import Evaluation, RunEvaluation
from tenfold.artifacts.training import Manifest
from tenfold.bundle.format import SHIPPED
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.data.sources import load_digits
from tenfold.errors import RunError
from tenfold.evaluation.evaluate import evaluate_bundle
from tenfold.training.digits import recipe_digits
from tenfold.training.recipe import Recipe, load_recipe


class Run:
    """A run folder on disk, complete or not."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open an existing run.

        Raises:
            RunError: the folder holds no run.
        """
        run = cls(Path(path))
        if not (run.path / "recipe.toml").is_file():
            raise RunError(f"{path}: no recipe.toml; name a run folder that `tenfold train` made")
        return run

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return load_recipe(self.path / "recipe.toml")

    @property
    def manifest(self) -> Manifest:
        """Versions, hardware, data hashes, seeds and timings."""
        fix = "copy it from a backup, or train another run"
        return Manifest.read_file(self.path / "manifest.json", fix)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        manifest.write_file(self.path / "manifest.json", indent=2)

    @property
    def evaluation(self) -> RunEvaluation:
        """What the run scored: see `Run.evaluate`."""
        fix = f"`tenfold train --resume --out {self.path}` writes it anew"
        return RunEvaluation.read_file(self.path / "evaluation.json", fix)

    @property
    def detector_evaluation(self) -> DetectorEvaluation:
        """What a run that trained a network of the reader scored."""
        fix = f"`tenfold train --resume --out {self.path}` writes it anew"
        return DetectorEvaluation.read_file(self.path / "evaluation.json", fix)

    @property
    def finished(self) -> bool:
        """Whether the run was trained and evaluated to its end."""
        return (self.path / "evaluation.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether a member has been trained, if only a little."""
        return (self.path / "members").is_dir()

    @property
    def members(self) -> list[Path]:
        """The folder of each member."""
        return [self.path / "members" / f"{i:02}" for i in range(self.recipe.members)]

    def bundle(self) -> Bundle:
        """Load the networks that the run trained."""
        return Bundle.load(self.path / "bundle")

    def digits(self) -> tuple[Digits, Digits]:
        """Return what the run trains on and what its curves are measured on."""
        return recipe_digits(self.recipe)

    def evaluate(self, data: str | None = None) -> Evaluation:
        """Measure the run's bundle on the test images of `data` (default: what it trained on)."""
        digits = load_digits(data or self.recipe.data.spec, "test")
        return evaluate_bundle(self.bundle(), digits)


def measure(path: Path | None = None, data: str | None = None) -> Evaluation:
    """Measure a run or a bundle on the test images of `data`; see `evaluate_bundle`.

    Args:
        path: the folder, or a shipped bundle's name; by default `field`.
        data: as `load_digits` takes it; by default what the bundle was trained on.

    Raises:
        TenfoldError: the folder is neither, or the data cannot be had.
    """
    bundle = Bundle.load(path or SHIPPED)
    return evaluate_bundle(bundle, load_digits(data or bundle.config.facts.data or "mnist", "test"))
