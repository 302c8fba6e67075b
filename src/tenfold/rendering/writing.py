"""Numbers as text, and how a hand writes them on a line."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tenfold.rendering.glyphs import (
    DIGITS,
    LETTERS,
    MNIST_BOX_PX,
    Form,
    Glyph,
    GlyphSource,
    Hand,
)
from tenfold.rendering.sampling import Random, Range, bernoulli, log_uniform, weighted_choice
from tenfold.rendering.scene import Scene
from tenfold.rendering.typefaces import sample_typeface

FORMS: tuple[tuple[Form, float], ...] = (
    ("scanned", 0.31),
    ("skeleton", 0.2),
    ("template", 0.19),
    ("print", 0.3),
)
# Of the width of the narrower of two neighbours.
MAX_OVERLAP = 0.8
# Mean gaps in pixels of MNIST's scale, and how they vary within a number.
GAPS: tuple[tuple[Range, float], ...] = (
    ((2.0, 14.0), 0.32),
    ((-1.0, 3.0), 0.28),
    ((-6.0, 0.5), 0.4),
)
GAP_STD = 1.2
# Of a hard pencil, beside bold print, to that of a soft one.
FAINT_DARKNESS = (0.12, 0.6)
SHORTEST_WITH_MARKS = 3


@dataclass(frozen=True)
class Spacing:
    """Gaps between neighbours, between their boxes, in pixels of the crop."""

    mean_px: float
    std_px: float


def sample_darkness(random: Random) -> float:
    """Draw the darkness of a pen; a third of them are faint."""
    if bernoulli(random, 0.35):
        return log_uniform(random, FAINT_DARKNESS)
    return random.uniform(0.6, 1.0)


def sample_hand(
    height_px: float,
    tilt: tuple[float, float],
    random: Random,
    forms: tuple[tuple[Form, float], ...] = FORMS,
    darkness: Callable[[Random], float] = sample_darkness,
) -> Hand:
    """Draw how a number is written.

    Args:
        height_px: height of its digits.
        tilt: cosine and sine of the rotation of the page.
        random: source of the draws.
        forms: where the shapes of digits may come from, with probabilities.
        darkness: draws that of the pen.
    """
    form, (cos, sin) = weighted_choice(random, forms), tilt
    printed = form == "print"
    slant = 0.0 if printed else random.normal(0.05, 0.18)
    aspect = math.exp(random.normal(0, 0.08 if printed else 0.15))
    stroke_share = log_uniform(random, (0.04, 0.17))
    return Hand(
        form=form,
        height_px=height_px,
        stroke_px=max(1.0, stroke_share * height_px),
        darkness=darkness(random),
        linear=np.array([[cos, -sin], [sin, cos]]) @ [[aspect, -slant], [0.0, 1.0]],
        unevenness=random.uniform(0.3, 1.5),
        threshold=random.uniform(0.18, 0.6),
        sharpness=random.uniform(1.0, 2.5),
        typeface=sample_typeface(random),
    )


def sample_spacing(hand: Hand, random: Random) -> Spacing:
    """Draw the gaps of a number: wide, touching or overlapping."""
    pixels_per_mnist = hand.height_px / MNIST_BOX_PX
    if hand.form == "print":
        return Spacing(pixels_per_mnist * random.uniform(1.5, 5), 0.2)
    mean = random.uniform(*weighted_choice(random, GAPS))
    return Spacing(mean * pixels_per_mnist, GAP_STD * pixels_per_mnist)


def sample_digits(count: int, random: Random) -> str:
    """Draw a number of so many digits; some consist of few different ones, as 1, 11, 100 do."""
    if bernoulli(random, 0.03):
        return "1" * count
    return "".join(map(str, random.integers(0, 10, count)))


def sample_number(max_length: int, random: Random) -> str:
    """Draw a number as people write it: digits, and in one of four cases some marks."""
    count = int(random.integers(1, max(2, max_length + 1)))
    if max_length < SHORTEST_WITH_MARKS or bernoulli(random, 0.68):
        return sample_digits(count, random)
    return MARKED_NUMBERS[int(random.integers(len(MARKED_NUMBERS)))](count, random)


def decimal(count: int, random: Random) -> str:
    """Draw a number of at least two digits with a point or comma, now and then negative."""
    digits = sample_digits(max(2, count), random)
    place = len(digits) - int(random.integers(1, min(3, len(digits) - 1) + 1))
    sign = "-" if bernoulli(random, 0.15) else ""
    return sign + digits[:place] + (".", ",")[random.integers(2)] + digits[place:]


def negative(count: int, random: Random) -> str:
    """Draw a negative number of so many digits."""
    return "-" + sample_digits(count, random)


def _date(_: int, random: Random) -> str:
    separator = "/.-"[random.integers(3)]
    day, month, year = random.integers(1, 32), random.integers(1, 13), random.integers(0, 100)
    full = "20" if bernoulli(random, 0.3) else ""
    parts = [f"{day:02d}" if bernoulli(random, 0.6) else f"{day}", f"{month}", f"{full}{year:02d}"]
    return separator.join(parts[: int(random.integers(2, 4))])


def fraction(count: int, random: Random) -> str:
    """Draw a fraction of about so many digits, one to three on each side."""
    above = int(random.integers(1, max(2, min(3, count))))
    return sample_digits(above, random) + "/" + sample_digits(max(1, min(3, count - above)), random)


def time_of_day(_: int, random: Random) -> str:
    """Draw hours and minutes, as in 9:05."""
    hours, minutes = random.integers(0, 24), random.integers(0, 60)
    return f"{hours}:{minutes:02d}"


def _dashed(count: int, random: Random) -> str:
    digits = sample_digits(max(3, count), random)
    place = int(random.integers(1, len(digits)))
    return digits[:place] + "-" + digits[place:]


# Numbers with marks, of about so many digits.
MARKED_NUMBERS = (decimal, negative, _date, fraction, time_of_day, _dashed)


def other_form(hand: Hand, random: Random) -> Hand:
    """Return the hand, now and then with another form for one digit, so that numbers mix them."""
    if hand.form == "print" or not bernoulli(random, 0.12):
        return hand
    form: Form = ("scanned", "skeleton", "template")[int(random.integers(3))]
    return dataclasses.replace(hand, form=form)


def draw_text(text: Sequence[str], hand: Hand, source: GlyphSource, random: Random) -> list[Glyph]:
    """Draw characters, each for itself; letters are given by their names in `LETTERS`."""
    return [
        source.draw(character, other_form(hand, random) if character in DIGITS else hand, random)
        for character in text
    ]


def centres(
    glyphs: Sequence[Glyph], hand: Hand, spacing: Spacing, random: Random
) -> list[tuple[float, float]]:
    """Arrange characters on a line: the middle of each, the line starting at (0, 0).

    y = 0 is the middle of the digits' height. The line may rise or fall a little.
    """
    x, drift = 0.0, random.normal(0, 0.012)
    wobble = (0.0 if hand.form == "print" else 0.05 * hand.unevenness) * hand.height_px
    arranged: list[tuple[float, float]] = []
    before = 0.0
    for number, glyph in enumerate(glyphs):
        width = glyph.coverage.shape[1] - 2.0
        if number:
            gap = spacing.mean_px + random.normal(0, spacing.std_px)
            if glyph.character in DIGITS and glyphs[number - 1].character in DIGITS:
                x += max(gap, -MAX_OVERLAP * min(width, before))
            else:  # marks keep clear of digits: they would be part of them
                x += max(gap, 0.03 * hand.height_px) + 1
        y = _height_of(glyph, hand, random) + random.normal(0, wobble) + drift * x
        arranged.append((x + width / 2, y))
        x += width
        before = width
    return arranged


def line_width(glyphs: Sequence[Glyph], arranged: Sequence[tuple[float, float]]) -> float:
    """Return the width of arranged characters in pixels."""
    ends = [
        x + float(glyph.coverage.shape[1]) / 2
        for (x, _), glyph in zip(arranged, glyphs, strict=True)
    ]
    return max(ends, default=0.0)


def cut_to_width(
    glyphs: list[Glyph], arranged: list[tuple[float, float]], width: float
) -> tuple[list[Glyph], list[tuple[float, float]]]:
    """Return as many of the first arranged characters as are no wider than this; at least one."""
    count = len(glyphs)
    while count > 1 and line_width(glyphs[:count], arranged[:count]) > width:
        count -= 1
    return glyphs[:count], arranged[:count]


def _height_of(glyph: Glyph, hand: Hand, random: Random) -> float:
    """Return how far below the middle of the line the middle of a character is."""
    half, own = hand.height_px / 2, float(glyph.coverage.shape[0] - 2) / 2
    if glyph.character == ".":
        return half - own - hand.height_px * random.normal(0, 0.02)
    if glyph.character == ",":
        return half + 0.3 * own
    if glyph.character == "-":
        return hand.height_px * random.normal(0, 0.06)
    if glyph.character in LETTERS and glyph.character.islower() and len(glyph.character) == 1:
        return 0.1 * half
    return 0.0


def place_text(  # noqa: PLR0913 - a text, its place and its pen
    scene: Scene,
    glyphs: Sequence[Glyph],
    arranged: Sequence[tuple[float, float]],
    start: tuple[float, float],
    hand: Hand,
    *,
    labelled: bool = True,
) -> None:
    """Place arranged characters on the scene, starting at a position on the page.

    Letters have no labels, nor has anything if it is not `labelled`.
    """
    for glyph, (x, y) in zip(glyphs, arranged, strict=True):
        place = (start[0] + x, start[1] + y)
        has_label = labelled and glyph.character not in LETTERS
        scene.place(glyph, place, hand.darkness, labelled=has_label)
