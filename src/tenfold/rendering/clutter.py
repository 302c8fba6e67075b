"""What stands beside numbers and is not to be read: print, letters, stamps, doodles, dirt.

None of it has a label. All of it keeps clear of characters, except what crosses them out.
"""

import dataclasses
import math

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.glyphs import LETTERS, GlyphSource, Hand
from tenfold.rendering.sampling import Random, bernoulli, log_uniform
from tenfold.rendering.scene import Box, Scene
from tenfold.rendering.strokes import catmull_rom, draw_polylines
from tenfold.rendering.typefaces import PRINTED_HEIGHT_PX, WORDS, printed_text, sample_typeface

ATTEMPTS = 5


def print_words(scene: Scene, random: Random) -> None:
    """Print one to three words where no character is."""
    typeface, darkness = sample_typeface(random), random.uniform(0.3, 1)
    scale = log_uniform(random, (7, 34)) / PRINTED_HEIGHT_PX
    for _ in range(int(random.integers(1, 4))):
        word = printed_text(WORDS[random.integers(len(WORDS))], typeface)
        scatter(scene, _scaled(word, scale, random), darkness)


def print_paragraph(scene: Scene, random: Random) -> None:
    """Print two to four lines of small text where no character is."""
    typeface, darkness = sample_typeface(random), random.uniform(0.4, 1)
    scale = log_uniform(random, (7, 18)) / PRINTED_HEIGHT_PX
    pitch, width = round(1.7 * PRINTED_HEIGHT_PX * scale), int(random.uniform(40, 150))
    rows = int(random.integers(2, 5))
    block = np.zeros((rows * pitch + pitch, width), np.float32)
    for row in range(rows):
        x = 0
        while x < width:
            word = _scaled(
                printed_text(WORDS[random.integers(len(WORDS))], typeface), scale, random
            )
            h, w = word.shape
            bottom = (row + 1) * pitch
            target = block[max(0, bottom - h) : bottom, x : x + w]
            target[:] = word[-target.shape[0] :, : target.shape[1]]
            x += w + round(0.4 * pitch)
    scatter(scene, block, darkness)


def write_letters(scene: Scene, source: GlyphSource, hand: Hand, random: Random) -> None:
    """Write one to four letters or symbols by hand where no character is, as large as digits."""
    hand = dataclasses.replace(hand, form="template", unevenness=1.0)
    for _ in range(int(random.integers(1, 5))):
        letter = LETTERS[random.integers(len(LETTERS))]
        scatter(scene, source.draw(letter, hand, random).coverage, hand.darkness)


def stamp(scene: Scene, random: Random) -> None:
    """Press a stamp: a ring or frame with a word, turned, grey, most of it outside the crop."""
    side = int(random.uniform(60, 130))
    canvas = np.zeros((side, side), np.float32)
    middle, width = side // 2, int(random.integers(1, 4))
    if bernoulli(random, 0.5):
        cv2.circle(canvas, (middle, middle), middle - 4, 1.0, width, cv2.LINE_AA)
    else:
        cv2.rectangle(canvas, (4, side // 4), (side - 4, side - side // 4), 1.0, width)
    word = printed_text(WORDS[random.integers(len(WORDS))], sample_typeface(random))
    scale = 0.7 * side / max(word.shape[1], 2 * word.shape[0])
    small = cv2.resize(word, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = middle - small.shape[0] // 2, middle - small.shape[1] // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    turn = cv2.getRotationMatrix2D((middle, middle), random.uniform(-45, 45), 1)
    turned = cv2.warpAffine(canvas, turn, (side, side)).astype(np.float32)
    scatter(scene, turned, random.uniform(0.2, 0.6), margin=1)


def doodle(scene: Scene, random: Random) -> None:
    """Draw a scribble, a zigzag or a long curve beside the characters."""
    size = random.uniform(12, 70)
    count = int(random.integers(5, 14))
    points = random.uniform(0, 1, (count, 2)) * (size * random.uniform(0.6, 3), size)
    if bernoulli(random, 0.4):
        points = points[np.argsort(points[:, 0])]
    if bernoulli(random, 0.6):
        points = catmull_rom(points, steps=6)
    points -= points.min(axis=0) - 4
    w, h = np.ceil(points.max(axis=0) + 4).astype(int)
    canvas = draw_polylines([points], (int(h), int(w)), int(random.integers(1, 5)))
    scatter(scene, canvas.astype(np.float32) / np.float32(255), random.uniform(0.3, 1))


def specks(scene: Scene, random: Random) -> None:
    """Scatter dirt: dots, hairs and grains, smaller than a decimal point beside a number."""
    h, w = scene.shape
    for _ in range(int(random.integers(1, 9))):
        x, y = random.uniform(0, w), random.uniform(0, h)
        dx, dy = random.normal(0, 1.2, 2)
        box = (x - 3, y - 3, x + 3, y + 3)
        if scene.is_free(box, 3):
            level, width = int(random.uniform(60, 255)), int(random.integers(1, 3))
            scene.draw_line([(x, y), (x + dx, y + dy)], level, width)


def show_through(scene: Scene, random: Random) -> None:
    """Let print of the other side of thin paper show, mirrored, blurred and faint, anywhere."""
    typeface, darkness = sample_typeface(random), scene.faintest * random.uniform(0.08, 0.3)
    scale = log_uniform(random, (12, 60)) / PRINTED_HEIGHT_PX
    for _ in range(int(random.integers(1, 5))):
        word = WORDS[random.integers(len(WORDS))]
        text = str(random.integers(10)) if bernoulli(random, 0.7) else word
        seen = _scaled(printed_text(text, typeface), scale, random)[:, ::-1]
        soft = cv2.GaussianBlur(np.pad(seen, 4), (0, 0), random.uniform(0.5, 2))
        h, w = soft.shape
        left, top = (
            random.uniform(-side / 2, length - side / 2)
            for side, length in ((w, scene.shape[1]), (h, scene.shape[0]))
        )
        scene.add(np.asarray(soft, np.float32), round(left), round(top), darkness)


def neighbouring_line(scene: Scene, source: GlyphSource, hand: Hand, random: Random) -> None:
    """Write digits of which less than half reaches into the crop, at its top or bottom."""
    top = bernoulli(random, 0.5)
    x = random.uniform(-10, 0.5 * scene.shape[1])
    for _ in range(int(random.integers(1, 7))):
        coverage = source.draw(str(random.integers(10)), hand, random).coverage
        h, w = coverage.shape
        seen = int(h * random.uniform(0.1, 0.4))
        y = seen - h if top else scene.shape[0] - seen
        if scene.is_free((x, y, x + w, y + h), 2):
            scene.add(coverage, int(x), y, hand.darkness)
            scene.occupied.append((x, y, x + w, y + h))
        x += w + random.uniform(0, 0.5) * hand.height_px


def cross_out(scene: Scene, box: Box, unit: float, darkness: float) -> None:
    """Cross a box of the page out with an X, with strokes, or with a zigzag.

    Args:
        scene: what to draw on.
        box: position on the page.
        unit: height of a digit.
        darkness: of the pen.
    """
    random = scene.random
    left, top, right, bottom = np.array(box) + random.normal(0, 0.06 * unit, 4)
    kind = random.integers(3)
    if kind == 0:
        lines = [[(left, top), (right, bottom)], [(right, top), (left, bottom)]]
    elif kind == 1:
        rows = np.linspace(top, bottom, int(random.integers(5, 8)))[1:-1]
        lines = [[(left, y), (right, y + random.normal(0, 0.05 * unit))] for y in rows]
    else:
        legs = max(5, int((right - left) / unit * random.uniform(6, 10)))
        columns = np.linspace(left, right, legs)
        lines = [[(x, top if i % 2 else bottom) for i, x in enumerate(columns)]]
    width = max(2, round(unit * random.uniform(0.06, 0.13)))
    corners = [scene.to_crop(*corner) for corner in ((left, top), (right, bottom))]
    scene.occupied.append((*corners[0], *corners[1]))
    for line in lines:
        points = [scene.to_crop(*point) for point in line]
        scene.draw_line(points, round(255 * darkness), width)


def scatter(
    scene: Scene, coverage: npt.NDArray[np.float32], darkness: float, margin: float = 3
) -> None:
    """Add a picture at a random place where no character is; nothing if none is found."""
    h, w = coverage.shape
    for _ in range(ATTEMPTS):
        left = round(scene.random.uniform(-0.4 * w, scene.shape[1] - 0.6 * w))
        top = round(scene.random.uniform(-0.4 * h, scene.shape[0] - 0.6 * h))
        box = (left, top, left + w, top + h)
        if scene.is_free(box, margin):
            scene.add(coverage, left, top, darkness)
            scene.occupied.append(box)
            return


def _scaled(
    coverage: npt.NDArray[np.float32], scale: float, random: Random
) -> npt.NDArray[np.float32]:
    stretch = math.exp(random.normal(0, 0.1))
    size = (
        max(1, round(coverage.shape[1] * scale * stretch)),
        max(1, round(coverage.shape[0] * scale)),
    )
    small = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32, copy=False)
