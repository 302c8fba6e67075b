"""A sweep's space: what it may hold, and the errors of what it may not."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tenfold.errors import RecipeError
from tenfold.studies.space import Space, load_space
from tenfold.training.recipe import load_recipe

SMOKE = load_recipe("smoke")


def space(tmp_path: Path, text: str) -> Space:
    (tmp_path / "space.toml").write_text(text)
    return load_space(tmp_path / "space.toml", SMOKE)


def test_ranges_and_choices_are_optuna_s(tmp_path: Path) -> None:
    found = space(
        tmp_path,
        """
        "training.stages.1.learning_rate.start" = { low = 0.001, high = 0.02, log = true }
        "training.stages.0.iterations" = { low = 10, high = 40, step = 10 }
        "network.widths" = { choices = [[4, 8], [8, 16]] }
        [training.optimizer]
        muon = { low = 0, high = 30 }
        """,
    )
    assert found.distributions == {
        "training.stages.1.learning_rate.start": FloatDistribution(0.001, 0.02, log=True),
        "training.stages.0.iterations": IntDistribution(10, 40, step=10),
        "network.widths": CategoricalDistribution(["[4, 8]", "[8, 16]"]),
        "training.optimizer.muon": FloatDistribution(0, 30),  # whole ends, but a real number
    }
    own = found.own()
    assert own == {
        "training.stages.1.learning_rate.start": 0.005,
        "training.stages.0.iterations": 30,
        "network.widths": "[4, 8]",
        "training.optimizer.muon": 0.0,
    }
    assert found.applied(own) == SMOKE
    changed = found.applied({**own, "network.widths": "[8, 16]", "training.optimizer.muon": 7.5})
    assert changed.network.widths == (8, 16)
    assert changed.training.optimizer.muon == 7.5


@pytest.mark.parametrize(
    "text",
    [
        '"training.optimizer.muon" = { low = 1.0, high = 2.0 }',  # smoke's is 0
        '"network.pooling" = { choices = ["max", "average"] }',  # smoke's is mixed
        '"training.stages.0.learning_rate" = { low = 0.001, high = 0.1 }',  # smoke's is a ramp
    ],
)
def test_a_space_may_exclude_the_recipe_s_own_values(text: str, tmp_path: Path) -> None:
    assert space(tmp_path, text).own() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; give at least one recipe key"),
        ("a = [", "not valid TOML"),
        ('"training.optimizer.moun" = { low = 0, high = 1 }', "did you mean muon?"),
        ('"training.stages.7.iterations" = { low = 1, high = 2 }', "there is no training.stages.7"),
        ('"training.optimizer.muon" = 3', "expected { low, high"),
        ('"training.optimizer.muon" = { low = 3 }', "expected { low, high"),
        ('"training.optimizer.muon" = { low = 1, high = 3, lgo = true }', "expected { low, high"),
        ('"training.optimizer.muon" = { low = 1, high = 3, log = 1 }', "log is true or false"),
        ('"training.optimizer.muon" = { low = 1, high = true }', "expected { low, high"),
        ('"training.optimizer.muon" = { low = 3, high = 1 }', "muon: .*high"),
        ('"training.optimizer.muon" = { low = 0, high = 1, log = true }', "muon: .*low"),
        ('"training.optimizer.muon" = { low = 0, high = 1, step = 0.3 }', "muon: .*step"),
        ('"training.optimizer.muon" = { low = 0, high = 1, step = 1e-300 }', "step is too small"),
        ('"training.optimizer.muon" = { low = -1, high = 1 }', "muon=-1: .*greater than or equal"),
        ('"training.stages.0.iterations" = { low = 1.5, high = 3 }', "valid integer"),
        ('"network.pooling" = { choices = [] }', "expected { low, high"),
        ('"network.pooling" = { choices = ["max", "min"] }', 'pooling="min": '),
        ('"data.validation" = { low = 100, high = 300 }', "is the same in all trials"),
        ("seed = { low = 0, high = 3 }", "seed: is the same in all trials"),
        ("detector = { choices = [{}] }", "detector: is the same in all trials"),
        ('"crop.filters" = { choices = [[8, 8, 8]] }', "crop.filters: is the same in all trials"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        space(tmp_path, text)
    printed = str(error.value)
    assert printed.startswith(f"{tmp_path}/space.toml: ")
    assert re.search(message, printed)
    assert "\n" not in printed


def test_a_missing_file_is_printed(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: cannot be read"):
        load_space(tmp_path / "none.toml", SMOKE)


@pytest.mark.parametrize(("recipe", "what"), [("page", "detector"), ("line", "line recogniser")])
def test_a_recipe_of_no_classifier_is_refused(recipe: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text('"training.optimizer.muon" = { low = 0, high = 1 }')
    with pytest.raises(RecipeError, match=f"{recipe}: trains a {what}; name a recipe of a class"):
        load_space(tmp_path / "space.toml", load_recipe(recipe))


@given(rate=st.floats(1e-6, 1.0), iterations=st.integers(1, 10_000))
def test_a_changed_recipe_is_what_its_toml_says(rate: float, iterations: int) -> None:
    values = {
        "training.stages.1.learning_rate.end": rate,
        "training.stages.0.iterations": iterations,
    }
    changed = SMOKE.changed(values)
    overrides = [f"{key}={value!r}" for key, value in values.items()]
    assert changed == load_recipe("smoke", overrides)
    assert changed.changed({}) == changed
    assert load_recipe("smoke") == SMOKE  # untouched
