"""Two classifiers take part in deciding which digits the detector has found."""

from dataclasses import dataclass

import numpy as np

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.mnist import CLASSES
from tenfold.data.normalization import normalize_digit
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
        floor: added to each of a classifier's probabilities: it excludes no digit.
        margin: around a detection's box on the left and right, and above and below, as a share of
            the box's longer side, for the classifier of single digits.
        max_side_px: a larger crop is scaled down before its foreground is found.
        min_digit_probability: of a detection that is classified: that it is a digit, not a mark.
        sure_probability: of a digit, if it is one, that the classifiers need not see.
    """

    detector_weight: float = 0.4
    crop_weight: float = 0.7
    digit_weight: float = 0.2
    floor: float = 1e-3
    margin: tuple[float, float] = (0.06, 0.12)
    max_side_px: int = 36
    min_digit_probability: float = 0.5
    sure_probability: float = 0.995


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
    probable it is that a detection is a digit, and not a mark, stays as it is. The classifiers are
    not asked about a sure digit, but taken to agree: asking takes longer. If nothing in a
    detection's box stands out from the paper, the classifier of single digits has no say.

    Args:
        classifier: of single digits; sees each alone. All are classified in one call.
        crop_classifier: sees each with its surroundings; without one, the detector stands in.
        found: in the picture `grey`.
        grey: uint8[h, w].
        config: of the combination.

    Returns:
        the same detections with other `classes`.
    """
    digits = found.classes[:, :CLASSES]
    best, share = digits.max(axis=1, initial=0), digits.sum(axis=1)
    is_digit = share >= config.min_digit_probability
    doubtful = is_digit & (best < config.sure_probability * share)
    boxes = found.boxes[doubtful]
    of_crops = digits[doubtful] / share[doubtful, None]
    if crop_classifier is not None:
        of_crops = crop_classifier.probabilities(crop_boxes(grey, boxes))
    of_singles = _single_probabilities(classifier, boxes, grey, config)
    combined = digits**config.detector_weight
    for judged, weight in ((of_crops, config.crop_weight), (of_singles, config.digit_weight)):
        agreed = (digits == best[:, None]).astype(np.float32)
        agreed[doubtful] = judged
        combined *= (agreed + config.floor) ** weight
    scale = share[is_digit] / combined[is_digit].sum(axis=1)
    classes = found.classes.copy()
    classes[is_digit, :CLASSES] = combined[is_digit] * scale[:, None]
    return found._replace(classes=classes)


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
