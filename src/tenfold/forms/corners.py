"""Four black squares or ArUco markers in the corners of a page, and the homography they give."""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Grey
from tenfold.forms.template import PageOfForm
from tenfold.reading.components import corners_of
from tenfold.reading.foreground import downscale

Points = npt.NDArray[np.float32]  # [n, 2]: x and y
Homography = npt.NDArray[np.float64]  # [3, 3]

MARKERS_PER_PAGE = 4


@dataclass(frozen=True, kw_only=True)
class CornerConfig:
    """How squares and markers are found.

    Attributes:
        long_side_px: a larger picture is looked at in this size.
        min_darkness: of a square below the paper around it, in grey levels.
        side_range: of a square, in units of what it has if the page fills the picture.
        min_filling: of the least rectangle around a square, the share that is dark.
        max_elongation: longer over shorter side.
        per_corner: squares that are tried for each corner of the picture.
        max_error: of the corners of four squares, where the homography puts them, in their sides.
        quadrilaterals: that are returned at most.
        min_markers: of a page, of four.
        max_affine_error_px: of the corners of three markers, in the root of the mean square, if
            the page is seen from above.
    """

    long_side_px: int = 2000
    min_darkness: float = 25.0
    side_range: tuple[float, float] = (0.35, 1.3)
    min_filling: float = 0.8
    max_elongation: float = 1.5
    per_corner: int = 4
    max_error: float = 0.3
    quadrilaterals: int = 3
    min_markers: int = 3
    max_affine_error_px: float = 1.0


CONFIG = CornerConfig()


def corner_centres(page: PageOfForm, inset_mm: float) -> Points:
    """Return the centres of the four squares of a page in mm, clockwise from top left."""
    right, bottom = page.width_mm - inset_mm, page.height_mm - inset_mm
    return corners_of((inset_mm, inset_mm, right, bottom))


def find_squares(grey: Grey, expected_px: float) -> Points:
    """Find filled dark squares in uint8[h, w].

    Args:
        grey: the picture.
        expected_px: side of a square if the page fills the picture.

    Returns:
        float32[n, 4, 2]: the corners of each.
    """
    least, largest = (factor * expected_px for factor in CONFIG.side_range)
    # What is darker than everything around it and no larger: no shadow, and no desk beside it.
    kernel = np.ones((math.ceil(largest) + 1,) * 2, np.uint8)
    darkness = cv2.morphologyEx(cv2.GaussianBlur(grey, (3, 3), 0), cv2.MORPH_BLACKHAT, kernel)
    dark = np.where(darkness > CONFIG.min_darkness, np.uint8(255), np.uint8(0))
    contours, _ = cv2.findContours(dark, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    squares = []
    for contour in contours:
        if not least**2 <= cv2.contourArea(contour) <= largest**2:
            continue
        rectangle = cv2.minAreaRect(contour)
        short, long = sorted(rectangle[1])
        if long > CONFIG.max_elongation * short or _filling(dark, contour) < CONFIG.min_filling:
            continue
        corners = cv2.approxPolyDP(contour, 0.1 * cv2.arcLength(contour, True), True)  # noqa: FBT003
        if len(corners) != MARKERS_PER_PAGE:
            corners = cv2.boxPoints(rectangle)
        squares.append(np.asarray(corners, np.float32).reshape(4, 2))
    return np.array(squares, np.float32).reshape(-1, 4, 2)


def _filling(dark: cv2.typing.MatLike, contour: cv2.typing.MatLike) -> float:
    """Return how much of the least rectangle around a contour is dark."""
    left, top, width, height = cv2.boundingRect(contour)
    corners = cv2.boxPoints(cv2.minAreaRect(contour)) - np.array((left, top), np.float32)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 255)
    part = dark[top : top + height, left : left + width]
    return float(part[inside > 0].mean() / 255) if inside.any() else 0.0


def square_homographies(
    grey: Grey, page: PageOfForm, inset_mm: float, size_mm: float
) -> list[Homography]:
    """Return maps from mm of a page to the pixels of a picture, by its four black squares.

    The squares do not say which way up the page is: each four of them give four maps.

    Args:
        grey: uint8[h, w].
        page: its size.
        inset_mm: from the centre of a square to two edges of the page.
        size_mm: side of a square.
    """
    squares = squares_of_page(grey, page, size_mm)
    if len(squares) < MARKERS_PER_PAGE:
        return []
    centres = np.array([_diagonals_meet(square) for square in squares])
    target = corner_centres(page, inset_mm)
    ranked = []
    for chosen in _combinations(centres, CONFIG.per_corner):
        for start in range(2):  # upright, or on its side
            found = np.roll(centres[chosen], -start, axis=0)
            to_picture = np.asarray(cv2.getPerspectiveTransform(target, found), np.float64)
            error = _error(squares[np.roll(chosen, -start)], target, size_mm, to_picture)
            if error < CONFIG.max_error:
                ranked.append((error, tuple(np.roll(chosen, -start).tolist())))
    best = [np.array(chosen) for _, chosen in sorted(ranked)[: CONFIG.quadrilaterals]]
    turned = [np.roll(chosen, turn) for chosen in best for turn in (0, 2)]
    return [np.asarray(cv2.getPerspectiveTransform(target, centres[t])) for t in turned]


def squares_of_page(grey: Grey, page: PageOfForm, size_mm: float) -> Points:
    """Return the corners of squares in a picture, float32[n, 4, 2]; see `square_homographies`."""
    small, scale = downscale(grey, CONFIG.long_side_px)
    expected = max(small.shape) * size_mm / max(page.width_mm, page.height_mm)
    return in_picture(find_squares(small, expected), scale)


def _combinations(centres: Points, per_corner: int) -> list[npt.NDArray[np.intp]]:
    """Return choices of four squares, clockwise from top left of the picture."""
    x, y = centres.T
    nearest = [np.argsort(key)[:per_corner] for key in (x + y, y - x, -x - y, x - y)]
    choices: dict[frozenset[int], npt.NDArray[np.intp]] = {}
    for choice in itertools.product(*(corner.tolist() for corner in nearest)):
        points = centres[list(choice)]
        clockwise = cv2.contourArea(points, oriented=True) > 0
        if clockwise and cv2.isContourConvex(points.reshape(-1, 1, 2)):
            choices.setdefault(frozenset(choice), np.array(choice))
    return list(choices.values())


def _error(squares: Points, target: Points, size_mm: float, to_picture: Homography) -> float:
    """Return how far corners of squares are from where they must be, in sides, at the worst.

    Args:
        squares: float32[4, 4, 2].
        target: float32[4, 2], their centres on the page.
        size_mm: their side.
        to_picture: from the page to the picture.
    """
    half = size_mm / 2
    offsets = corners_of((-half, -half, half, half))
    worst = 0.0
    for square, centre in zip(squares, target, strict=True):
        expected = cv2.perspectiveTransform((centre + offsets)[None], to_picture)[0]
        side = np.linalg.norm(np.diff(expected, axis=0), axis=1).mean()
        distances = np.linalg.norm(expected[:, None] - square[None], axis=2).min(axis=1)
        worst = max(worst, float(distances.mean() / side))
    return worst


def _diagonals_meet(square: Points) -> Points:
    """Return the image of the centre of a square: where the diagonals of its image meet."""
    a, b, c, d = np.concatenate([square, np.ones((4, 1), np.float32)], axis=1).astype(float)
    x, y, w = np.cross(np.cross(a, c), np.cross(b, d))
    return np.array([x / w, y / w], np.float32)


def marker_homographies(
    grey: Grey, pages: tuple[PageOfForm, ...], inset_mm: float, size_mm: float
) -> list[tuple[int, Homography]]:
    """Return pages, from 1, and maps from their mm to a picture's pixels, by ArUco markers.

    Page n has the ids 4(n - 1) … 4(n - 1) + 3 of DICT_4X4_50, clockwise from top left.

    Args:
        grey: uint8[h, w].
        pages: of the form.
        inset_mm: from the centre of a marker to two edges of the page.
        size_mm: side of a marker.
    """
    by_id, scale = _markers(grey)
    half = size_mm / 2
    offsets = corners_of((-half, -half, half, half))
    homographies = []
    for number, page in enumerate(pages, 1):
        first = MARKERS_PER_PAGE * (number - 1)
        centres = corner_centres(page, inset_mm)
        here = [k for k in range(MARKERS_PER_PAGE) if first + k in by_id]
        if len(here) < CONFIG.min_markers:
            continue
        on_page = np.concatenate([centres[k] + offsets for k in here])
        found = np.concatenate([by_id[first + k] for k in here])
        found = in_picture(found, scale)
        homographies.append((number, _homography(on_page, found, scale)))
    return homographies


def find_markers(grey: Grey) -> dict[int, Points]:
    """Return the corners of ArUco markers of DICT_4X4_50 by their ids, float32[4, 2] in pixels.

    Args:
        grey: uint8[h, w].
    """
    by_id, scale = _markers(grey)
    return {k: in_picture(corners, scale) for k, corners in by_id.items()}


def _markers(grey: Grey) -> tuple[dict[int, Points], float]:
    """Return the corners of markers by id in a smaller picture, and by which factor it is that."""
    small, scale = downscale(grey, CONFIG.long_side_px)
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    corners, ids, _ = cv2.aruco.ArucoDetector(dictionary, parameters).detectMarkers(small)
    names = [int(k) for k in np.ravel(ids if ids is not None else [])]
    found = (np.asarray(points, np.float32).reshape(4, 2) for points in corners)
    return dict(zip(names, found, strict=True)), scale


def _homography(on_page: Points, found: Points, scale: float) -> Homography:
    """Return the map of markers: without perspective, where they show none.

    A small error of three markers' corners would be a large perspective at the fourth.
    """
    if len(on_page) < MARKERS_PER_PAGE**2:
        affine, *_ = np.linalg.lstsq(np.c_[on_page, np.ones(len(on_page))], found, rcond=None)
        errors = np.c_[on_page, np.ones(len(on_page))] @ affine - found
        if np.sqrt((errors**2).mean()) * scale < CONFIG.max_affine_error_px:
            return np.vstack([affine.T, [0, 0, 1]])
    return np.asarray(cv2.findHomography(on_page, found)[0], np.float64)


def in_picture(points: Points, scale: float) -> Points:
    """Return points of a smaller picture in the larger one; whole numbers are centres of pixels."""
    return (points + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)
