"""A page is found in a picture by the features of the blank form."""

from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.arrays import Floats, Grey
from tenfold.forms.corners import Homography, in_picture
from tenfold.forms.reference import ReferencePage
from tenfold.reading.foreground import downscale


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """How features are found and matched.

    Attributes:
        long_side_px: of the pictures in which they are looked for.
        features: of a picture, at most.
        max_ratio: of the distances to the best and the second best match.
        min_contrast: of a feature, see `cv2.SIFT`; print is thin.
        max_error_mm: of a match that agrees with the homography.
        min_matches: that agree.
    """

    long_side_px: int = 1000
    features: int = 2000
    max_ratio: float = 0.75
    min_contrast: float = 0.02
    max_error_mm: float = 1.0
    min_matches: int = 12


CONFIG = FeatureConfig()


class FeatureMatcher:
    """Finds the pages of a form in pictures.

    Args:
        pages: with their blank forms.
    """

    def __init__(self, pages: tuple[ReferencePage, ...]) -> None:
        self._sift = cv2.SIFT.create(CONFIG.features, contrastThreshold=CONFIG.min_contrast)
        self._pages = [(page, *self._of_blank(page)) for page in pages]

    def homographies(self, grey: Grey) -> list[tuple[int, Homography]]:
        """Return the numbers of pages, and maps from their mm to the pixels of uint8[h, w]."""
        points, descriptors = self._features(grey)
        maps = []
        for page, on_page, known in self._pages:
            maps += [(page.number, m) for m in self._matched(on_page, known, points, descriptors)]
        return maps

    def _matched(
        self, on_page: Floats, known: Floats, points: Floats, descriptors: Floats
    ) -> list[Homography]:
        """Return the maps that two methods find; where most matches are wrong, one may fail."""
        least = CONFIG.min_matches
        if min(len(known), len(descriptors)) < least:
            return []
        nearest: dict[int, cv2.DMatch] = {}  # a feature of the form is at one place
        for a, b in cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors, known, k=2):
            if a.distance < CONFIG.max_ratio * b.distance:
                other = nearest.setdefault(a.trainIdx, a)
                nearest[a.trainIdx] = min(a, other, key=lambda match: match.distance)
        if len(nearest) < least:
            return []
        source = on_page[[match.trainIdx for match in nearest.values()]]
        target = points[[match.queryIdx for match in nearest.values()]]
        maps = []
        for method in (cv2.USAC_MAGSAC, cv2.RANSAC):
            to_page, agree = cv2.findHomography(target, source, method, CONFIG.max_error_mm)
            if to_page is not None and int(agree.sum()) >= least and np.linalg.det(to_page):
                maps.append(np.asarray(np.linalg.inv(to_page), np.float64))
        return maps

    def _of_blank(self, page: ReferencePage) -> tuple[Floats, Floats]:
        """Return the places in mm, and the descriptors, of the features of a blank page."""
        if page.blank is None:
            return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
        points, descriptors = self._features(page.blank)
        if not len(points):
            return points, descriptors
        on_page = cv2.perspectiveTransform(points[None], page.blank_to_mm)[0]
        return np.asarray(on_page, np.float32), descriptors

    def _features(self, grey: Grey) -> tuple[Floats, Floats]:
        """Return the places in the pixels of a picture, and the descriptors, of its features."""
        small, scale = downscale(grey, CONFIG.long_side_px)
        keypoints, descriptors = self._sift.detectAndCompute(small, None)
        places = np.array([k.pt for k in keypoints], np.float32).reshape(-1, 2)
        if descriptors is None:
            descriptors = np.empty((0, 128), np.float32)
        return in_picture(places, scale), np.asarray(descriptors, np.float32)
