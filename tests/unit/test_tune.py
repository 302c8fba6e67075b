"""Tuning a bundle: what is written, what is measured, what is refused."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_bundles import made_network
from PIL import Image

from tenfold.artifacts.studies import TuningResult
from tenfold.bundle.format import (
    SHIPPED,
    BundleConfig,
    BundleFacts,
    DetectorFacts,
    read_card,
    read_config,
    read_network,
)
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.save import add_network, recalibrate_bundle, save_bundle
from tenfold.data.corrections import Corrections
from tenfold.data.digits import Digits, synthetic_digits
from tenfold.data.pictures import Pictures
from tenfold.errors import DataError
from tenfold.model.config import NetworkConfig
from tenfold.reading.reader import Reader
from tenfold.studies import tune as module
from tenfold.studies.tune import TuningConfig, deal_folds, tune
from tenfold.training.fine_tuning import FineTuning

ITERATIONS = 3
QUICK = TuningConfig(
    learning=FineTuning(iterations=ITERATIONS, batch_size=32, tuned_shares=(0.25,)),
    foreign_sets=("drawn", "no such set"),
)
NETWORK = NetworkConfig(widths=(4, 8), fully_connected=(16,), normalisation="batch")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle of two small networks that nobody trained, with the shipped detector."""
    folder = tmp_path_factory.mktemp("tune") / "bundle"
    config = BundleConfig(
        name="small",
        members=(NETWORK, NETWORK),
        temperature=0.7,
        rejection_threshold=0.6,
        facts=BundleFacts(recipe="smoke", seed=0, data="synthetic"),
    )
    save_bundle(
        folder, config, [made_network(NETWORK, s).state_dict() for s in (0, 1)], "# small\n"
    )
    detector = read_network(SHIPPED, DetectorFacts)
    assert detector
    add_network(folder, *detector)
    return folder


@pytest.fixture(scope="module")
def corrections() -> Digits:
    return synthetic_digits(20, seed=9)


@pytest.fixture(scope="module")
def tuned(
    bundle: Path, corrections: Digits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TuningResult, list[tuple[str, int, int]]]:
    """Tune that bundle."""
    folder = tmp_path_factory.mktemp("tuned")
    progress: list[tuple[str, int, int]] = []
    config = TuningConfig(
        learning=QUICK.learning, foreign_sets=QUICK.foreign_sets, seed=4, threads=1
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_pictures", load_drawn)
        result = tune(bundle, corrections, folder, config, lambda *step: progress.append(step))
    return folder, result, progress


def load_drawn(name: str) -> Pictures:
    """Make the one set of pictures that there is."""
    if name != "drawn":
        raise DataError(f"{name}: no such set")
    digits = synthetic_digits(40, seed=6)
    labels = tuple(map(str, digits.labels.tolist()))
    return Pictures(tuple(digits.images.numpy()), labels, name, "", "single")


def right(folder: Path, digits: Digits) -> int:
    found = OnnxClassifier.load(folder).probabilities(digits.images.numpy()).argmax(axis=1)
    return int((found == digits.labels.numpy()).sum())


def test_only_the_networks_and_the_card_change(
    tuned: tuple[Path, TuningResult, object], bundle: Path
) -> None:
    folder, result, _ = tuned
    before, after = read_config(bundle), read_config(folder)
    changed = {"model_sha256", "weights_sha256"}
    assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    assert after.model_sha256 != before.model_sha256
    assert (folder / "detector.onnx").read_bytes() == (bundle / "detector.onnx").read_bytes()
    sha256 = hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()
    assert result.bundle_sha256 == sha256
    card = read_card(folder)
    assert card.startswith(read_card(bundle).rstrip())
    assert "Tuned to 20 corrections with seed 4" in card
    assert sha256 in card


def test_what_is_measured_is_what_the_files_read(
    tuned: tuple[Path, TuningResult, object], bundle: Path, corrections: Digits
) -> None:
    folder, result, _ = tuned
    assert (result.data.images, result.data.sha256) == (20, corrections.sha256)
    assert result.corrections.before == right(bundle, corrections)
    test = synthetic_digits(1_000, 2)
    assert result.test_images.pictures == 1_000
    assert result.test_images.before == right(bundle, test)
    assert result.test_images.after == right(folder, test)
    (foreign,) = result.foreign_sets  # the set that cannot be had is left out
    assert (foreign.name, foreign.pictures) == ("drawn", 40)
    pictures = list(load_drawn("drawn").pictures)
    for path, counted in ((bundle, foreign.before), (folder, foreign.after)):
        pages = Reader.load(path).read_all(pictures, "single")
        assert counted == sum(
            [number.value for number in page.numbers] == [label]
            for page, label in zip(pages, load_drawn("drawn").labels, strict=True)
        )
    assert result.foreign
    assert result.foreign.points == foreign.points


def test_progress_ends_where_it_was_said_to(
    tuned: tuple[object, object, list[tuple[str, int, int]]],
) -> None:
    training = [step for step in tuned[2] if step[0] == "training"]
    total = ITERATIONS * 2 * 3  # iterations, networks, two folds and all corrections
    assert training == [("training", done, total) for done in range(1, total + 1)]


def test_the_seed_decides_the_bytes(
    tuned: tuple[Path, object, object],
    bundle: Path,
    corrections: Digits,
    tmp_path: Path,
) -> None:
    config = {"learning": QUICK.learning, "foreign_sets": (), "threads": 1}
    for seed, same in ((4, True), (5, False)):
        folder = tmp_path / str(seed)
        tune(bundle, corrections, folder, TuningConfig(seed=seed, **config))  # type: ignore[arg-type]
        equal = (folder / "model.onnx").read_bytes() == (tuned[0] / "model.onnx").read_bytes()
        assert equal is same


def test_a_correction_is_judged_by_networks_that_never_saw_it(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = synthetic_digits(23, seed=3)
    learned: list[set[bytes]] = []

    def remember(network: object, corrections: Digits, *_: object, **_more: object) -> object:
        learned.append({image.numpy().tobytes() for image in corrections.images})
        return network

    monkeypatch.setattr(module, "fine_tune", remember)
    config = TuningConfig(foreign_sets=(), threads=1)
    result = tune(bundle, digits, tmp_path / "new", config)
    every = {image.numpy().tobytes() for image in digits.images}
    folds, everything = learned[0:4:2], learned[-1]
    assert everything == every
    held_out = [every - seen for seen in folds]
    assert set.union(*held_out) == every
    assert sum(map(len, held_out)) == len(every)  # each is held out once
    assert result.corrections.after == result.corrections.before  # nothing was learned


def test_a_non_digit_is_right_if_it_is_not_accepted(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fine_tune", lambda network, *_, **__: network)
    digits = synthetic_digits(200, seed=3)
    probabilities = OnnxClassifier.load(bundle).probabilities(digits.images.numpy())
    least = float(np.quantile(probabilities.max(axis=1), 0.3))
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    recalibrate_bundle(folder, temperature=0.7, rejection_threshold=least)
    labels = torch.where(torch.arange(200) < 100, -1, digits.labels)
    corrections = Corrections(digits.images, labels, "c", "")
    config = TuningConfig(foreign_sets=(), threads=1)
    result = tune(folder, corrections, tmp_path / "new", config)
    rejected = int((probabilities[:100].max(axis=1) < least).sum())
    right = int((probabilities[100:].argmax(axis=1) == labels[100:].numpy()).sum())
    assert 0 < rejected < 100
    assert result.corrections.before == result.corrections.after == rejected + right


@pytest.mark.processes
def test_with_more_threads_sets_of_pictures_are_read_at_the_same_time(
    bundle: Path, corrections: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fine_tune", lambda network, *_, **__: network)
    names = []
    for index in range(2):
        folder = tmp_path / str(index) / "3"
        folder.mkdir(parents=True)
        Image.fromarray(corrections.images[index].numpy()).save(folder / "a.png")
        names.append(str(folder.parent))
    names.append("no such set")
    folders = [tmp_path / "one", tmp_path / "two"]
    results = [
        tune(bundle, corrections, folder, TuningConfig(foreign_sets=names, threads=threads))
        for threads, folder in enumerate(folders, 1)
    ]
    assert [each.name for each in results[0].foreign_sets] == names[:2]
    assert results[1].foreign_sets == results[0].foreign_sets


@pytest.mark.parametrize("n", [3, 20, 41])
def test_folds_are_even_in_all_and_in_each_digit(n: int) -> None:
    labels = synthetic_digits(n, seed=1).labels
    fold = deal_folds(labels, 3, seed=0)
    for chosen in (fold, *(fold[labels == digit] for digit in range(10))):
        counts = np.bincount(chosen.numpy(), minlength=3)
        assert counts.max() - counts.min() <= 1
    assert not torch.equal(fold, deal_folds(labels, 3, seed=1)) or n == 3


@pytest.mark.parametrize(("n", "message"), [(1, "corrections: 1; give 2"), (11, "corrections: 11")])
def test_too_few_or_too_many_corrections_are_refused(
    n: int, message: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CORRECTIONS", 10)
    with pytest.raises(DataError, match=message):
        tune(bundle, synthetic_digits(n, 0), tmp_path / "new", QUICK)
    assert not (tmp_path / "new").exists()
