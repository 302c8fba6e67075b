"""`tenfold tune`: a bundle that is written whole or not at all."""

import json
import signal
import zipfile
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from tenfold.artifacts import studies
from tenfold.artifacts.studies import BeforeAndAfter
from tenfold.bundle.format import BundleConfig, BundleFacts
from tenfold.bundle.save import save_bundle
from tenfold.data.digits import synthetic_digits
from tenfold.model.network import DigitNetwork
from tenfold.reading.reader import Reader
from tenfold.serving.app import Settings, create_app
from tenfold.studies import tune as study
from tenfold.training.fine_tuning import FineTuning
from tenfold.training.recipe import load_recipe

from .drawn_pictures import Tenfold


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a run and a zip of corrections; tune and measure quickly."""
    recipe = load_recipe("smoke")
    network = DigitNetwork(recipe.network).initialise(torch.Generator().manual_seed(0))
    facts = BundleFacts(recipe="smoke", data="synthetic")
    config = BundleConfig(name="smoke", members=(recipe.network,), facts=facts)
    save_bundle(tmp_path / "run" / "bundle", config, [network.state_dict()], "# smoke\n")
    (tmp_path / "run" / "recipe.toml").write_text(recipe.to_toml())
    digits = synthetic_digits(20, seed=9)
    with zipfile.ZipFile(tmp_path / "corrections.zip", "w") as archive:
        for index, image in enumerate(digits.images):
            Image.fromarray(image.numpy()).save(tmp_path / "digit.png")
            label = "none" if index == 0 else int(digits.labels[index])
            archive.write(tmp_path / "digit.png", f"{label}/{index}.png")
    (tmp_path / "digit.png").unlink()
    quick = FineTuning(iterations=4, batch_size=32, tuned_shares=(0.25,))
    tuning = partial(study.TuningConfig, learning=quick, foreign_sets=())
    monkeypatch.setattr(study, "TuningConfig", tuning)
    monkeypatch.setattr(studies, "MAX_LOSS_POINTS", 100)
    monkeypatch.chdir(tmp_path)
    return tmp_path


TUNE = ("tune", "run", "--data", "corrections.zip", "--threads", 1, "--out", "new")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_bundle_reads_and_can_be_tuned_again(here: Path, tenfold: Tenfold) -> None:
    ended = tenfold(*TUNE)
    assert ended.code == 0, ended.err
    for words in ("corrections, in 2 folds", "synthetic/test", "1,000", "--model new"):
        assert words in ended.out
    assert names(here) == ["corrections.zip", "new", "run"]
    assert names(here / "new") == sorted([*names(here / "run" / "bundle"), "recipe.toml"])
    answer = TestClient(create_app(Settings(model="new"))).get("/v1/model").json()
    assert answer["name"] == Reader.load("new").classifier.config.name == "smoke"
    assert "Tuned to 20 corrections" in answer["card"]
    again = tenfold("tune", "new", *TUNE[2:-1], "newer", "--json")
    assert again.code == 0, again.err
    result = json.loads(again.out)
    assert (result["written"], result["out"], result["data"]["images"]) == (True, "newer", 20)
    assert (here / "newer" / "card.md").read_text().count("Tuned to 20 corrections") == 2


def test_a_bundle_of_a_recipe_of_one_s_own_can_be_tuned_again(here: Path, tenfold: Tenfold) -> None:
    config = here / "run" / "bundle" / "bundle.json"
    config.write_text(config.read_text().replace('"recipe": "smoke"', '"recipe": "mine"'))
    assert tenfold(*TUNE).code == 0
    again = tenfold("tune", "new", *TUNE[2:-1], "newer")
    assert again.code == 0, again.err


@pytest.mark.usefixtures("here")
def test_each_correction_counts_once(tenfold: Tenfold) -> None:
    ended = tenfold(*TUNE, "--data", "corrections.zip", "--json")
    assert ended.code == 0, ended.err
    assert ended.err.startswith("tenfold: copies of corrections, which are left out: 20\n")
    assert json.loads(ended.out)["data"]["images"] == 20


def test_what_cannot_be_written_is_not_said_to_be(
    here: Path, tenfold: Tenfold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def occupied(*_: object) -> list[BeforeAndAfter]:
        (here / "new").mkdir()
        (here / "new" / "mine").write_text("")
        return []

    monkeypatch.setattr(study, "_compare_pictures", occupied)
    ended = tenfold(*TUNE, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith("tenfold: --out new: cannot be written")


def test_a_bundle_that_lost_too_much_is_not_written_unless_forced(
    here: Path, tenfold: Tenfold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "MAX_LOSS_POINTS", -101)  # to have won everything is too little
    ended = tenfold(*TUNE, "--json")
    assert ended.code == 2
    assert json.loads(ended.out)["written"] is False
    *stages, line = ended.err.splitlines()
    assert stages == ["rendering", "training", "measuring", "reading pictures"]
    assert line.startswith("tenfold: --out new: not written: lost ")
    assert line.endswith(" points on synthetic/test; --force writes it")
    assert names(here) == ["corrections.zip", "run"]
    assert tenfold(*TUNE, "--force").code == 0
    assert names(here) == ["corrections.zip", "new", "run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--data", "none.zip", "--out", "new"], "none.zip: cannot be read (No such file"),
        (["run", "--data", "none", "--out", "new"], "none: no such data set or folder"),
        (
            ["run", "--data", "synthetic", "--out", "new"],
            "synthetic_digits(6000, 1): corr",
        ),
        (["none", "--data", "corrections.zip", "--out", "new"], "none/bundle.json: cannot be read"),
        (["run", "--data", "corrections.zip", "--out", "run"], "--out run: is not an empty folder"),
        (
            ["run", "--data", "corrections.zip", "--out", "run/bundle/a/b"],
            "--out run/bundle/a/b: lies in the",
        ),
        (["run/bundle", "--data", "corrections.zip", "--out", "new"], ""),
    ],
    ids=["zip", "folder", "too many", "bundle", "taken", "inside", "recipe"],
)
def test_what_cannot_be_used_is_one_line(
    arguments: list[str], message: str, here: Path, tenfold: Tenfold
) -> None:
    if not message:
        config = here / "run" / "bundle" / "bundle.json"
        config.write_text(config.read_text().replace('"recipe": "smoke"', '"recipe": "mine"'))
        message = "run/bundle/bundle.json: facts.recipe: mine is no shipped recipe; name the run"
    before = sorted(here.rglob("*"))
    ended = tenfold("tune", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith(f"tenfold: {message}")
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGINT, (130, "stopped; nothing was written\n")), (signal.SIGTERM, (143, ""))],
)
def test_a_signal_leaves_nothing(
    number: int,
    end: tuple[int, str],
    here: Path,
    tenfold: Tenfold,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        assert len(names(here)) == 3  # what is being written has a hidden folder of its own
        signal.raise_signal(number)

    monkeypatch.setattr(study, "_compare_digits", interrupted)
    ended = tenfold(*TUNE)
    said = ended.err.removeprefix("rendering\ntraining\nmeasuring\n")
    assert (ended.code, said, ended.out) == (*end, "")
    assert names(here) == ["corrections.zip", "run"]
