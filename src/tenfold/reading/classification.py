"""The classifier of single digits takes part in deciding which digits the detector has found."""

from dataclasses import dataclass

import numpy as np

from tenfold.arrays import Floats, Pixels
from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.mnist import CLASSES
from tenfold.data.normalization import normalize_digit
from tenfold.reading.components import box_in_picture
from tenfold.reading.foreground import downscale, find_foreground
from tenfold.reading.isolation import isolate_digit


@dataclass(frozen=True)
class ClassificationConfig:
    """How the classifier's probabilities of a digit change the detector's.

    Attributes:
        weight: exponent of the classifier's probabilities; the detector's have 1.
        floor: added to each of the classifier's probabilities: it excludes no digit.
        margin: around a detection's box on the left and right, and above and below, as a share of
            the box's longer side.
        max_side_px: a larger crop is scaled down before its foreground is found.
        min_digit_probability: of a detection that is classified: that it is a digit, not a mark.
        sure_probability: of a digit, if it is one, that the classifier need not see.
    """

    weight: float = 0.4
    floor: float = 1e-3
    margin: tuple[float, float] = (0.06, 0.12)
    max_side_px: int = 36
    min_digit_probability: float = 0.5
    sure_probability: float = 0.98


def classify_detections(
    classifier: OnnxClassifier,
    found: Detections,
    grey: Pixels,
    config: ClassificationConfig = ClassificationConfig(),
) -> Detections:
    """Combine the detector's probabilities of the ten digits with the classifier's.

    p(digit) is proportional to p_detector(digit) · (p_classifier(digit) + floor) ** weight. How
    probable it is that a detection is a digit, and not a mark, stays as it is. The classifier is
    not asked about a sure digit, but taken to agree: asking takes twice as long, and reads no
    better. A detection in whose box nothing stands out from the paper stays as it is.

    Args:
        classifier: sees all digits in one call.
        found: in the picture `grey`.
        grey: uint8[h, w].
        config: of the combination.

    Returns:
        the same detections with other `classes`.
    """
    digits = found.classes[:, :CLASSES]
    best, share = digits.max(axis=1, initial=0), digits.sum(axis=1)
    is_digit = share >= config.min_digit_probability
    changed = is_digit & (best >= config.sure_probability * share)
    opinion = (digits == best[:, None]).astype(np.float32)
    doubtful = np.flatnonzero(is_digit & ~changed).tolist()
    images = {index: crop_detection(found.boxes[index], grey, config) for index in doubtful}
    if seen := [index for index, image in images.items() if image.any()]:
        opinion[seen] = classifier.probabilities(np.stack([images[index] for index in seen]))
        changed[seen] = True
    combined = digits[changed] * (opinion[changed] + config.floor) ** config.weight
    classes = found.classes.copy()
    classes[changed, :CLASSES] = combined * (share[changed] / combined.sum(axis=1))[:, None]
    return found._replace(classes=classes)


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
