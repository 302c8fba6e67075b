"""Pictures with digits of 12 to 600 pixels, and with several numbers, beside `HELD_OUT`."""

import functools
from collections.abc import Callable

import cv2
import numpy as np

from tenfold.rendering.held_out import DIGIT_HEIGHT_PX, Labelled, Writer, of_height
from tenfold.rendering.pen import arrange_line, redraw_digit
from tenfold.rendering.sampling import Range, bernoulli, log_uniform

DIGIT_HEIGHTS_PX = (12, 20, 40, 80, 200, 600)
CANVAS_SIDES_PX: tuple[Range, ...] = ((20, 60), (60, 200), (200, 600))
CANVAS_HEIGHT_PX = (24.0, 120.0)


def one_digit(writer: Writer, side_px: Range) -> Labelled:
    """Enlarge an image of MNIST as it is, light on dark or dark on light."""
    random, source = writer.random, writer.source
    chosen, side = int(random.integers(len(source.images))), round(log_uniform(random, side_px))
    image = source.images[chosen]
    levels = image if bernoulli(random, 0.5) else 255 - image
    enlarged = cv2.resize(levels, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.uint8), str(source.labels[chosen])


def thick_canvas(writer: Writer) -> Labelled:
    """Draw one to three digits with a thick pen on a small canvas that they nearly fill."""
    random, source = writer.random, writer.source
    height = log_uniform(random, CANVAS_HEIGHT_PX)
    tall = height * random.uniform(0.55, 0.85)
    chosen = random.integers(0, len(source.images), int(random.integers(1, 4)))
    stroke = tall * random.uniform(0.13, 0.22)
    glyphs = [redraw_digit(source.images[k], tall, stroke, 0.0) for k in chosen]
    line = arrange_line(glyphs, max(2.0, 0.12 * tall), 0.02 * tall, random, kerned=False)
    margin = max(1, round((height - tall) / 2))
    coverage = np.pad(line, margin)
    levels = 255 * (coverage if bernoulli(random, 0.5) else 1 - coverage)
    return levels.astype(np.uint8), "".join(str(source.labels[k]) for k in chosen)


def four_numbers(writer: Writer) -> Labelled:
    """Put four numbers of one height in two rows; in the text, a space is between them."""
    height_px = log_uniform(writer.random, DIGIT_HEIGHT_PX)
    cells = [of_height(writer, height_px) for _ in range(4)]
    shape = np.max([picture.shape for picture, _ in cells], axis=0)
    padded = [
        np.pad(
            picture,
            [(0, side - own) for side, own in zip(shape, picture.shape, strict=True)],
            mode="edge",
        )
        for picture, _ in cells
    ]
    table = np.vstack([np.hstack(padded[:2]), np.hstack(padded[2:])])
    return table, " ".join(text for _, text in cells)


PICTURE_SIZES: dict[str, Callable[[Writer], Labelled]] = {
    **{
        f"digits-{height}px": functools.partial(of_height, height_px=height)
        for height in DIGIT_HEIGHTS_PX
    },
    **{
        f"one-digit-{low}-{high}px": functools.partial(one_digit, side_px=(low, high))
        for low, high in CANVAS_SIDES_PX
    },
    "thick-canvas": thick_canvas,
    "four-numbers": four_numbers,
}
