"""What a row of detections says when it is read as a whole, by the line recogniser."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.bundle.detector_runtime import Detections
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.bundle.runtime import BATCH
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.reading.hypotheses import Hypothesis, rescaled
from tenfold.reading.line_crop import LineCropConfig, crop_line, line_of

_LABELS = {character: k + 1 for k, character in enumerate(DETECTED_CLASSES)}


@dataclass(frozen=True)
class LineReaderConfig:
    """How lines are read.

    Attributes:
        length_weight: exponent of how probable the recogniser finds texts of a length.
        text_weight: exponent of how probable it finds a text among those of its length: it counts
            better than it tells digits apart.
        floor: above 0, added to its probability of each text: it excludes none.
        max_log_ratio: of the best text's probability to that of a text about which the recogniser
            is asked: less probable ones stay improbable.
        max_texts: of a row, about which it is asked.
        crop: how lines are cropped.
    """

    length_weight: float = 1.0
    text_weight: float = 0.25
    floor: float = 1e-4
    max_log_ratio: float = 12.0
    max_texts: int = 200
    crop: LineCropConfig = field(default_factory=LineCropConfig)


def weigh_texts(
    recogniser: OnnxLineRecogniser,
    rows: Sequence[tuple[Detections, Grey]],
    texts: Sequence[list[Hypothesis]],
    config: LineReaderConfig = LineReaderConfig(),
) -> list[list[Hypothesis]]:
    """Return what rows of detections may say, with probabilities that count the recogniser's.

    p(text) is proportional to p_detector(text) · p(length) ** length_weight
    · p(text | length) ** text_weight, the last two as the recogniser finds them.

    Args:
        recogniser: sees all rows.
        rows: each in its picture uint8[h, w].
        texts: of each row, different ones, the most probable first. What their probabilities add up
            to stays the same: the others are left out.
        config: of the combination.
    """
    return [
        tried if steps is None else _weighed(tried, steps, config)
        for tried, steps in zip(texts, read_lines(recogniser, rows, config), strict=True)
    ]


def _weighed(tried: list[Hypothesis], steps: Floats, config: LineReaderConfig) -> list[Hypothesis]:
    before = np.array([h.log_probability for h in tried])
    asked = min(int((before > before[0] - config.max_log_ratio).sum()), config.max_texts)
    found = np.full(len(tried), config.floor)
    found[:asked] += text_probabilities(steps, [h.text for h in tried[:asked]])
    lengths = [len(h.text) for h in tried]
    of_length = np.bincount(lengths, found)[lengths]
    weighed = before + config.length_weight * np.log(of_length)
    weighed += config.text_weight * np.log(found / of_length)
    return rescaled(tried, weighed)


def read_lines(
    recogniser: OnnxLineRecogniser,
    rows: Sequence[tuple[Detections, Grey]],
    config: LineReaderConfig = LineReaderConfig(),
) -> list[Floats | None]:
    """Read rows of detections, each in its picture.

    Returns:
        for each row float32[t, 15], see `OnnxLineRecogniser`; None for one that is too long or has
        no detection.
    """
    crops: dict[int, Grey] = {}
    for place, (row, grey) in enumerate(rows):
        if not len(row.boxes):
            continue
        crop = crop_line(grey, line_of(row.boxes, row.is_digit, config.crop))
        if crop is not None:
            crops[place] = crop
    read: list[Floats | None] = [None] * len(rows)
    of_width: dict[int, list[int]] = {}  # nothing is widened: a row does not depend on others
    for place, crop in crops.items():
        of_width.setdefault(crop.shape[1], []).append(place)
    for same in of_width.values():
        for start in range(0, len(same), BATCH):
            places = same[start : start + BATCH]
            batch = np.stack([crops[place] for place in places])
            for place, steps in zip(places, recogniser.log_probabilities(batch), strict=True):
                read[place] = steps
    return read


def text_probabilities(steps: Floats, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the probability of each text, summed over all ways to emit it (Graves et al. 2006).

    Args:
        steps: float32[t, 15], log-probabilities of no character and of each character.
        texts: of `DETECTED_CLASSES`.

    Returns:
        float64[n].
    """
    longest = max(map(len, texts), default=0)
    symbols = np.zeros((2 * longest + 1, len(texts)), int)  # 0, no character, around each one
    for column, text in zip(symbols.T, texts, strict=True):
        column[1 : 2 * len(text) : 2] = [_LABELS[character] for character in text]
    may_skip = np.zeros(symbols.shape)
    may_skip[2:] = (symbols[2:] > 0) & (symbols[2:] != symbols[:-2])
    emitted = np.exp(steps.astype(np.float64))[:, symbols]
    forward = np.zeros((len(symbols) + 2, len(texts)))  # two more in front, which stay 0
    forward[2] = 1.0
    stayed, moved, skipped = forward[2:], forward[1:-1], forward[:-2]
    sums, products = np.empty((2, *symbols.shape))
    for step in emitted:  # an array of its own for each result would take most of the time
        np.add(stayed, moved, out=sums)
        sums += np.multiply(may_skip, skipped, out=products)
        np.multiply(sums, step, out=stayed)
    last, columns = 2 * np.array([len(text) for text in texts], int), np.arange(len(texts))
    return np.asarray(
        forward[last + 2, columns] + np.where(last > 0, forward[last + 1, columns], 0)
    )
