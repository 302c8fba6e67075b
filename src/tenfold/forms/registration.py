"""Registration: which page of the form a picture shows, and where; the page is straightened."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.errors import DataError
from tenfold.forms.corners import Homography, marker_homographies, square_homographies
from tenfold.forms.features import FeatureMatcher
from tenfold.forms.reference import (
    COMPARED_PX_PER_MM,
    ReferencePage,
    page_corners,
    page_foreground,
    pixels_to_mm,
    reference_pages,
    similarity,
)
from tenfold.forms.refinement import CONFIG as REFINEMENT
from tenfold.forms.refinement import correction, similarities_of_parts
from tenfold.forms.template import Template
from tenfold.reading.components import corners_of

FOREIGN = "foreign page"


@dataclass(frozen=True, kw_only=True)
class RegistrationConfig:
    """When a page is taken for one of the form.

    Attributes:
        min_similarity: of a page, and half of the median of those of its small parts, together.
        min_similarity_of_boxes: with the boxes of the fields, if there is no blank form.
        min_advantage: of a page that is not upright in the picture over one that is.
        min_inside: of the part of a page that has fields, the share that must be in the picture.
        max_distortion: by which factor the sides of that part are enlarged differently.
        px_per_mm: of a straightened page, at most.
        min_px_per_mm: of a page in a picture; smaller ones cannot be read.
        max_reduction: a picture that is larger by more is made smaller first: no pixel is skipped.
    """

    min_similarity: float = 0.8
    min_similarity_of_boxes: float = 0.3
    min_advantage: float = 0.05
    min_inside: float = 0.95
    max_distortion: float = 1.6
    px_per_mm: float = 8.0
    min_px_per_mm: float = 2.0
    max_reduction: float = 1.5


CONFIG = RegistrationConfig()


@dataclass(frozen=True, eq=False)
class RegisteredPage:
    """A page of a form, straightened.

    Attributes:
        number: of the page, from 1.
        grey: uint8[h, w].
        px_per_mm: its scale.
        similarity: with the form, -1 … 1.
    """

    number: int
    grey: Grey
    px_per_mm: float
    similarity: float


class _Candidate(NamedTuple):
    """A page of the form, and the map from its mm to the picture's pixels.

    Attributes:
        rank: of the best candidate the highest: its similarity, the mean of those of its parts,
            and an advantage if it is upright.
        similarity: -1 … 1.
        of_parts: similarities of small parts, -1 … 1; 0 without a blank form.
        number: of the page, from 1.
        to_picture: the map.
        foreground: of the straightened picture.
    """

    rank: float
    similarity: float
    of_parts: npt.NDArray[np.float64]
    number: int
    to_picture: Homography
    foreground: Floats


class Registrar:
    """Finds the pages of a form in pictures.

    Args:
        template: of the form.

    Raises:
        DataError: the blank form cannot be read.
        TemplateError: it has too few pages.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        self.pages = reference_pages(template)
        self._features = FeatureMatcher(self.pages) if template.blank is not None else None

    def register(self, grey: Grey) -> RegisteredPage:
        """Find the page of a picture uint8[h, w].

        Raises:
            DataError: it shows no page of the form, or a page that is too small.
        """
        best = self._best(grey, self._by_corners(grey))
        # Features may be far off where most print is alike, and corners are not.
        if self._features is not None and (best is None or not self._is_of_form(best)):
            maps = self._features.homographies(grey) or self._as_scanned(grey)
            other = self._best(grey, maps)
            best = max((c for c in (best, other) if c), key=lambda c: c.rank, default=None)
        if best is None:
            raise DataError(f"{FOREIGN}: {self._not_found()}")
        if not self._is_of_form(best):
            raise DataError(f"{FOREIGN}: it does not look like the form {self.template.name!r}")
        return self._straightened(grey, best)

    def _is_of_form(self, best: "_Candidate") -> bool:
        """Return whether what was found looks like the form."""
        if self._features is None:
            return best.similarity >= CONFIG.min_similarity_of_boxes
        of_parts = float(np.median(best.of_parts))
        return best.similarity + of_parts / 2 >= CONFIG.min_similarity

    def _not_found(self) -> str:
        return {
            "marks": "no four black squares in the corners",
            "aruco": "no three markers of one page",
            "blank": "it does not look like the blank form",
        }[self.template.registration]

    def _by_corners(self, grey: Grey) -> list[tuple[int, Homography]]:
        """Return the numbers of pages, and maps from their mm to the picture's pixels."""
        inset, size = self.template.mark_inset_mm, self.template.mark_size_mm
        if self.template.registration == "aruco":
            return marker_homographies(grey, self.template.pages, inset, size)
        if self.template.registration == "marks":
            return [
                (page.number, to_picture)
                for page in self.pages
                for to_picture in square_homographies(grey, page.size, inset, size)
            ]
        return []

    def _best(self, grey: Grey, maps: list[tuple[int, Homography]]) -> "_Candidate | None":
        """Return the candidate that looks most like the form."""
        candidates = [c for c in (self._candidate(grey, *m) for m in maps) if c is not None]
        best = max(candidates, key=lambda candidate: candidate.rank, default=None)
        if best is None or self._features is None:
            return best
        # Corners may be bent and features few: the blank form says more.
        for reach in REFINEMENT.reaches_mm:
            page = self.pages[best.number - 1]
            change = correction(page, best.foreground, reach)
            if change is not None:
                better = self._candidate(grey, best.number, best.to_picture @ change)
                best = max(best, better or best, key=lambda candidate: candidate.rank)
        return best

    def _as_scanned(self, grey: Grey) -> list[tuple[int, Homography]]:
        """Return maps as if the picture were a page, no more and no less, in any direction."""
        h, w = grey.shape
        picture = corners_of((0, 0, w, h)) - np.float32(0.5)
        return [
            (page.number, np.asarray(cv2.getPerspectiveTransform(page_corners(page.size), turned)))
            for page in self.pages
            for turned in (np.roll(picture, turn, axis=0) for turn in range(4))
        ]

    def _candidate(self, grey: Grey, number: int, to_picture: Homography) -> "_Candidate | None":
        """Compare a page with a picture; None if most of it would be outside, or mirrored."""
        page = self.pages[number - 1]
        scale = _px_per_mm(page, to_picture)
        if scale <= 0 or _share_inside(page, to_picture, grey) < CONFIG.min_inside:
            return None
        if _distortion(page, to_picture) > CONFIG.max_distortion:
            return None
        small, reduced = _reduced(grey, to_picture, scale / COMPARED_PX_PER_MM)
        foreground = page_foreground(page, small, reduced)
        score = similarity(page, foreground)
        upright = to_picture[0, 0] > abs(to_picture[1, 0])  # the page's x runs to the right
        of_parts = np.zeros(1)
        if self._features is not None:
            # Dark writing rules the similarity of the whole; each part of the print must be there.
            of_parts = similarities_of_parts(page, foreground)
        rank = score + float(of_parts.mean()) + CONFIG.min_advantage * upright
        return _Candidate(rank, score, of_parts, number, to_picture, foreground)

    def _straightened(self, grey: Grey, best: "_Candidate") -> RegisteredPage:
        page, to_picture = self.pages[best.number - 1], best.to_picture
        own = _px_per_mm(page, to_picture)
        if own < CONFIG.min_px_per_mm:
            raise DataError(
                f"the page has {own * 25.4:.0f} dots per inch in this picture; scan it with 150 or "
                "more"
            )
        scale = min(CONFIG.px_per_mm, own)
        if own / scale > CONFIG.max_reduction:
            grey, to_picture = _reduced(grey, to_picture, own / scale)
        to_mm = pixels_to_mm(scale, scale)
        size = round(page.size.width_mm * scale), round(page.size.height_mm * scale)
        straight = cv2.warpPerspective(
            grey,
            to_picture @ to_mm,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return RegisteredPage(best.number, np.asarray(straight, np.uint8), scale, best.similarity)


def _px_per_mm(page: ReferencePage, to_picture: Homography) -> float:
    """Return the resolution of a page's fields in a picture: of a square of the same area."""
    corners = cv2.perspectiveTransform(page.corners[None], to_picture)[0].astype(np.float32)
    if not np.isfinite(corners).all():
        return 0.0
    area = cv2.contourArea(corners, oriented=True)  # negative: mirrored
    if area <= 0 or not cv2.isContourConvex(corners.reshape(-1, 1, 2)):
        return 0.0
    return float(np.sqrt(area / cv2.contourArea(page.corners)))


def _distortion(page: ReferencePage, to_picture: Homography) -> float:
    """Return by which factor lengths on the page change more in one place than in another."""
    corners = cv2.perspectiveTransform(page.corners[None], to_picture)[0]
    sides = (np.linalg.norm(np.roll(c, -1, axis=0) - c, axis=1) for c in (corners, page.corners))
    factors = np.divide(*sides)
    return float(factors.max() / max(factors.min(), 1e-9))


def _share_inside(page: ReferencePage, to_picture: Homography, grey: Grey) -> float:
    """Return how much of the part of a page that has fields lies inside a picture."""
    h, w = grey.shape
    corners = cv2.perspectiveTransform(page.corners[None], to_picture)[0].astype(np.float32)
    picture = corners_of((0, 0, w, h))
    inside, _ = cv2.intersectConvexConvex(corners, picture)
    return float(inside) / cv2.contourArea(corners)


def _reduced(grey: Grey, to_picture: Homography, factor: float) -> tuple[Grey, Homography]:
    """Return a picture that is smaller by a factor, and the map to it; no picture is enlarged."""
    if factor <= 1:
        return grey, to_picture
    h, w = grey.shape
    size = max(1, round(w / factor)), max(1, round(h / factor))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    to_small = np.linalg.inv(pixels_to_mm(size[0] / w, size[1] / h))  # in place of mm, pixels
    return np.asarray(small, np.uint8), to_small @ pixels_to_mm(1, 1) @ to_picture
