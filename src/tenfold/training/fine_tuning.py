"""Fine-tuning: a trained network learns corrections, beside what it was trained on.

A share of every batch is drawn from the corrections; the rest are the recipe's own batches, so
that nothing is forgotten (Robins 1995, "rehearsal"). Augmentation and degradations change both.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from tenfold.augmentation.outlier_exposure import ImageBank
from tenfold.bundle.format import CONFIG_FILE, find_bundle, read_config
from tenfold.data.digits import Digits
from tenfold.errors import BundleError
from tenfold.model.config import NetworkConfig
from tenfold.training.digits import digit_task
from tenfold.training.hardware import Placement
from tenfold.training.recipe import Recipe, load_recipe, shipped
from tenfold.training.schedule import Ramp, Stage
from tenfold.training.trainer import Trainer


class FineTuning(BaseModel):
    """How long and how strongly corrections are learned; the same for any number of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: int = Field(default=120, gt=0)
    batch_size: int = Field(default=256, gt=1)
    learning_rate: float = Field(default=0.001, gt=0, description="at first; it falls to 0")
    share: float = Field(default=0.15, gt=0, lt=1, description="of each batch: corrections")

    def recipe(self, recipe: Recipe, network: NetworkConfig, seed: int) -> Recipe:
        """Return what a network is tuned by: a recipe with this schedule, for this network."""
        stage = Stage(
            iterations=self.iterations,
            learning_rate=Ramp(start=self.learning_rate, end=0),
            batch_size=Ramp(start=self.batch_size, end=self.batch_size),
        )
        training = recipe.training.model_copy(update={"stages": (stage,), "keep": "last"})
        changes = {"network": network, "training": training, "seed": seed}
        return recipe.model_copy(update=changes)


def fine_tune(  # noqa: PLR0913 - what is trained on, and where
    recipe: Recipe,
    state: Mapping[str, Tensor],
    corrections: ImageBank,
    replayed: Digits,
    banks: Sequence[ImageBank],
    *,
    placement: Placement,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """Train a network on from its weights.

    Args:
        recipe: as `FineTuning.recipe` makes it.
        state: state dict of the network.
        corrections: what is to be learned.
        replayed: digits that the network was trained on.
        banks: what else it was trained on.
        placement: device and precision.
        on_step: called after each iteration.

    Returns:
        The new state dict, float32 on the CPU.
    """
    task = digit_task(
        recipe,
        0,
        replayed,
        device=placement.device,
        initial=state,
        banks=[corrections, *banks],
    )
    trainer = Trainer(task, recipe.training, recipe.ema, placement.dtype)
    while trainer.step_count < trainer.schedule.iterations:
        trainer.step()
        on_step()
    return {name: tensor.cpu() for name, tensor in trainer.state_dict().items()}


def recipe_of(path: str | Path) -> Recipe:
    """Return the recipe that the networks of a run or of a bundle were trained by.

    Raises:
        BundleError: it is neither in the folder nor a shipped one.
    """
    beside = Path(path) / "recipe.toml"
    if beside.is_file():
        return load_recipe(beside)
    facts = read_config(path).facts
    if facts.recipe not in shipped():
        raise BundleError(
            f"{find_bundle(path) / CONFIG_FILE}: facts.recipe: {facts.recipe} is no shipped "
            "recipe; name the run folder that the bundle is from"
        )
    return load_recipe(facts.recipe).changed({"data.spec": facts.data or "mnist"})
