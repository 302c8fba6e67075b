"""The fields of a page: what stands in each, with alternatives and probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tenfold.arrays import Grey
from tenfold.bundle.detector_runtime import Detections
from tenfold.forms.atlas import BoxPicture, arrange, crop_box, in_box
from tenfold.forms.reference import ReferencePage
from tenfold.forms.registration import RegisteredPage
from tenfold.forms.review_folder import TICKED, UNTICKED
from tenfold.forms.strokes import (
    Mask,
    stroke_length,
    strokes,
    strokes_beside,
    ticked_probability,
)
from tenfold.forms.template import Cell, Template
from tenfold.forms.values import EMPTY, Candidate, merged, under_rules, value_of
from tenfold.reading.classification import crop_detection
from tenfold.reading.components import box_in_picture
from tenfold.reading.hypotheses import Hypothesis
from tenfold.reading.number_reader import (
    MAX_CONSTRAINED_HYPOTHESES,
    NumberReader,
    calibrated,
)

STROKES = "strokes"  # which belong to no digit


@dataclass(frozen=True, kw_only=True)
class FieldReaderConfig:
    """How boxes are looked at.

    Attributes:
        box_height_px: of a box in the picture that the detector sees: digits fill two thirds of it.
        margin_mm: around a box.
        atlas_px: greatest width and height of a picture in which boxes lie side by side; a larger
            one would be looked at in a smaller size.
        gap_px: between the boxes of such a picture.
        slack: by which a box is larger than printed, as a share of its height.
        max_print_strokes: of print on the form, the share of its box with pen strokes.
        max_stroke_length: of a digit, in its heights; what is crossed out has more.
        max_strokes_beside: area in squares of the box's height; more is no stray dot.
        max_strokes_if_empty: the same in an empty box.
        min_hypothesis: least probability of a way to read a field that is looked at.
        unsure_probability: of all values of a field together if there are more strokes, at most.
    """

    box_height_px: float = 44.0
    margin_mm: float = 1.2
    atlas_px: tuple[int, int] = (1000, 1500)
    gap_px: int = 16
    slack: float = 0.06
    max_print_strokes: float = 0.03
    max_stroke_length: float = 3.4
    max_strokes_beside: float = 0.04
    max_strokes_if_empty: float = 0.02
    min_hypothesis: float = 1e-7
    unsure_probability: float = 0.5


CONFIG = FieldReaderConfig()


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read in a field, or a cell of a grid.

    Attributes:
        cell: the field.
        candidates: what it may say, the most probable first; at least one.
        reason: why it needs review whatever its probability; "" if nothing does.
        picture: of its box; None if its page is missing.
        detections: of digits and marks in the picture.
    """

    cell: Cell
    candidates: tuple[Candidate, ...]
    reason: str = ""
    picture: BoxPicture | None = None
    detections: Detections | None = None

    @property
    def best(self) -> Candidate:
        """The most probable value."""
        return self.candidates[0]

    def needs_review(self, min_probability: float) -> bool:
        """Return whether a person should look at it."""
        best = self.best
        return bool(self.reason or best.broken) or best.probability < min_probability

    def under(self, probabilities: dict[str, float], broken: str = "") -> "Reading":
        """Return it with other probabilities, by value, and a rule that the best breaks."""
        changed = (replace(c, probability=probabilities.get(c.value, 0.0)) for c in self.candidates)
        best, *others = sorted(changed, key=lambda c: -c.probability)
        best = replace(best, broken=best.broken or broken)
        return replace(self, candidates=(best, *others))


class FieldReader:
    """Reads the fields of straightened pages.

    Args:
        reader: finds and classifies digits.
        template: of the form.
        pages: the form's pages.
    """

    def __init__(
        self, reader: NumberReader, template: Template, pages: Sequence[ReferencePage]
    ) -> None:
        self.reader = reader
        self._cells = {
            page.number: [cell for cell in template.cells if cell.field.page == page.number]
            for page in pages
        }
        self._blanks: dict[int, list[BoxPicture]] = {}
        for page in pages:
            if page.blank is not None:
                scale = page.blank.shape[1] / page.size.width_mm
                self._blanks[page.number] = self._pictures(page.number, page.blank, scale)

    def read(self, page: RegisteredPage) -> list[Reading]:
        """Return the readings of the fields of a page, in the template's order."""
        number = page.number
        cells = self._cells[number]
        pictures = self._pictures(number, page.grey, page.px_per_mm)
        blanks: Sequence[BoxPicture | None] = self._blanks.get(number) or [None] * len(cells)
        detections = self._detected(number, pictures)
        places = [k for k, cell in enumerate(cells) if cell.field.kind != "mark"]
        written = {k: strokes(pictures[k], blanks[k]) for k in places}
        if number in self._blanks:
            for k in places:
                detections[k] = self._written_by_hand(detections[k], written[k])
        texts = self.reader.texts(
            [(detections[k], pictures[k].grey) for k in places],
            MAX_CONSTRAINED_HYPOTHESES,
            CONFIG.min_hypothesis,
        )
        texts_of = dict(zip(places, texts, strict=True))
        readings = []
        for k, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
            if k not in texts_of:
                readings.append(self._ticked(cell, picture, blanks[k]))
                continue
            candidates = self._candidates(cell, texts_of[k], point_printed=blanks[k] is not None)
            reading = Reading(cell, candidates, "", picture, detections[k])
            readings.append(self._with_strokes(reading, written[k]))
        return [self._beside_crossed_out(reading, readings) for reading in readings]

    def _beside_crossed_out(self, reading: Reading, readings: Sequence[Reading]) -> Reading:
        """Return a reading that needs review if it may belong to a field that is crossed out.

        What replaces such a field is often written above it, and that may be another field.
        """
        if reading.reason or reading.best.value in {EMPTY, UNTICKED}:
            return reading
        left, top, width, height = reading.cell.box
        for other in readings:
            x, y, w, h = other.cell.box
            is_above = left < x + w and x < left + width and top < y < top + height + h
            if other.reason == STROKES and is_above:
                return replace(reading, reason=f"beside {other.cell.name}, which is crossed out")
        return reading

    def _pictures(self, number: int, grey: Grey, px_per_mm: float) -> list[BoxPicture]:
        return [
            crop_box(grey, px_per_mm, cell.box, CONFIG.margin_mm, CONFIG.box_height_px)
            for cell in self._cells[number]
        ]

    def _detected(self, number: int, pictures: Sequence[BoxPicture]) -> dict[int, Detections]:
        """Return the digits and marks in each box of writing, in the pixels of its picture."""
        places = [k for k, c in enumerate(self._cells[number]) if c.field.kind != "mark"]
        detections: dict[int, Detections] = {}
        left = iter(places)
        for atlas, corners in arrange(
            [pictures[k].grey for k in places], CONFIG.atlas_px, CONFIG.gap_px
        ):
            found = self.reader.detect(atlas)
            for corner, k in zip(corners, left, strict=False):
                box = pictures[k].box
                inside = in_box(found, corner, box, CONFIG.slack * CONFIG.box_height_px)
                here = found.of(inside)
                offset = np.array([*corner, 0, 0], np.float32)
                detections[k] = here._replace(boxes=here.boxes - offset)
        return detections

    def _written_by_hand(self, found: Detections, written: Mask) -> Detections:
        """Return the detections in whose boxes are pen strokes: the others are print."""
        boxes = [box_in_picture(box, written.shape) for box in found.boxes.tolist()]
        shares = np.array([written[t:b, l:r].mean() for l, t, r, b in boxes])  # noqa: E741
        return found.of(shares > CONFIG.max_print_strokes)

    def _ticked(self, cell: Cell, picture: BoxPicture, blank: BoxPicture | None) -> Reading:
        ticked = ticked_probability(picture, blank)
        candidates = [Candidate(TICKED, ticked), Candidate(UNTICKED, 1 - ticked)]
        best_first = sorted(candidates, key=lambda candidate: -candidate.probability)
        return Reading(cell, tuple(best_first), picture=picture)

    def _candidates(
        self, cell: Cell, texts: Sequence[Hypothesis], *, point_printed: bool
    ) -> tuple[Candidate, ...]:
        """Return what a field may say, given its texts, the most probable first."""
        candidates: list[Candidate] = []
        for tried in texts:
            p = math.exp(tried.log_probability)
            if candidates and p < CONFIG.min_hypothesis:
                break
            value, broken = value_of(tried.text, cell.field, point_printed=point_printed)
            candidates.append(Candidate(value, p, broken, tried.detections))
        return under_rules(self._calibrated(merged(candidates)))

    def _calibrated(self, candidates: list[Candidate]) -> list[Candidate]:
        """Return candidates of which the best has the calibrated probability, as numbers have."""
        best = max(candidates, key=lambda c: c.probability)
        p = calibrated(best.probability, self.reader.config.calibration)
        others = (1 - p) / max(1 - best.probability, 1e-9)
        return [
            replace(c, probability=p if c is best else c.probability * others) for c in candidates
        ]

    def _with_strokes(self, reading: Reading, written: Mask) -> Reading:
        """Return a reading that is unsure if there are strokes which belong to no digit."""
        if reading.picture is None or reading.detections is None:
            return reading
        boxes = reading.detections.boxes[list(reading.best.detections)].tolist()
        area = strokes_beside(written, boxes, CONFIG.box_height_px)
        if reading.best.value == EMPTY:
            is_usual = area <= CONFIG.max_strokes_if_empty
        else:
            heights = sum(box[3] for box in boxes)
            is_usual = area <= CONFIG.max_strokes_beside
            is_usual &= stroke_length(written) <= CONFIG.max_stroke_length * heights
        if is_usual:
            return reading
        total = sum(c.probability for c in reading.candidates)
        factor = min(1.0, CONFIG.unsure_probability / total)
        less = {c.value: c.probability * factor for c in reading.candidates}
        return replace(reading.under(less), reason=STROKES)

    def digit_images(self, reading: Reading) -> Grey | None:
        """Return the digits of the best value as the classifier sees them: uint8[28, 28 * n]."""
        best, picture, found = reading.best, reading.picture, reading.detections
        if picture is None or found is None:
            return None
        config = self.reader.config.classification
        is_digit = found.is_digit
        images = [
            crop_detection(found.boxes[k], picture.grey, config)
            for k in best.detections
            if is_digit[k]
        ]
        return np.concatenate(images, axis=1) if images else None
