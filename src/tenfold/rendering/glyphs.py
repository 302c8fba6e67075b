"""Characters of handwritten and printed numbers, each drawn at its final size.

A digit has one of four forms: an image of MNIST as it is, enlarged; the skeleton of such an image,
drawn again with any pen; a stroke template; a printed font. The marks of numbers (point, minus,
slash, colon) are strokes, or printed.

Legend: `linear` is float64[2, 2]; it turns, shears and scales a shape to pixels of the picture.
"""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.mnist import SIDE
from tenfold.rendering.glyph_raster import (
    SKELETON_SCALE,
    Linear,
    blur,
    crop_glyph,
    draw_image,
    draw_skeleton,
    draw_strokes,
    skeleton,
    skeleton_distances,
    warp_linear,
)
from tenfold.rendering.pen import Coverage
from tenfold.rendering.sampling import Random, bernoulli
from tenfold.rendering.strokes import Points, Strokes, catmull_rom, jitter_points, parse_template
from tenfold.rendering.typefaces import PRINTED_HEIGHT_PX, Typeface, printed_text

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits

Form = Literal["scanned", "skeleton", "template", "print"]

CLASS_OF = {character: index for index, character in enumerate(DETECTED_CLASSES)} | {",": 10}
DIGITS = "0123456789"

# The side of the box that MNIST's digits fill.
MNIST_BOX_PX = 20

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
        character: one of `DETECTED_CLASSES`, a comma, or a letter.
        coverage: float32[h, w], share of each pixel that its strokes cover, cropped to them.
        printed: whether it is of a typeface, not written by hand.
    """

    character: str
    coverage: Coverage
    printed: bool = False


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
        sharpness: slope of the coverage at that edge, 1 for the least.
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
        digits: images of handwritten digits. A class without images is drawn from templates.
        only_images: a digit of a class with images is one of them, also where a hand says that it
            is printed or of a template.
    """

    def __init__(self, digits: "Digits", *, only_images: bool = False) -> None:
        self.only_images = only_images
        self.images = digits.images.numpy()
        self.labels = digits.labels.numpy()
        self.of_class = tuple(np.flatnonzero(self.labels == digit) for digit in range(len(DIGITS)))
        self._skeletons: dict[int, npt.NDArray[np.uint8]] = {}

    def draw(self, character: str, hand: Hand, random: Random) -> Glyph:
        """Draw one of `DETECTED_CLASSES`, a comma or a letter of `LETTERS`."""
        if self.only_images and character in DIGITS and hand.form in {"print", "template"}:
            hand = dataclasses.replace(hand, form="skeleton")
        if hand.form == "print" and character not in LETTERS:
            return Glyph(character, draw_printed(character, hand), printed=True)
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
            return draw_image(self.images[index], scale * linear, hand.threshold, hand.sharpness)
        return draw_skeleton(self._distances(index), scale * linear, hand.stroke_px)

    def _distances(self, index: int) -> Coverage:
        """Return the distances to the skeleton of an image; skeletons are kept, packed."""
        side = SKELETON_SCALE * SIDE
        if index not in self._skeletons:
            self._skeletons[index] = np.packbits(skeleton(self.images[index]))
        bits = np.unpackbits(self._skeletons[index]).reshape(side, side)
        return skeleton_distances(bits.view(np.bool_))


def draw_printed(character: str, hand: Hand) -> Coverage:
    """Draw a printed character; its digits are `height_px` high."""
    large = printed_text(character, hand.typeface)
    scale = hand.height_px / PRINTED_HEIGHT_PX
    smooth = blur(large, max(0.3, 0.4 / scale))
    return crop_glyph(warp_linear(smooth, scale * hand.linear, 0))


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
