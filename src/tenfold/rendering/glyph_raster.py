"""Characters as coverage of pixels: from an image, from a skeleton, from strokes.

Legend: `linear` is float64[2, 2]; it turns, shears and scales a shape to pixels of the picture. All
results are cropped to the character and one pixel around it, for the soft edge.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.pen import Coverage, remove_specks
from tenfold.rendering.strokes import Strokes, draw_polylines

Linear = npt.NDArray[np.float64]

# A pixel belongs to a character if strokes cover this share of it.
EDGE_COVERAGE = 0.3
SKELETON_SCALE = 2
EDGE_LEVEL = 127
FAINTEST = 0.25
BOLD_RADIUS_PX, BOLD_THRESHOLD = 2.0, 0.45
SKELETON_MARGIN_PX = 4
SKELETON_LEVEL = 110
STROKE_SUPERSAMPLING = 2


def skeleton(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Thin an image uint8[28, 28], white on black, to lines of one pixel: bool[56, 56]."""
    from skimage.morphology import skeletonize

    enlarged = cv2.resize(
        image, None, fx=SKELETON_SCALE, fy=SKELETON_SCALE, interpolation=cv2.INTER_CUBIC
    )
    strokes, _ = remove_specks(enlarged > SKELETON_LEVEL)
    thin: npt.NDArray[np.bool_] = skeletonize(strokes.view(np.bool_))
    return thin


def skeleton_distances(thin: npt.NDArray[np.bool_]) -> Coverage:
    """Return the distances of a skeleton's neighbourhood to it, float32, in its pixels."""
    margin = SKELETON_MARGIN_PX * SKELETON_SCALE
    padded = np.pad((~thin).view(np.uint8), margin, constant_values=1)
    distances = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)
    return distances.astype(np.float32, copy=False)


def draw_image(
    image: npt.NDArray[np.uint8], linear: Linear, threshold: float, sharpness: float
) -> Coverage:
    """Enlarge an image of MNIST; the threshold makes its strokes bold or thin.

    Faint strokes are first made as bright as dark ones, so that no threshold breaks them. Sharpness
    is the slope of the coverage at the edge of a stroke, 1 for the least.
    """
    scale = _scale_of(linear)
    levels = image.astype(np.float32)
    if _is_bold(image):
        threshold = max(threshold, BOLD_THRESHOLD)
    middle = cv2.dilate(blur(levels, 0.5), np.ones((5, 5), np.uint8))
    relative = levels / np.maximum(middle, max(1.0, 0.4 * float(middle.max())))
    strokes, _ = remove_specks(relative > FAINTEST)
    near = cv2.dilate(strokes, np.ones((3, 3), np.uint8))
    smooth = warp_linear((relative * near).clip(0, 1), linear, 0)
    if scale > 1:
        smooth = blur(smooth, 0.4 * scale)
    slope = sharpness * max(0.5 / threshold, 0.5 / (1 - threshold))
    edged = (smooth - threshold) * np.float32(slope * max(1.0, scale)) + np.float32(0.5)
    return crop_glyph(edged.clip(0, 1))


def _is_bold(image: npt.NDArray[np.uint8]) -> bool:
    """Tell whether an image of MNIST has strokes so thick that thicker ones would fill loops."""
    distances = cv2.distanceTransform((image > EDGE_LEVEL).view(np.uint8), cv2.DIST_L2, 3)
    return float(distances.max()) > BOLD_RADIUS_PX


def draw_skeleton(distances: Coverage, linear: Linear, stroke_px: float) -> Coverage:
    """Draw a skeleton with a round pen, from the distances of its neighbourhood to it."""
    per_pixel = linear / SKELETON_SCALE
    scale = np.float32(_scale_of(per_pixel))
    # The steps of the skeleton, which has whole pixels, are smoothed away.
    smooth = blur(distances, 1.0) - np.float32(0.5)
    far = float(SKELETON_MARGIN_PX * SKELETON_SCALE)
    reach = np.float32(max(stroke_px, 1.0) / 2 + 0.5)
    coverage = (reach - warp_linear(smooth, per_pixel, far) * scale).clip(0, 1)
    return crop_glyph(coverage * np.float32(min(1.0, stroke_px)))


def draw_strokes(strokes: Strokes, linear: Linear, stroke_px: float) -> Coverage:
    """Draw strokes of points [k, 2] with a round pen, `linear` of them being in pixels."""
    fine = [points @ linear.T * STROKE_SUPERSAMPLING for points in strokes]
    every = np.concatenate(fine)
    width = max(1, round(max(stroke_px, 1.0) * STROKE_SUPERSAMPLING))
    margin = width + STROKE_SUPERSAMPLING
    low = every.min(axis=0) - margin
    extent = np.ceil((every.max(axis=0) - low + margin) / STROKE_SUPERSAMPLING).astype(int)
    size = extent * STROKE_SUPERSAMPLING
    canvas = draw_polylines([points - low for points in fine], (int(size[1]), int(size[0])), width)
    width_hw = (int(extent[0]), int(extent[1]))
    coarse = cv2.resize(canvas, width_hw, interpolation=cv2.INTER_AREA)
    return crop_glyph(coarse.astype(np.float32) / np.float32(255) * np.float32(min(1.0, stroke_px)))


def blur(image: Coverage, sigma_px: float) -> Coverage:
    """Blur float32[h, w] with a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px).astype(np.float32, copy=False)


def warp_linear(image: Coverage, linear: Linear, border: float) -> Coverage:
    """Map an image by `linear` about its middle, into one that is large enough."""
    h, w = image.shape
    (a, b), (c, d) = linear.tolist()
    size = (math.ceil(abs(a) * w + abs(b) * h) + 2, math.ceil(abs(c) * w + abs(d) * h) + 2)
    x, y = w / 2 - 0.5, h / 2 - 0.5
    affine = np.array(
        [[a, b, size[0] / 2 - 0.5 - a * x - b * y], [c, d, size[1] / 2 - 0.5 - c * x - d * y]]
    )
    warped = cv2.warpAffine(image, affine, size, flags=cv2.INTER_LINEAR, borderValue=border)
    return warped.astype(np.float32, copy=False)


def drawn_box(coverage: Coverage) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the pixels of a character; None if there are none."""
    left, top, w, h = cv2.boundingRect((coverage >= EDGE_COVERAGE).view(np.uint8))
    return (left, top, left + w, top + h) if w else None


def _scale_of(linear: Linear) -> float:
    (a, b), (c, d) = linear.tolist()
    return math.sqrt(abs(a * d - b * c))


def crop_glyph(coverage: Coverage) -> Coverage:
    """Crop to the pixels of the character and one pixel around them, for the soft edge."""
    box = drawn_box(coverage)
    if box is None:
        return np.zeros((1, 1), np.float32)
    left, top, right, bottom = box
    return coverage[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
