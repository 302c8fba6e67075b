"""The weights that a member's training starts from: drawn, or those of another training."""

from pathlib import Path
from typing import TypeVar

import torch

from tenfold.data.seeds import derive_seed
from tenfold.errors import RecipeError, RunError
from tenfold.model.crop_network import CropNetwork
from tenfold.model.detector import DetectorNetwork
from tenfold.model.line_network import LineNetwork
from tenfold.model.network import DigitNetwork
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.recipe import Recipe

Network = TypeVar("Network", DigitNetwork, DetectorNetwork, LineNetwork, CropNetwork)


def initialise(network: Network, recipe: Recipe, seed: int) -> Network:
    """Give a network the recipe's `initial_weights`, or draw its weights.

    Args:
        network: of the recipe; it is changed.
        recipe: says where weights are.
        seed: of the member; decides what is drawn.

    Raises:
        RecipeError: there are no such weights, or they are another network's.
    """
    if not recipe.initial_weights:
        return network.initialise(torch.Generator().manual_seed(derive_seed(seed, "weights")))
    path = Path(recipe.initial_weights)
    file = path / "members" / "00" / "weights.safetensors" if path.is_dir() else path
    try:
        network.load_state_dict(load_checkpoint(file)[0])
    except RunError as error:
        raise RecipeError(
            f"initial_weights: {file}: cannot be read; name a finished run, or the "
            "weights.safetensors of one of its members"
        ) from error
    except RuntimeError as error:  # lists every tensor, a line each
        raise RecipeError(
            f"initial_weights: {file}: not the weights of such a network; name a run of a recipe "
            "with the same network"
        ) from error
    return network
