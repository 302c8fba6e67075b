"""Inference by ONNX Runtime: batches, refused inputs, what it imports."""

import hashlib
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from made_bundles import noise, write_bundle

from tenfold.bundle import runtime
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import (
    BUNDLES,
    DetectorFacts,
    find_network,
    read_model,
    shipped_networks,
)
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.torch_bundle import Bundle
from tenfold.data.digits import Digits
from tenfold.errors import BundleError


def test_the_shipped_bundle_reads_as_it_does_in_torch(tiny_digits: Digits) -> None:
    bundle, classifier = Bundle.load(), OnnxClassifier.load()
    assert classifier.config == bundle.config
    images = tiny_digits.images[:40]
    found, expected = classifier.probabilities(images.numpy()), bundle.probabilities(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_only_constants_of_shipped_networks_are_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folding is a computation without limits; only what comes with the package is known."""
    own = write_bundle(tmp_path / "own")
    left_out: list[list[str]] = []
    open_session = onnxruntime.InferenceSession

    def session(model: bytes, options: Any, **given: Any) -> Any:
        left_out.append(given["disabled_optimizers"])
        return open_session(model, options, **given)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    OnnxClassifier.load("field")
    OnnxDetector(find_network("field", DetectorFacts)[2])
    OnnxClassifier.load(own)
    assert left_out == [[], [], ["ConstantFolding"]]
    for file in BUNDLES.glob("*/*.onnx"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in shipped_networks(), file


def test_an_image_is_read_alike_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, images = OnnxClassifier.load(), noise(11)
    whole = classifier.probabilities(images)
    monkeypatch.setattr(runtime, "BATCH", 4)
    for start, stop in pairwise((0, 1, 3, 3, 11)):
        part = classifier.probabilities(images[start:stop])
        np.testing.assert_allclose(part, whole[start:stop], atol=1e-6)


def test_no_images_have_no_probabilities() -> None:
    images = np.empty((0, 28, 28), np.uint8)
    assert OnnxClassifier.load().probabilities(images).shape == (0, 10)


def test_images_are_not_changed() -> None:
    images = noise(5)
    images.flags.writeable = False
    classifier = OnnxClassifier.load()
    first = classifier.probabilities(images)
    assert first.tobytes() == classifier.probabilities(images).tobytes()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 28, 28), np.float32), r"images are float32\[2, 28, 28\], not uint8\[n, 28"),
        (np.zeros((28, 28), np.uint8), r"images are uint8\[28, 28\], not"),
        (np.zeros((1, 28, 29), np.uint8), r"images are uint8\[1, 28, 29\], not"),
        (np.zeros((1, 28, 28, 1), np.uint8), r"images are uint8\[1, 28, 28, 1\], not"),
    ],
    ids=["floats", "one image", "too wide", "channels"],
)
def test_other_arrays_than_images_are_refused(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnnxClassifier.load().probabilities(images)


def test_reading_needs_no_extra() -> None:
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from tenfold.bundle.runtime import OnnxClassifier\n"
        "print(OnnxClassifier.load().probabilities(np.zeros((2, 28, 28), np.uint8)).shape)\n"
        "extras = ('torch', 'onnx', 'safetensors', 'scipy', 'PIL', 'requests')\n"
        "print([name for name in extras if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 10)\n[]\n"


def test_a_model_of_changed_bytes_is_read_or_is_a_bundle_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config, model = read_model(write_bundle(tmp_path))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 28, 28), np.uint8)
    refused = 0
    for _ in range(100):
        data = bytearray(model)
        position = int(rng.integers(len(data)))
        removed, added = rng.integers(0, 4, 2)
        data[position : position + removed] = bytes(rng.integers(0, 256, added, np.uint8))
        try:
            OnnxClassifier(config, bytes(data)).probabilities(images)
        except BundleError as error:
            assert "\n" not in str(error)  # noqa: PT017 - other mutations raise nothing
            refused += 1
    assert 0 < refused < 100
    assert capfd.readouterr() == ("", "")
