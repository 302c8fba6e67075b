"""Recipes: what ships loads, what is wrong is found in one line that says where."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tenfold.artifacts.training import READER_NETWORKS
from tenfold.errors import RecipeError
from tenfold.execution.config import THIS_MACHINE
from tenfold.execution.create import open_or_create
from tenfold.training.recipe import Recipe, load_recipe, shipped


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_loads_and_is_described(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.cost


@pytest.mark.parametrize("name", shipped())
def test_toml_round_trip_gives_an_equal_recipe(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    again = load_recipe(path)
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()


def test_report_recipes_say_that_they_select_on_test_and_others_do_not() -> None:
    selected = {name: load_recipe(name).selected_on for name in shipped()}
    assert {name for name, on in selected.items() if on == "test"} == {
        name for name in selected if name.startswith("report-")
    }
    assert selected["smoke"] == "validation"


def test_only_keeping_the_last_weights_selects_on_nothing() -> None:
    assert load_recipe("smoke", ["training.keep=last"]).selected_on == "nothing"
    assert load_recipe("smoke", ["data.monitor=test"]).selected_on == "test"


@pytest.mark.parametrize("name", [name for name in shipped() if name.startswith("report-")])
def test_the_cost_in_images_is_that_of_the_schedule(name: str) -> None:
    recipe = load_recipe(name)
    found = re.search(r"([\d,]+) iterations, ([\d.]+) M images", recipe.cost)
    assert found is not None
    schedule = recipe.schedule
    images = recipe.members * schedule.images_before(schedule.iterations)
    assert int(found[1].replace(",", "")) == schedule.iterations
    assert float(found[2]) == round(images / 1e6, 1)


def test_overrides_set_nested_keys_and_bare_words() -> None:
    recipe = load_recipe(
        "smoke",
        [
            "seed=7",
            "network.pooling=max",
            "training.stages.1.iterations=5",
            "training.stages.0.learning_rate={start = 1.0, end = 0.5}",
            "training.optimizer.beta1=0.8",
        ],
    )
    assert recipe.seed == 7
    assert recipe.network.pooling == "max"
    assert [stage.iterations for stage in recipe.training.stages] == [30, 5]
    assert recipe.training.stages[0].learning_rate.end == 0.5
    assert recipe.training.optimizer.beta1 == 0.8


# What to replace in smoke.toml, by what; the text of the line found; key and explanation.
MISTAKES = {
    "unknown key": (
        "members = 2",
        "membrs = 2",
        "membrs: unknown key; did you mean members? (allowed: augmentation, cost, ",
    ),
    "unknown key in a table": (
        "decay = 0.9",
        "dcay = 0.9",
        "ema.dcay: unknown key; did you mean decay? (allowed: decay, every)",
    ),
    "unknown key in the second stage": (
        "batch_multiple = 8",
        "batch_multiples = 8",
        "training.stages.1.batch_multiples: unknown key; did you mean batch_multiple? (allowed: ",
    ),
    "unknown key in a ramp": (
        "batch_size = { start = 32, end = 64 }",
        "batch_size = { begin = 32, end = 64 }",
        "training.stages.1.batch_size.begin: unknown key (allowed: end, shape, start)",
    ),
    "wrong type": (
        "iterations = 60",
        'iterations = "sixty"',
        'training.stages.1.iterations: Input should be a valid integer (found "sixty")',
    ),
    "a number as text": (
        "members = 2",
        'members = "2"',
        'members: Input should be a valid integer (found "2")',
    ),
    "a truth value as a number": (
        "dropout = 0.25",
        "dropout = false",
        "network.dropout: Input should be a valid number (found false)",
    ),
    "negative batch size": (
        "batch_size = 32",
        "batch_size = -32",
        "training.stages.0.batch_size.start: Input should be greater than or equal to 0 (found",
    ),
    "batch size of zero": (
        "batch_size = { start = 32, end = 64 }",
        "batch_size = { start = 32, end = 0 }",
        "training.stages.1: batch_size must be 1 to 1,000,000 at both ends (found {",
    ),
    "geometric ramp to zero": (
        'end = 0.005, shape = "geometric"',
        'end = 0.0, shape = "geometric"',
        "training.stages.0.learning_rate: a geometric ramp needs both ends above 0 (found {",
    ),
    "unknown shape": (
        'shape = "cosine"',
        'shape = "cosin"',
        "training.stages.1.learning_rate.shape: Input should be 'linear', 'geometric' or 'cosine'",
    ),
    "a layer without filters": (
        "widths = [4, 8]",
        "widths = [4, 0]",
        "network.widths.1: Input should be greater than 0 (found 0)",
    ),
    "not a number": (
        "dropout = 0.25",
        "dropout = nan",
        "network.dropout: Input should be a finite number (found NaN)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_file_line_key_and_what_is_allowed(
    mistake: str, tmp_path: Path
) -> None:
    old, new, explanation = MISTAKES[mistake]
    text = shipped()["smoke"].read_text(encoding="utf-8")
    assert text.count(old) == 1
    text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert "\n" not in message
    where, _, what = message.partition(": ")
    assert what.startswith(explanation)
    file, _, line = where.rpartition(":")
    assert file == str(path)
    found = text.splitlines()[int(line) - 1]
    stage = "[[training.stages]]"  # where a whole stage is wrong, its header is found
    assert new in found or (mistake == "batch size of zero" and found == stage)


def test_validation_curves_need_validation_images(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = shipped()["smoke"].read_text(encoding="utf-8").replace("validation = 500\n", "")
    path.write_text(text, encoding="utf-8")
    line = text.splitlines().index("[data]") + 1
    expected = f"{path}:{line}: data: monitor = 'validation' needs validation above 0"
    with pytest.raises(RecipeError, match=re.escape(expected)):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("name = ", "not valid TOML: Invalid value (at end of document)"),
        ("", "name: required, and missing"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_an_empty_or_broken_file_is_told(
    text: str | bytes, explanation: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError, match=re.escape(f"{path}: {explanation}")) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_misspelt_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml: cannot be read \(No such file"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(RecipeError, match=r"smoek: no such recipe; did you mean smoke\?"):
        load_recipe("smoek")


@pytest.mark.parametrize(
    ("override", "explanation"),
    [
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("training.stages.7.iterations=5", "there is no training.stages.7.iterations"),
        ("training.stages.first.iterations=5", "there is no training.stages.first.iterations"),
        ("members.first=1", "there is no members.first"),
        ("sead=1", "sead: unknown key; did you mean seed?"),
        ("seed=-1", "seed: Input should be greater than or equal to 0 (found -1)"),
        ("members=two", 'members: Input should be a valid integer (found "two")'),
        (
            "network.pooling=median",
            "network.pooling: Input should be 'mixed', 'max' or 'average'",
        ),
        ("data.validation=0", "data: monitor = 'validation' needs validation above 0"),
        (
            "training.stages.0.learning_rate=-1",
            "training.stages.0.learning_rate.start: Input should be greater than or equal to 0",
        ),
    ],
)
def test_a_bad_override_is_told_as_the_option_that_it_came_from(
    override: str, explanation: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("smoke", ["members=1", override])
    assert str(caught.value).startswith(f"--set {override}: {explanation}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "override", "explanation"),
    [
        ("line", "members=2", "members = 1"),
        ("crop", "members=2", "members = 1"),
        ("page", "line.line=8", "not both"),
        ("crop", "line.line=8", "not both"),
        ("crop", "outlier_exposure.found=0.1", "set symbols alone in outlier_exposure"),
        ("page", "outlier_exposure.symbols=0.1", "leave out outlier_exposure"),
    ],
)
def test_a_recipe_trains_one_kind_of_network(recipe: str, override: str, explanation: str) -> None:
    with pytest.raises(RecipeError, match=explanation):
        load_recipe(recipe, [override])


def test_the_resolved_toml_holds_every_key(tmp_path: Path) -> None:
    resolved = tomllib.loads(load_recipe("smoke").to_toml())
    path = tmp_path / "recipe.toml"
    path.write_text(load_recipe("smoke").to_toml(), encoding="utf-8")
    of_readers = {*READER_NETWORKS, "fields"}
    assert resolved == json.loads(load_recipe(path).model_dump_json(exclude=of_readers))
    assert set(resolved) == set(Recipe.model_fields) - of_readers
    for name, table in (("page", "detector"), ("line", "line"), ("crop", "crop")):
        keys = set(tomllib.loads(load_recipe(name).to_toml()))
        assert keys == set(Recipe.model_fields) - set(READER_NETWORKS) | {table}


def test_a_recipe_extends_another_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "swift"\nname = "mine"\n[augmentation]\nshear = 1.0\n'
        "[[training.stages]]\niterations = 7\nlearning_rate = 0.001\nbatch_size = 5\n"
    )
    mine, swift = load_recipe(path), load_recipe("swift")
    assert mine.augmentation == swift.augmentation.model_copy(update={"shear": 1.0})
    assert [stage.iterations for stage in mine.training.stages] == [7]  # a list is replaced whole
    assert mine.training.optimizer == swift.training.optimizer
    assert mine.network == swift.network
    assert load_recipe(path, ["augmentation.shear=2.0"]).augmentation.shear == 2
    path.write_text(mine.to_toml())
    assert "extends" not in path.read_text()
    assert load_recipe(path) == mine


@pytest.mark.parametrize("base", ['"no-such"', '"../swift.toml"', "3", "[1]"])
def test_what_a_recipe_extends_must_be_shipped(base: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"extends = {base}\n")
    with pytest.raises(RecipeError, match=r"mine\.toml: extends: .* is not a shipped recipe"):
        load_recipe(path)


def test_further_folders_are_added_to_what_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "corrections" / "7"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((28, 28), 9, np.uint8)).save(folder / "0.png")
    recipe = load_recipe("smoke", ['data.also=["corrections"]'])
    run = open_or_create(recipe, tmp_path / "run", THIS_MACHINE)
    training, monitored = run.digits()
    plain, same = open_or_create(load_recipe("smoke"), tmp_path / "plain", THIS_MACHINE).digits()
    assert len(training) == len(plain) + 1
    assert int(training.labels[-1]) == 7
    assert torch.equal(monitored.images, same.images)  # what is measured stays as it was
    assert run.manifest.data["also corrections"].images == 1
