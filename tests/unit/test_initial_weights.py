"""The weights that training starts from."""

from pathlib import Path

import pytest
import torch

from tenfold.data.digits import Digits
from tenfold.errors import RecipeError
from tenfold.model.detector import DetectorNetwork
from tenfold.model.detector_config import DetectorConfig
from tenfold.training.checkpoint import save_checkpoint
from tenfold.training.digits import digit_task
from tenfold.training.initial_weights import initialise
from tenfold.training.recipe import load_recipe

QUICK = Path(__file__).with_name("quick.toml")


@pytest.fixture
def run(tmp_path: Path, tiny_digits: Digits) -> Path:
    """Write the weights of one member, as a finished run has them."""
    state = digit_task(load_recipe(QUICK, ["seed=5"]), 0, tiny_digits).network.state_dict()
    file = tmp_path / "run" / "members" / "00" / "weights.safetensors"
    file.parent.mkdir(parents=True)
    save_checkpoint(file, state, {"step": 30})
    return tmp_path / "run"


def test_every_member_starts_from_the_weights_of_a_run_or_a_file(
    run: Path, tiny_digits: Digits
) -> None:
    expected = digit_task(load_recipe(QUICK, ["seed=5"]), 0, tiny_digits).network.state_dict()
    drawn = digit_task(load_recipe(QUICK), 0, tiny_digits).network.state_dict()
    assert not torch.equal(drawn["output.weight"], expected["output.weight"])
    for path in (run, run / "members" / "00" / "weights.safetensors"):
        recipe = load_recipe(QUICK, [f"initial_weights='{path}'"])
        for member in (0, 1):
            state = digit_task(recipe, member, tiny_digits).network.state_dict()
            assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_detector_starts_from_weights_too(tmp_path: Path) -> None:
    config = DetectorConfig()
    other = DetectorNetwork(config).initialise(torch.Generator().manual_seed(1))
    save_checkpoint(tmp_path / "weights.safetensors", other.state_dict(), {})
    recipe = load_recipe("page", [f"initial_weights='{tmp_path}/weights.safetensors'"])
    found = initialise(DetectorNetwork(config), recipe, seed=0).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("initial_weights='{run}/none'", "none: cannot be read; name a finished run"),
        ("initial_weights='{run}/members'", "weights.safetensors: cannot be read; name a fin"),
        ("initial_weights='{run}'", "not the weights of such a network"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(
    override: str, message: str, run: Path, tiny_digits: Digits
) -> None:
    recipe = load_recipe(QUICK, [override.format(run=run), "network.widths=[4, 9]"])
    with pytest.raises(RecipeError, match=r"^initial_weights: ") as caught:
        digit_task(recipe, 0, tiny_digits)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
