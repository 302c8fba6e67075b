"""What the classifiers make of detected digits: probabilities worked out by hand."""

import math
from typing import cast

import numpy as np
import pytest
from clear_digits import clear_digit, on_paper
from stub_network import EVEN, PAGE, CropStub, Stub, StubDetector, detections, surely

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.reading import classification
from tenfold.reading.classification import (
    ClassificationConfig,
    SingleDigitConfig,
    classify_detections,
    crop_detection,
    judge_singles,
)
from tenfold.reading.foreground import find_foreground
from tenfold.reading.number_reader import NumberReader

CONFIG = ClassificationConfig()
MINUS = DETECTED_CLASSES.index("-")


def page_with_digits(digit: int, *xs: int, side: int = 40) -> Pixels:
    """Draw a digit on paper, with its middle at each x and y = 100."""
    page = PAGE.copy()
    glyph = on_paper(clear_digit(digit, side), 0, 255)
    h, w = glyph.shape
    for x in xs:
        page[100 - h // 2 : 100 - h // 2 + h, x - w // 2 : x - w // 2 + w] = glyph
    return page


def classified(
    found: Detections,
    probabilities: list[float],
    config: ClassificationConfig = CONFIG,
    of_crops: list[float] | None = None,
) -> Detections:
    stub = cast("OnnxClassifier", Stub(probabilities))
    crops = cast("OnnxCropClassifier", CropStub(of_crops)) if of_crops else None
    return classify_detections(stub, crops, found, page_with_digits(3, 50, 150), config)


def some(**shares: float) -> list[float]:
    """Return probabilities of ten digits: `d3=0.7` is that of a 3, the others have 0."""
    return [shares.get(f"d{digit}", 0.0) for digit in range(10)]


def test_probabilities_are_multiplied_with_their_weights() -> None:
    found = detections((50, 0.9, {"3": 0.5, "8": 0.4, "-": 0.1}))
    config = ClassificationConfig(
        detector_weight=0.8, crop_weight=0.7, digit_weight=0.4, floor=0.001
    )
    result = classified(found, some(d3=0.7, d5=0.1, d8=0.2), config, some(d3=0.25, d8=0.75))
    three = math.exp(0.8 * math.log(0.5) + 0.7 * math.log(0.251) + 0.4 * math.log(0.701))
    eight = math.exp(0.8 * math.log(0.4) + 0.7 * math.log(0.751) + 0.4 * math.log(0.201))
    expected = np.zeros(len(DETECTED_CLASSES))
    expected[3], expected[8] = 0.9 * three / (three + eight), 0.9 * eight / (three + eight)
    expected[MINUS] = 0.1
    np.testing.assert_allclose(result.classes[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(result.objectness, found.objectness)
    np.testing.assert_array_equal(result.boxes, found.boxes)


def test_what_the_classifier_excludes_stays_possible() -> None:
    """A probability of 0 counts as the floor."""
    found = detections((50, 0.9, {"3": 0.5, "8": 0.5}))
    config = ClassificationConfig(detector_weight=1, crop_weight=0, digit_weight=0.5, floor=0.0081)
    result = classified(found, some(d8=1.0), config)
    against = math.sqrt(0.0081 / 1.0081)
    assert result.classes[0, 3] == pytest.approx(against / (1 + against), rel=1e-4)


def test_without_a_crop_classifier_the_detector_stands_in_for_it() -> None:
    found = detections((50, 0.9, {"3": 0.5, "8": 0.3, "-": 0.2}))
    config = ClassificationConfig(detector_weight=0.4, crop_weight=0.6, digit_weight=0, floor=0)
    result = classified(found, EVEN, config)
    np.testing.assert_allclose(result.classes, found.classes, rtol=1e-5)


@pytest.mark.parametrize(("weight", "opinion"), [(0.0, some(d0=1.0)), (0.4, EVEN)])
def test_without_weight_or_without_an_opinion_nothing_changes(
    weight: float, opinion: list[float]
) -> None:
    found = detections((50, 0.9, {"3": 0.6, "8": 0.3, ".": 0.1}))
    config = ClassificationConfig(detector_weight=1, digit_weight=weight, crop_weight=weight)
    result = classified(found, opinion, config, opinion)
    np.testing.assert_allclose(result.classes, found.classes, rtol=1e-5)


def test_what_the_crop_classifier_takes_for_no_digit_is_less_certain_to_be_there() -> None:
    found = detections((50, 0.9, {"3": 0.5, "8": 0.5}), (300, 0.8, {"1": 0.4, "/": 0.6}))
    config = ClassificationConfig(objectness_weight=0.5, floor=0.01)
    result = classified(found, EVEN, config, some(d3=0.08, d8=0.08))
    np.testing.assert_allclose(result.objectness, [0.9 * 0.4, 0.8], rtol=1e-5)
    np.testing.assert_allclose(result.classes, found.classes, rtol=1e-5)
    never = classified(found, EVEN, config, some())
    np.testing.assert_allclose(never.objectness, [0.9 * 0.1, 0.8], rtol=1e-5)


def test_the_detector_stands_in_for_the_classifiers_where_it_is_sure() -> None:
    stub, crops = Stub(EVEN), CropStub(EVEN)
    found = detections((50, 0.9, {"3": 0.98, "8": 0.015, ".": 0.005}))
    config = ClassificationConfig(
        detector_weight=1, digit_weight=0.3, crop_weight=0.2, floor=0.01, sure_probability=0.98
    )
    networks = cast("OnnxClassifier", stub), cast("OnnxCropClassifier", crops)
    result = classify_detections(*networks, found, PAGE, config)
    three, eight = 0.98 / 0.995, 0.015 / 0.995
    three, eight = three * math.sqrt(three + 0.01), eight * math.sqrt(eight + 0.01)
    expected = 0.995 * three / (three + eight)
    np.testing.assert_allclose(result.classes[0, [3, 8]], [expected, 0.995 - expected], rtol=1e-4)
    assert sum(stub.given) == sum(crops.given) == 0


def test_marks_and_blank_boxes_stay_as_they_are() -> None:
    found = detections(
        (50, 0.9, {"1": 0.45, "-": 0.55}),
        (300, 0.9, {"3": 0.4, "8": 0.6}),  # nothing is drawn there
        (150, 0.9, {"3": 0.5, "8": 0.5}),
    )
    config = ClassificationConfig(detector_weight=1, crop_weight=0, digit_weight=0.4)
    result = classified(found, some(d8=1.0), config)
    np.testing.assert_allclose(result.classes[:2], found.classes[:2], rtol=1e-6)
    assert result.classes[2, 8] > 0.9


def test_all_digits_are_classified_in_one_call() -> None:
    stub, crops = Stub(EVEN), CropStub(EVEN)
    networks = cast("OnnxClassifier", stub), cast("OnnxCropClassifier", crops)
    page = page_with_digits(3, 50, 150, 250)
    found = detections(*((x, 0.9, {"3": 0.6, "8": 0.4}) for x in (50, 150, 250)))
    found = found._replace(boxes=np.array([(x, 100, 26, 40) for x in (50, 150, 250)], np.float32))
    classify_detections(*networks, found, page)
    assert stub.given == crops.given == [3]
    classify_detections(*networks, surely(""), page)
    assert sum(stub.given) == sum(crops.given) == 3


@pytest.mark.parametrize(("three", "read"), [(0.45, "3"), (0.001, "8")])
def test_the_classifier_decides_a_doubt_but_does_not_overrule_certainty(
    three: float, read: str
) -> None:
    """A clear 3 is drawn; the detector takes it for an 8."""
    found = detections((50, 0.95, {"3": three, "8": 1 - three}), size=(26, 40))
    detector = cast("OnnxDetector", StubDetector(found))
    reader = NumberReader(detector, OnnxClassifier.load())
    (number,) = reader.read(page_with_digits(3, 50)).numbers
    assert number.value == read


def test_of_pictures_of_one_digit_the_crop_classifier_judges_the_doubtful_ones() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    probabilities = np.array([some(d3=0.6, d8=0.4), some(d1=0.95, d7=0.05), some(d3=1)], np.float32)
    stub = CropStub(some(d3=0.25, d8=0.5))
    config = SingleDigitConfig(
        digit_weight=0.8,
        crop_weight=0.5,
        objectness_weight=2,
        floor=0.001,
        sure_probability=0.95,
    )
    judged = judge_singles(cast("OnnxCropClassifier", stub), images, probabilities, config)
    three, eight = 0.6**0.8 * math.sqrt(0.251), 0.4**0.8 * math.sqrt(0.501)
    expected = 0.75**2 * np.array([three, eight]) / (three + eight)
    np.testing.assert_allclose(judged[0, [3, 8]], expected, rtol=1e-5)
    np.testing.assert_array_equal(judged[1:], probabilities[1:])
    np.testing.assert_array_equal(stub.seen[0, 2:30, 2:30], 255 - images[0])
    np.testing.assert_array_equal(stub.seen[0, 0, 2:30], 255 - images[0, 0])
    assert stub.given == [1]


def test_the_crop_is_the_digit_without_its_neighbour() -> None:
    page = page_with_digits(3, 150)
    alone = crop_detection(np.array([150, 100, 26, 40], np.float32), page, CONFIG)
    assert alone.shape == (28, 28)
    assert alone.dtype == np.uint8
    page[:, 168:172] = 0  # outside of the margin
    beside = crop_detection(np.array([150, 100, 26, 40], np.float32), page, CONFIG)
    np.testing.assert_array_equal(beside, alone)


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (-50, 100, 20, 30), (400, 200, 5000, 3), (200, 100, 400, 4000)]
)
def test_boxes_of_any_place_and_size_are_cropped(box: tuple[float, ...]) -> None:
    page = page_with_digits(3, 150)
    image = crop_detection(np.array(box, np.float32), page, CONFIG)
    assert image.shape == (28, 28)


def test_the_crop_of_a_large_digit_is_scaled_down(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(picture: Pixels) -> Floats:
        seen.append(picture.shape)
        return find_foreground(picture)

    monkeypatch.setattr(classification, "find_foreground", record)
    page = np.full((3000, 4000), 255, np.uint8)
    page[1000:2000, 1900:2000] = 0
    image = crop_detection(np.array([1950, 1500, 110, 1000], np.float32), page, CONFIG)
    assert image.any()
    assert max(seen[0]) == CONFIG.max_side_px
