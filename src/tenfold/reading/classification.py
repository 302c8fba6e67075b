"""Several networks judge the same digit: their probabilities are combined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.mnist import CLASSES, SIDE
from tenfold.data.normalization import normalize_digit
from tenfold.model.crop_config import CROP_PX, NO_DIGIT
from tenfold.reading.components import box_in_picture
from tenfold.reading.foreground import downscale, find_foreground
from tenfold.reading.isolation import isolate_digit
from tenfold.reading.line_crop import crop_boxes


@dataclass(frozen=True)
class ClassificationConfig:
    """How the classifiers' probabilities of a digit change the detector's.

    Attributes:
        detector_weight: exponent of the detector's probabilities.
        crop_weight: exponent of those of the crop classifier.
        digit_weight: exponent of those of the classifier of single digits.
        objectness_weight: exponent of the crop classifier's probability that there is a digit, with
            which the detector's is multiplied.
        floor: added to each of a classifier's probabilities of a digit: it excludes none. Also the
            least probability that there is a digit.
        margin: around a detection's box on the left and right, and above and below, as a share of
            the box's longer side, for the classifier of single digits.
        max_side_px: a larger crop is scaled down before its foreground is found.
        min_digit_probability: of a detection that is classified: that it is a digit, not a mark.
        sure_probability: of a digit, if it is one, that the classifiers need not see.
    """

    detector_weight: float = 0.4
    crop_weight: float = 0.7
    digit_weight: float = 0.2
    objectness_weight: float = 0.2
    floor: float = 1e-3
    margin: tuple[float, float] = (0.06, 0.12)
    max_side_px: int = 36
    min_digit_probability: float = 0.5
    sure_probability: float = 0.99


@dataclass(frozen=True)
class SingleDigitConfig:
    """How the crop classifier takes part in what a picture of one digit is.

    Attributes:
        digit_weight: exponent of the probabilities of the classifier of single digits.
        crop_weight: exponent of those of the crop classifier.
        objectness_weight: exponent of its probability that there is a digit, with which the others
            are multiplied.
        floor: added to its probabilities of a digit: it excludes none. Also the least probability
            that there is a digit.
        sure_probability: of a digit that the crop classifier need not see.
    """

    digit_weight: float = 0.8
    crop_weight: float = 0.2
    objectness_weight: float = 0.1
    floor: float = 1e-3
    sure_probability: float = 0.99


def are_doubtful(
    probabilities: Floats, config: SingleDigitConfig = SingleDigitConfig()
) -> npt.NDArray[np.bool_]:
    """Return which pictures of one digit the crop classifier judges, bool[n].

    Args:
        probabilities: float32[n, 10], of the classifier of single digits.
        config: says what is sure.
    """
    doubtful: npt.NDArray[np.bool_] = probabilities.max(axis=1, initial=0) < config.sure_probability
    return doubtful


def judge_singles(
    crop_classifier: OnnxCropClassifier,
    images: Pixels,
    probabilities: Floats,
    config: SingleDigitConfig = SingleDigitConfig(),
) -> Floats:
    """Combine the probabilities of pictures of one digit with the crop classifier's.

    p(digit) is proportional to p_single(digit) ** digit_weight times
    (p_crop(digit) + floor) ** crop_weight. The ten add up to
    max(1 - p_crop(no digit), floor) ** objectness_weight. The crop classifier is not asked about a
    sure digit.

    Args:
        crop_classifier: sees the images dark on light, in a wider frame.
        images: uint8[n, 28, 28], as MNIST has digits.
        probabilities: float32[n, 10], of the classifier of single digits.
        config: of the combination.

    Returns:
        float32[n, 10].
    """
    doubtful = are_doubtful(probabilities, config)
    margin = (CROP_PX - SIDE) // 2
    crops = np.pad(images[doubtful], ((0, 0), (margin, margin), (margin, margin)), "edge")
    of_crops, exists = _digit_or_none(crop_classifier.probabilities(255 - crops), config.floor)
    judged = probabilities.copy()
    own = probabilities[doubtful], config.digit_weight
    combined = _combined(own, [(of_crops, config.crop_weight)], config.floor)
    judged[doubtful] = combined * exists[:, None] ** config.objectness_weight
    return judged


def classify_detections(
    classifier: OnnxClassifier,
    crop_classifier: OnnxCropClassifier | None,
    found: Detections,
    grey: Pixels,
    config: ClassificationConfig = ClassificationConfig(),
) -> Detections:
    """Combine the detector's probabilities of the ten digits with those of two classifiers.

    p(digit) is proportional to the product of p_detector(digit) ** detector_weight,
    (p_crop(digit) + floor) ** crop_weight and (p_single(digit) + floor) ** digit_weight. How
    probable it is that a detection is a digit, and not a mark, stays as it is. The objectness is
    multiplied by max(1 - p_crop(no digit), floor) ** objectness_weight. The classifiers are not
    asked about a sure digit: asking takes longer. There the detector stands in for them.

    Args:
        classifier: of single digits; sees each alone. All are classified in one call. If nothing
            in a detection's box stands out from the paper, it has no say.
        crop_classifier: sees each with its surroundings; without one, the detector stands in.
        found: in the picture `grey`.
        grey: uint8[h, w].
        config: of the combination.

    Returns:
        the same detections with other `classes` and `objectness`.
    """
    all_shares = found.classes[:, :CLASSES].sum(axis=1, keepdims=True)
    is_digit = all_shares[:, 0] >= config.min_digit_probability
    share, boxes = all_shares[is_digit], found.boxes[is_digit]
    of_detector = found.classes[is_digit, :CLASSES] / share
    of_crops, of_singles = of_detector.copy(), of_detector.copy()
    exists = np.ones(len(share), np.float32)
    doubtful = of_detector.max(axis=1, initial=0) < config.sure_probability
    of_singles[doubtful] = _single_probabilities(classifier, boxes[doubtful], grey, config)
    if crop_classifier is not None:
        judged = crop_classifier.probabilities(crop_boxes(grey, boxes[doubtful]))
        of_crops[doubtful], exists[doubtful] = _digit_or_none(judged, config.floor)
    others = ((of_crops, config.crop_weight), (of_singles, config.digit_weight))
    combined = _combined((of_detector, config.detector_weight), others, config.floor)
    classes, objectness = found.classes.copy(), found.objectness.copy()
    classes[is_digit, :CLASSES] = share * combined
    objectness[is_digit] *= exists**config.objectness_weight
    return found._replace(classes=classes, objectness=objectness)


def _digit_or_none(judged: Floats, floor: float) -> tuple[Floats, Floats]:
    """Split what the crop classifier says: float32[n, 10] of the digits, [n] that there is one."""
    return judged[:, :CLASSES], np.maximum(1 - judged[:, NO_DIGIT], floor)


def _combined(
    first: tuple[Floats, float], others: Sequence[tuple[Floats, float]], floor: float
) -> Floats:
    """Return the product of probabilities float32[n, 10], each with its exponent, rescaled to 1.

    The floor is added to all but the first.
    """
    product = first[0] ** first[1]
    for probabilities, weight in others:
        product = product * (probabilities + floor) ** weight
    return np.asarray(product / product.sum(axis=1, keepdims=True), np.float32)


def _single_probabilities(
    classifier: OnnxClassifier, boxes: Floats, grey: Pixels, config: ClassificationConfig
) -> Floats:
    """Return what the classifier of single digits says, float32[n, 10].

    Of what is blank it knows nothing.
    """
    if not len(boxes):
        return np.empty((0, CLASSES), np.float32)
    images = np.stack([crop_detection(box, grey, config) for box in boxes])
    opinion = classifier.probabilities(images)
    opinion[~images.any(axis=(1, 2))] = 1 / CLASSES
    return opinion


def crop_detection(box: Floats, grey: Pixels, config: ClassificationConfig) -> Pixels:
    """Return the digit in a box as MNIST has it, uint8[28, 28]; 0 where there is nothing.

    Args:
        box: float32[4], centre x, centre y, width, height.
        grey: the picture uint8[h, w].
        config: margin and size of the crop.
    """
    x, y, w, h = box.tolist()
    beside, above = (2 * share * max(w, h) for share in config.margin)
    left, top, right, bottom = box_in_picture((x, y, w + beside, h + above), grey.shape)
    small, _ = downscale(grey[top:bottom, left:right], config.max_side_px)
    return normalize_digit(isolate_digit(find_foreground(small)))
