"""The shipped classifier on kinds of pictures that once went wrong: a least for each."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tenfold.data.normalization import foreground_box
from tenfold.reading.reader import Reader
from tenfold.rendering.strokes import draw_digit

Picture = npt.NDArray[np.uint8]


def cropped(drawing: Picture) -> Picture:
    top, left, bottom, right = foreground_box(drawing.astype(np.float32))
    return drawing[top:bottom, left:right]


def sized(drawing: Picture, side: int) -> Picture:
    return np.asarray(cv2.resize(drawing, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def binary_to_the_edges(drawing: Picture) -> Picture:
    return np.where(sized(cropped(drawing), 16) > 110, 255, 0).astype(np.uint8)


def grey_to_the_edges(drawing: Picture) -> Picture:
    return sized(cropped(drawing), 16)


def eight_pixels(drawing: Picture) -> Picture:
    return sized(drawing, 8)


def poor_jpeg(drawing: Picture) -> Picture:
    _, data = cv2.imencode(".jpg", 255 - sized(drawing, 60), [cv2.IMWRITE_JPEG_QUALITY, 25])
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def in_a_shadow(drawing: Picture) -> Picture:
    paper = np.full((300, 300), 225, np.float32)
    paper[:, 140:] *= 0.6
    foreground = (
        cv2.resize(drawing, (200, 200), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    )
    paper[50:250, 50:250] *= 1 - 0.7 * foreground.clip(0, 1)
    noise = np.random.default_rng(0).normal(0, 4, paper.shape)
    return (paper + noise).clip(0, 255).astype(np.uint8)


def on_squared_paper(drawing: Picture) -> Picture:
    paper = np.full((300, 300, 3), 235, np.uint8)
    for place in range(20, 300, 60):
        cv2.line(paper, (0, place), (299, place + 12), (150, 175, 215), 3, cv2.LINE_AA)
        cv2.line(paper, (place, 0), (place - 12, 299), (150, 175, 215), 3, cv2.LINE_AA)
    foreground = cv2.resize(drawing, (240, 240), interpolation=cv2.INTER_CUBIC)[..., None] / 255
    inner = paper[30:270, 30:270]
    inner[:] = inner * (1 - foreground.clip(0, 1)) + np.array([30, 40, 120]) * foreground.clip(0, 1)
    return paper


@pytest.mark.parametrize(
    ("kind", "count", "least"),
    [
        (binary_to_the_edges, 100, 85),
        (grey_to_the_edges, 100, 85),
        (eight_pixels, 100, 70),
        (poor_jpeg, 100, 95),
        (in_a_shadow, 60, 57),
        (on_squared_paper, 50, 46),
    ],
)
def test_most_digits_of_each_kind_are_read(
    kind: Callable[[Picture], Picture], count: int, least: int
) -> None:
    random = np.random.default_rng(11)
    drawings = [draw_digit(index % 10, random) for index in range(count)]
    read = Reader.load().read_all(map(kind, drawings), "single")
    right = [page.numbers[0].value == str(index % 10) for index, page in enumerate(read)]
    assert sum(right) >= least
