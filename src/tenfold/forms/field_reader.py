"""The fields of a page: what stands in each, with alternatives and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tenfold.bundle.detector_runtime import Detections
from tenfold.forms.atlas import BoxPicture, arrange, crop_box, in_box
from tenfold.forms.corners import Grey
from tenfold.forms.reference import ReferencePage
from tenfold.forms.registration import RegisteredPage
from tenfold.forms.review_folder import TICKED, UNTICKED
from tenfold.forms.strokes import Mask, StrokeConfig, strokes, strokes_beside, ticked_probability
from tenfold.forms.template import Cell, Template
from tenfold.forms.values import EMPTY, Candidate, merged, under_rules, value_of
from tenfold.reading.classification import crop_detection
from tenfold.reading.components import box_in_picture
from tenfold.reading.number_reader import NumberReader, calibrated


@dataclass(frozen=True, kw_only=True)
class FieldReaderConfig:
    """How boxes are looked at.

    Attributes:
        box_height_px: of a box in the picture that the detector sees.
        margin_mm: around a box.
        atlas_width_px, gap_px: of the picture in which boxes lie side by side.
        slack: by which a box is larger than printed, as a share of its height.
        min_print_objectness: of what the detector finds on the blank form.
        max_print_strokes: of print on the filled form, the share of its box with pen strokes.
        print_distance: between centres, as a share of the box's height: what is nearer to print on
            the blank form is that print.
        print_size_ratio: of the larger to the smaller of the two, at most.
        max_strokes_beside: area in squares of the box's height; more is no stray dot.
        max_strokes_if_empty: the same in an empty box.
        unsure_probability: of a value if there are more strokes, at most.
        strokes: what counts as one.
    """

    box_height_px: float = 52.0
    margin_mm: float = 1.2
    atlas_width_px: int = 1000
    gap_px: int = 16
    slack: float = 0.06
    min_print_objectness: float = 0.3
    max_print_strokes: float = 0.03
    print_distance: float = 0.15
    print_size_ratio: float = 1.8
    max_strokes_beside: float = 0.04
    max_strokes_if_empty: float = 0.02
    unsure_probability: float = 0.5
    strokes: StrokeConfig = field(default_factory=StrokeConfig)


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
        config: sizes and thresholds.
    """

    def __init__(
        self,
        reader: NumberReader,
        template: Template,
        pages: Sequence[ReferencePage],
        config: FieldReaderConfig = FieldReaderConfig(),
    ) -> None:
        self.reader = reader
        self.template = template
        self.config = config
        self._cells = {
            page.number: [cell for cell in template.cells if cell.field.page == page.number]
            for page in pages
        }
        self._blanks: dict[int, list[BoxPicture]] = {}
        self._printed: dict[int, list[Detections]] = {}
        for page in pages:
            if page.blank is not None:
                scale = page.blank.shape[1] / page.size.width_mm
                blanks = self._pictures(page.number, page.blank, scale)
                self._blanks[page.number] = blanks
                self._printed[page.number] = [
                    found.of(found.objectness >= self.config.min_print_objectness)
                    for found in self._detected(page.number, blanks)
                ]

    def read(self, page: RegisteredPage) -> list[Reading]:
        """Return the readings of the fields of a page, in the template's order."""
        cells = self._cells[page.number]
        pictures = self._pictures(page.number, page.grey, page.px_per_mm)
        detections = self._detected(page.number, pictures)
        readings = []
        for k, (cell, picture, found) in enumerate(zip(cells, pictures, detections, strict=True)):
            blank = self._blanks[page.number][k] if page.number in self._blanks else None
            if cell.field.kind == "mark":
                readings.append(self._ticked(cell, picture, blank))
                continue
            written = strokes(picture, blank, self.config.strokes)
            if blank is not None:
                is_printed = self._is_printed(found, self._printed[page.number][k], written)
                found = found.of(~is_printed)  # noqa: PLW2901
            reading = self._written(cell, picture, found, point_printed=blank is not None)
            readings.append(self._with_strokes(reading, written))
        return readings

    def _pictures(self, number: int, grey: Grey, px_per_mm: float) -> list[BoxPicture]:
        config = self.config
        return [
            crop_box(grey, px_per_mm, cell.box, config.margin_mm, config.box_height_px)
            for cell in self._cells[number]
        ]

    def _detected(self, number: int, pictures: Sequence[BoxPicture]) -> list[Detections]:
        """Return the digits and marks in each box, in the pixels of its picture."""
        config = self.config
        places = [k for k, c in enumerate(self._cells[number]) if c.field.kind != "mark"]
        nothing = Detections(np.empty(0, np.float32), np.empty((0, 14), np.float32), *_EMPTY_BOXES)
        detections = [nothing] * len(pictures)
        if not places:
            return detections
        atlas, corners = arrange(
            [pictures[k].grey for k in places], config.atlas_width_px, config.gap_px
        )
        found = self.reader.detect(atlas)
        for k, corner in zip(places, corners, strict=True):
            box = pictures[k].box
            inside = in_box(found, corner, box, config.slack * config.box_height_px)
            here = found.of(inside)
            offset = np.array([*corner, 0, 0], np.float32)
            detections[k] = here._replace(boxes=here.boxes - offset)
        return detections

    def _is_printed(
        self, found: Detections, printed: Detections, written: Mask
    ) -> npt.NDArray[np.bool_]:
        """Return which detections are on the blank form too, and have no pen strokes."""
        near = self.config.print_distance * self.config.box_height_px
        distance = np.linalg.norm(found.boxes[:, None, :2] - printed.boxes[None, :, :2], axis=2)
        sizes, others = found.boxes[:, None, 2:].max(axis=2), printed.boxes[None, :, 2:].max(axis=2)
        ratio = np.maximum(sizes, others) / np.maximum(np.minimum(sizes, others), 1e-3)
        is_same = (distance < near) & (ratio < self.config.print_size_ratio)
        boxes = [box_in_picture(box, written.shape) for box in found.boxes.tolist()]
        shares = np.array([written[t:b, l:r].mean() for l, t, r, b in boxes])  # noqa: E741
        return np.asarray(is_same.any(axis=1) & (shares <= self.config.max_print_strokes))

    def _ticked(self, cell: Cell, picture: BoxPicture, blank: BoxPicture | None) -> Reading:
        ticked = ticked_probability(picture, blank, self.config.strokes)
        candidates = [Candidate(TICKED, ticked), Candidate(UNTICKED, 1 - ticked)]
        best_first = sorted(candidates, key=lambda candidate: -candidate.probability)
        return Reading(cell, tuple(best_first), picture=picture)

    def _written(
        self, cell: Cell, picture: BoxPicture, found: Detections, *, point_printed: bool
    ) -> Reading:
        texts = self.reader.texts(found, constrained=True)
        candidates = []
        for text in texts:
            value, broken = value_of(text.text, cell.field, point_printed=point_printed)
            p = float(np.exp(text.log_probability))
            candidates.append(Candidate(value, p, broken, text.detections))
        ranked = under_rules(self._calibrated(merged(candidates)))
        return Reading(cell, ranked, "", picture, found)

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
        config = self.config
        boxes = reading.detections.boxes[list(reading.best.detections)].tolist()
        area = strokes_beside(written, boxes, config.box_height_px, config.strokes)
        is_empty = reading.best.value == EMPTY
        if area <= (config.max_strokes_if_empty if is_empty else config.max_strokes_beside):
            return reading
        factor = min(1.0, config.unsure_probability / reading.best.probability)
        less = {c.value: c.probability * factor for c in reading.candidates}
        return replace(reading.under(less), reason="strokes")

    def digit_images(self, reading: Reading) -> Grey | None:
        """Return the digits of the best value as the classifier sees them: uint8[28, 28 * n]."""
        best, picture, found = reading.best, reading.picture, reading.detections
        if picture is None or found is None:
            return None
        config = self.reader.config.classification
        is_digit = found.classes.argmax(axis=1) < 10  # noqa: PLR2004
        images = [
            crop_detection(found.boxes[k], picture.grey, config)
            for k in best.detections
            if is_digit[k]
        ]
        return np.concatenate(images, axis=1) if images else None


_EMPTY_BOXES = (np.empty((0, 4), np.float32), np.empty(0, np.float32))
