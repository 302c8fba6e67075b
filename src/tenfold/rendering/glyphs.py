"""Characters of handwritten and printed numbers, each drawn at its final size.

A digit has one of four forms: an image of MNIST as it is, enlarged; the skeleton of such an image,
drawn again with any pen; a stroke template; a printed font. The marks of numbers (point, minus,
slash, colon) are strokes, or printed.

Legend: `linear` is float64[2, 2]; it turns, shears and scales a shape to pixels of the picture.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.digits import Digits
from tenfold.rendering.sampling import Random, bernoulli
from tenfold.rendering.strokes import Points, Strokes, catmull_rom, jitter_points, parse_template
from tenfold.rendering.typefaces import PRINTED_HEIGHT_PX, Typeface, printed_character

Coverage = npt.NDArray[np.float32]
Linear = npt.NDArray[np.float64]
Form = Literal["scanned", "skeleton", "template", "print"]

CLASSES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "-", "/", ":")
CLASS_OF = {character: index for index, character in enumerate(CLASSES)} | {",": 10}
DIGITS = "0123456789"

# A pixel belongs to a character if strokes cover this share of it.
EDGE_COVERAGE = 0.3
# MNIST's digits fill a box of 20 pixels in an image of 28.
MNIST_BOX_PX = 20
MNIST_SIDE_PX = 28
SKELETON_SCALE = 2
EDGE_LEVEL = 127
BOLD_RADIUS_PX, BOLD_THRESHOLD = 2.0, 0.45
SKELETON_MARGIN_PX = 4
SKELETON_LEVEL = 110
STROKE_SUPERSAMPLING = 2

_TOML = Path(__file__).with_name("field_templates.toml").read_text(encoding="utf-8")
TEMPLATES: dict[str, tuple[Strokes, ...]] = {
    character: tuple(parse_template(template) for template in templates)
    for table in tomllib.loads(_TOML).values()
    for character, templates in table.items()
}
LETTERS = tuple(character for character in TEMPLATES if character not in DIGITS)


@dataclass(frozen=True, eq=False)
class Glyph:
    """A drawn character.

    Args:
        character: one of `CLASSES`, a comma, or a letter.
        coverage: float32[h, w], share of each pixel that its strokes cover, cropped to them.
    """

    character: str
    coverage: Coverage


@dataclass(frozen=True, kw_only=True, eq=False)
class Hand:
    """How one number is written: by one hand with one pen, or in one typeface.

    Args:
        form: where the digits' shapes come from.
        height_px: height of a digit that fills MNIST's box.
        stroke_px: width of the pen.
        darkness: share of the light that the pen takes away, 0 … 1.
        linear: slant, aspect and the rotation of the page, without scale.
        unevenness: standard deviation of size, slant and position between digits, times a typical.
        threshold: brightness at the edge of a stroke of MNIST, relative to its middle.
        sharpness: slope of the coverage at that edge, in MNIST's pixels.
        typeface: of printed digits.
    """

    form: Form
    height_px: float
    stroke_px: float
    darkness: float
    linear: Linear
    unevenness: float
    threshold: float
    sharpness: float
    typeface: Typeface


class GlyphSource:
    """Draws characters; holds the images that digits are drawn from.

    Args:
        digits: images of handwritten digits; every class must be there.
    """

    def __init__(self, digits: Digits) -> None:
        self.images = digits.images.numpy()
        self.labels = digits.labels.numpy()
        self.of_class = tuple(np.flatnonzero(self.labels == digit) for digit in range(len(DIGITS)))
        self._skeletons: dict[int, npt.NDArray[np.uint8]] = {}

    def draw(self, character: str, hand: Hand, random: Random) -> Glyph:
        """Draw one of `CLASSES`, a comma or a letter of `LETTERS`."""
        if hand.form == "print" and character not in LETTERS:
            return Glyph(character, draw_printed(character, hand))
        linear = hand.linear @ _uneven(hand.unevenness, random)
        if character in DIGITS:
            coverage = self._draw_digit(character, hand, linear, random)
        elif character in TEMPLATES:
            coverage = _draw_template(character, hand, linear, random)
        else:
            coverage = draw_strokes(_mark_strokes(character, hand, random), linear, hand.stroke_px)
        return Glyph(character, coverage)

    def _draw_digit(self, character: str, hand: Hand, linear: Linear, random: Random) -> Coverage:
        members = self.of_class[int(character)]
        if hand.form == "template" or not len(members):
            return _draw_template(character, hand, linear, random)
        index = int(members[random.integers(len(members))])
        scale = hand.height_px / MNIST_BOX_PX
        if hand.form == "scanned":
            return draw_image(self.images[index], scale * linear, hand)
        return draw_skeleton(self._distances(index), scale * linear, hand.stroke_px)

    def _distances(self, index: int) -> Coverage:
        """Return each pixel's distance to the skeleton of an image; skeletons are kept, packed."""
        side = SKELETON_SCALE * MNIST_SIDE_PX
        if index not in self._skeletons:
            self._skeletons[index] = np.packbits(skeleton(self.images[index]))
        bits = np.unpackbits(self._skeletons[index]).reshape(side, side)
        padded = np.pad(1 - bits, SKELETON_MARGIN_PX * SKELETON_SCALE, constant_values=1)
        distances = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)
        return distances.astype(np.float32, copy=False)


def skeleton(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Thin an image uint8[28, 28], white on black, to lines of one pixel: bool[56, 56]."""
    from skimage.morphology import skeletonize

    enlarged = cv2.resize(
        image, None, fx=SKELETON_SCALE, fy=SKELETON_SCALE, interpolation=cv2.INTER_CUBIC
    )
    thin: npt.NDArray[np.bool_] = skeletonize(enlarged > SKELETON_LEVEL)
    return thin


def draw_image(image: npt.NDArray[np.uint8], linear: Linear, hand: Hand) -> Coverage:
    """Enlarge an image of MNIST; the hand's threshold makes its strokes bold or thin.

    Faint strokes are first made as bright as dark ones, so that no threshold breaks them.
    """
    scale = _scale_of(linear)
    levels = image.astype(np.float32)
    threshold = hand.threshold
    if _is_bold(image):
        threshold = max(threshold, BOLD_THRESHOLD)
    middle = cv2.dilate(blur(levels, 0.5), np.ones((5, 5), np.uint8))
    relative = levels / np.maximum(middle, max(1.0, 0.4 * float(middle.max())))
    smooth = _warp(relative.clip(0, 1), linear, 0)
    if scale > 1:
        smooth = blur(smooth, 0.4 * scale)
    slope = hand.sharpness * max(0.5 / threshold, 0.5 / (1 - threshold))
    edged = (smooth - threshold) * np.float32(slope * max(1.0, scale)) + np.float32(0.5)
    return _cropped(edged.clip(0, 1))


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
    coverage = (reach - _warp(smooth, per_pixel, far) * scale).clip(0, 1)
    return _cropped(coverage * np.float32(min(1.0, stroke_px)))


def draw_strokes(strokes: Strokes, linear: Linear, stroke_px: float) -> Coverage:
    """Draw strokes of points [k, 2] with a round pen, `linear` of them being in pixels."""
    fine = [points @ linear.T * STROKE_SUPERSAMPLING for points in strokes]
    every = np.concatenate(fine)
    width = max(1, round(max(stroke_px, 1.0) * STROKE_SUPERSAMPLING))
    margin = width + STROKE_SUPERSAMPLING
    low = every.min(axis=0) - margin
    extent = np.ceil((every.max(axis=0) - low + margin) / STROKE_SUPERSAMPLING).astype(int)
    size = extent * STROKE_SUPERSAMPLING
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    fixed = [np.rint((points - low) * 16).astype(np.int32) for points in fine]
    cv2.polylines(
        canvas, fixed, isClosed=False, color=255, thickness=width, lineType=cv2.LINE_AA, shift=4
    )
    width_hw = (int(extent[0]), int(extent[1]))
    coarse = cv2.resize(canvas, width_hw, interpolation=cv2.INTER_AREA)
    return _cropped(coarse.astype(np.float32) / np.float32(255) * np.float32(min(1.0, stroke_px)))


def draw_printed(character: str, hand: Hand) -> Coverage:
    """Draw a printed character; its digits are `height_px` high."""
    large = printed_character(character, hand.typeface)
    scale = hand.height_px / PRINTED_HEIGHT_PX
    smooth = blur(large, max(0.3, 0.4 / scale))
    return _cropped(_warp(smooth, scale * hand.linear, 0))


def blur(image: Coverage, sigma_px: float) -> Coverage:
    """Blur float32[h, w] with a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px).astype(np.float32, copy=False)


def _warp(image: Coverage, linear: Linear, border: float) -> Coverage:
    """Map an image by `linear` about its middle, into one that is large enough."""
    h, w = image.shape
    corners = np.abs(linear) @ [w, h]
    size = (math.ceil(corners[0]) + 2, math.ceil(corners[1]) + 2)
    middle = np.array(size) / 2 - 0.5 - linear @ [w / 2 - 0.5, h / 2 - 0.5]
    affine = np.column_stack([linear, middle])
    warped = cv2.warpAffine(image, affine, size, flags=cv2.INTER_LINEAR, borderValue=border)
    return warped.astype(np.float32, copy=False)


def drawn_box(coverage: Coverage) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of the pixels of a character; None if there are none."""
    left, top, w, h = cv2.boundingRect((coverage >= EDGE_COVERAGE).view(np.uint8))
    return (left, top, left + w, top + h) if w else None


def _scale_of(linear: Linear) -> float:
    (a, b), (c, d) = linear.tolist()
    return math.sqrt(abs(a * d - b * c))


def _cropped(coverage: Coverage) -> Coverage:
    """Crop to the pixels of the character and one pixel around them, for the soft edge."""
    box = drawn_box(coverage)
    if box is None:
        return np.zeros((1, 1), np.float32)
    left, top, right, bottom = box
    return coverage[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]


def _uneven(unevenness: float, random: Random) -> Linear:
    """Draw how a digit differs from its neighbours in size, slant and rotation."""
    size, width, slant, turn = random.normal(0, unevenness, 4).tolist()
    scale, wider, shear = math.exp(0.06 * size), math.exp(0.06 * width), -0.05 * slant
    cos, sin = scale * math.cos(0.07 * turn), scale * math.sin(0.07 * turn)
    return np.array([[cos * wider, cos * shear - sin], [sin * wider, sin * shear + cos]])


def _draw_template(character: str, hand: Hand, linear: Linear, random: Random) -> Coverage:
    templates = TEMPLATES[character]
    template = templates[random.integers(len(templates))]
    strokes = [jitter_points(points, random) for points in template]
    if bernoulli(random, 0.75):
        strokes = [catmull_rom(points, steps=6) for points in strokes]
    width = random.uniform(0.5, 0.85)
    size = hand.height_px * linear @ np.diag([width, 1.0])
    return draw_strokes(strokes, size, hand.stroke_px)


def _mark_strokes(character: str, hand: Hand, random: Random) -> Strokes:
    """Draw a point, comma, minus, slash or colon as strokes in pixels, before `linear`."""
    h = hand.height_px
    dot = max(0.3 * hand.stroke_px, 0.03 * h) * random.uniform(0.7, 1.8)
    if character == "-":
        length = h * random.uniform(0.25, 0.6)
        return [_line(length, h * random.normal(0, 0.04))]
    if character == "/":
        return [_line(h * random.uniform(0.3, 0.6), -h * random.uniform(0.9, 1.3))]
    if character == ",":
        return [_line(-h * random.uniform(0.05, 0.14), h * random.uniform(0.14, 0.28))]
    blob = _ring(dot)
    if character == ":":
        return [blob, blob + np.array([0.0, h * random.uniform(0.35, 0.55)])]
    return [blob]


def _line(x: float, y: float) -> Points:
    return np.array([[0.0, 0.0], [x, y]])


def _ring(radius: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 9)
    ring: Points = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return ring
