"""Pictures of numbers to validate and measure a reader on, each set with one difficulty.

They are written with the digits that are passed in: with those of MNIST's test or validation
images, nothing in them has been trained on. A picture depends on the name of its set and its index
alone; another version of OpenCV may give other bytes.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from tenfold.arrays import Pixels
from tenfold.data.seeds import derive_seed
from tenfold.rendering.boxes import comb, rules_around, sample_ruler
from tenfold.rendering.clutter import cross_out, print_words
from tenfold.rendering.exposure import expose, plain_exposure
from tenfold.rendering.glyphs import Form, GlyphSource, Hand
from tenfold.rendering.ground import desk_levels
from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.scene import Box, Ruler, Scene
from tenfold.rendering.writing import (
    Spacing,
    centres,
    draw_text,
    line_width,
    place_text,
    sample_digits,
    sample_hand,
)

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits

HELD_OUT_VERSION = 1
DIGIT_HEIGHT_PX = (18.0, 60.0)
NUMBER_LENGTH = 4
SIDE_BY_SIDE_GAPS = (6, 3, 1, 0, -1, -2, -4)
SIDE_BY_SIDE_SCALE = 2
MNIST_FORMS: tuple[tuple[Form, float], ...] = (("scanned", 0.6), ("skeleton", 0.4))
FAINT_CONTRAST = (25.0, 45.0)
# MNIST's images have a soft edge; fainter pixels do not count as part of a digit.
SIDE_BY_SIDE_EDGE = 30
MAX_LABELS = 64

T = TypeVar("T")

Labelled = tuple[Pixels, str]


def held_out_fields(name: str, digits: "Digits", n: int) -> Iterator[Labelled]:
    """Render the first n pictures of a set.

    Args:
        name: a key of `HELD_OUT`.
        digits: images to write with.
        n: number of pictures.

    Yields:
        uint8[h, w], and the number in it; "" if there is none.
    """
    return render_pictures(name, HELD_OUT[name], digits, n)


@dataclass(frozen=True, eq=False)
class Writer:
    """What a set is rendered with."""

    source: GlyphSource
    random: Random


def render_pictures(
    name: str, render: Callable[[Writer], T], digits: "Digits", n: int
) -> Iterator[T]:
    """Render n pictures, each a function of `name` and its index alone."""
    source = GlyphSource(digits)
    for index in range(n):
        random = np.random.default_rng(derive_seed(HELD_OUT_VERSION, name, index))
        yield render(Writer(source, random))


@dataclass(frozen=True, eq=False)
class Sheet:
    """A scene with one number on it, and the height of its digits, pixels."""

    scene: Scene
    hand: Hand
    box: Box
    text: str


def in_comb(writer: Writer) -> Labelled:
    """Render four digits in boxes, which they do not touch."""
    return _expose(writer, _comb_sheet(writer, (1.25, 1.7)))


def across_rules(writer: Writer) -> Labelled:
    """Render four digits that touch or cross the rules of their boxes, or the one they stand on."""
    random = writer.random
    if bernoulli(random, 0.5):
        return _expose(writer, _comb_sheet(writer, (0.8, 1.02)))
    sheet = _free_sheet(writer, sample_digits(NUMBER_LENGTH, random))
    left, _, right, bottom = sheet.box
    y = bottom - random.uniform(0, 0.2) * sheet.hand.height_px
    reach = sheet.hand.height_px
    sheet.scene.rule((left - reach, y), (right + reach, y), _solid_ruler(random))
    return _expose(writer, sheet)


def decimals(writer: Writer) -> Labelled:
    """Render a number with a point or comma, a minus, or both."""
    random = writer.random
    digits = sample_digits(int(random.integers(2, 6)), random)
    sign = "-" if bernoulli(random, 0.4) else ""
    place = int(random.integers(1, len(digits)))
    if bernoulli(random, 0.75):
        digits = digits[:place] + (".", ",")[random.integers(2)] + digits[place:]
    elif not sign:
        sign = "-"
    sheet = _free_sheet(writer, sign + digits)
    return _expose(writer, dataclasses.replace(sheet, text=sheet.text.replace(",", ".")))


def empty_and_crossed_out(writer: Writer) -> Labelled:
    """Render boxes without a digit, some of them crossed out."""
    return _expose(writer, _comb_sheet(writer, (0.95, 1.7), filled=False))


def on_dark_desk(writer: Writer) -> Labelled:
    """Render a sheet with a number that lies on a dark or wooden desk."""
    random = writer.random
    sheet = _free_sheet(writer, sample_digits(NUMBER_LENGTH, random))
    h, w = sheet.scene.shape
    around = [int(side * random.uniform(0.15, 0.8)) for side in (h, h, w, w)]
    large = _blank_scene((h + around[0] + around[1], w + around[2] + around[3]), random)
    top, left = around[0], around[2]
    inside = (slice(top, top + h), slice(left, left + w))
    large.ink[inside], large.printed[inside] = sheet.scene.ink, sheet.scene.printed
    y, x = np.mgrid[: large.shape[0], : large.shape[1]].astype(np.float32)
    large.desk = desk_levels(x, y, random.uniform(5, 90), random)
    large.desk[inside] = -1
    turn = cv2.getRotationMatrix2D((large.shape[1] / 2, large.shape[0] / 2), random.normal(0, 3), 1)
    for layer, border in ((large.ink, 0), (large.printed, 0)):
        layer[:] = cv2.warpAffine(layer, turn, layer.shape[::-1], borderValue=border)
    large.desk = cv2.warpAffine(
        large.desk, turn, large.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    ).astype(np.float32)
    return _expose(writer, dataclasses.replace(sheet, scene=large))


def with_borders(writer: Writer) -> Labelled:
    """Render a number with a white or black border around the picture."""
    random = writer.random
    pixels, text = _expose(writer, _free_sheet(writer, sample_digits(NUMBER_LENGTH, random)))
    level = 255 if bernoulli(random, 0.5) else 0
    top, bottom, left, right = (int(pixels.shape[0] * random.uniform(0.1, 1)) for _ in range(4))
    bordered = cv2.copyMakeBorder(
        pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=level
    )
    return bordered.astype(np.uint8, copy=False), text


def in_faint_pencil(writer: Writer) -> Labelled:
    """Render a number in faint pencil, beside bold print."""
    random = writer.random
    sheet = _free_sheet(writer, sample_digits(NUMBER_LENGTH, random))
    exposure = plain_exposure(random, sheet.hand.height_px)
    contrast = random.uniform(*FAINT_CONTRAST)
    sheet.scene.ink *= contrast / ((exposure.paper - exposure.black) * sheet.hand.darkness)
    rules_around(sheet.scene, sheet.box, 1.3 * sheet.hand.height_px, _solid_ruler(random))
    print_words(sheet.scene, random)
    exposure = dataclasses.replace(exposure, noise=random.uniform(0, 5), darkest=1.0)
    return expose(sheet.scene, exposure, random), sheet.text


def of_height(writer: Writer, height_px: float) -> Labelled:
    """Render four digits of a height on plain paper."""
    text = sample_digits(NUMBER_LENGTH, writer.random)
    return _expose(writer, _free_sheet(writer, text, height_px))


def side_by_side(writer: Writer, gap: int) -> Labelled:
    """Set four images side by side, `gap` pixels of MNIST apart, enlarged twice, dark on light."""
    random, source = writer.random, writer.source
    chosen = random.integers(0, len(source.images), NUMBER_LENGTH)
    crops = []
    for image in source.images[chosen]:
        columns = np.flatnonzero((image > SIDE_BY_SIDE_EDGE).any(axis=0))
        crops.append(image[:, columns[0] : columns[-1] + 1] if len(columns) else image)
    margin, height = 20, 40
    width = sum(crop.shape[1] for crop in crops) + gap * (len(crops) - 1) + 2 * margin
    canvas, x = np.zeros((height, width), np.uint8), margin
    for crop in crops:
        top = int(random.integers(4, 9))
        target = canvas[top : top + crop.shape[0], x : x + crop.shape[1]]
        np.maximum(target, crop, out=target)
        x += crop.shape[1] + gap
    size = (width * SIDE_BY_SIDE_SCALE, height * SIDE_BY_SIDE_SCALE)
    enlarged = cv2.resize(255 - canvas, size, interpolation=cv2.INTER_CUBIC)
    text = "".join(str(source.labels[index]) for index in chosen)
    return enlarged.astype(np.uint8, copy=False), text


HELD_OUT: dict[str, Callable[[Writer], Labelled]] = {
    "comb": in_comb,
    "touching-rules": across_rules,
    "decimals": decimals,
    "empty-and-crossed": empty_and_crossed_out,
    "dark-desk": on_dark_desk,
    "borders": with_borders,
    "faint-pencil": in_faint_pencil,
    **{
        f"side-by-side{gap:+d}": functools.partial(side_by_side, gap=gap)
        for gap in SIDE_BY_SIDE_GAPS
    },
}


def _blank_scene(shape: tuple[int, int], random: Random) -> Scene:
    return Scene(shape, (1.0, 0.0), random, MAX_LABELS)


def even_hand(random: Random, height_px: float, tilt: tuple[float, float] = (1.0, 0.0)) -> Hand:
    """Draw a hand that can be read: a pen that is not faint, digits of similar size."""
    hand = sample_hand(height_px, tilt, random, MNIST_FORMS, _sample_darkness)
    return dataclasses.replace(hand, unevenness=min(hand.unevenness, 1.0))


def _sample_darkness(random: Random) -> float:
    low, high = (0.3, 0.6) if bernoulli(random, 0.2) else (0.6, 1.0)
    return random.uniform(low, high)


def _sample_hand(random: Random, height_px: float | None = None) -> Hand:
    return even_hand(random, height_px or log_uniform(random, DIGIT_HEIGHT_PX))


def _free_sheet(writer: Writer, text: str, height_px: float | None = None) -> Sheet:
    """Write a number on blank paper."""
    random = writer.random
    hand = _sample_hand(random, height_px)
    spacing = Spacing(hand.height_px * random.uniform(0.06, 0.4), 0.02 * hand.height_px)
    glyphs = draw_text(text, hand, writer.source, random)
    arranged = centres(glyphs, hand, spacing, random)
    width = line_width(glyphs, arranged)
    shape = (
        int(hand.height_px * random.uniform(1.7, 3)),
        int(width + hand.height_px * random.uniform(1, 4)),
    )
    scene = _blank_scene(shape, random)
    place_text(scene, glyphs, arranged, (-width / 2, 0), hand)
    half = hand.height_px / 2
    return Sheet(scene, hand, (-width / 2, -half, width / 2, half), text)


def _comb_sheet(writer: Writer, size: tuple[float, float], *, filled: bool = True) -> Sheet:
    """Print four boxes, `size` times as high as a digit, and write into them or cross them out."""
    random = writer.random
    hand = _sample_hand(random)
    unit = hand.height_px
    height = unit * random.uniform(*size)
    pitch = max(height * random.uniform(0.75, 1.1), 0.7 * unit)
    shape = (
        int(height + unit * random.uniform(0.5, 2)),
        int(4 * pitch + unit * random.uniform(0.5, 3)),
    )
    scene = _blank_scene(shape, random)
    cells = comb(scene, NUMBER_LENGTH, pitch, height, _solid_ruler(random))
    text = sample_digits(NUMBER_LENGTH, random) if filled else ""
    for place, cell in enumerate(cells):
        middle = ((cell[0] + cell[2]) / 2, (cell[1] + cell[3]) / 2)
        if filled:
            glyph = writer.source.draw(text[place], hand, random)
            scene.place(glyph, middle, hand.darkness)
        elif bernoulli(random, 0.5):
            cross_out(scene, cell, unit, hand.darkness)
    return Sheet(scene, hand, (-2 * pitch, -height / 2, 2 * pitch, height / 2), text)


def _solid_ruler(random: Random) -> Ruler:
    return dataclasses.replace(sample_ruler(random), missing=0.0, dash_px=0.0)


def _expose(writer: Writer, sheet: Sheet) -> Labelled:
    exposure = plain_exposure(writer.random, sheet.hand.height_px)
    return expose(sheet.scene, exposure, writer.random), sheet.text
