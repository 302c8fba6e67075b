"""From the ink of a picture with several digits to one box a digit, in reading order.

Pieces of ink that stand above each other belong to one digit; pieces much wider than their
line's digits are several that touch, and are parted where the ink is thinnest.
"""

from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.normalization import Foreground, foreground_box, stroke_width
from tenfold.reading.crops import Box
from tenfold.reading.line_removal import BODY, with_edge

_SMALLEST = 0.28  # of the usual height: lower pieces are specks, dots and dashes
_NARROW = 0.85  # of the usual height: a piece that is no wider is one digit
_WIDEST = 1.8  # of the usual height: a piece that is wider is several
_BESIDE = 0.2  # of the usual height: farther away lies what is no part of a digit
_MOST = 8  # digits that touch
_HAIR = 0.5  # of the usual stroke's width: thinner at an edge is what is left of a line
_RIM = 0.2  # of a frame's sides: there lies most of its ink
_INSIDE = 0.25  # of a frame's height: what is smaller is dirt
_OVERLAP = 0.5  # of the narrower piece's width: above each other
_PART = 0.6  # of the usual height: lower pieces may be parts of a digit
_BAR = 0.25  # of the usual height: so far above its line a part may be
_NEIGHBOURS = 3  # by which a piece's line is known
_LOWEST_LINE = 0.4  # of the usual height of all lines

Cut = list[tuple[Box, Foreground]]


@dataclass(frozen=True)
class Piece:
    """Connected ink: its box, and its label in the map of pieces."""

    box: Box
    labels: tuple[int, ...]
    area: float

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.box[3] - self.box[1]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.box[2] - self.box[0]


def segment_digits(ink: Foreground) -> list[list[Cut]]:
    """Part ink float32[h, w] into digits, line by line, left to right.

    Returns:
        for each piece of ink the ways to cut it, each a list of boxes with the ink in them: one
        way for most, more for a piece so wide that it may be several digits.
    """
    pieces, labels = find_components(ink)
    if not pieces:
        return []
    tallest = typical_height(pieces)
    found = []
    for line in group_into_lines(pieces):
        usual = typical_height(line)
        alone = len(line) == 1 and usual < _PART * tallest
        if alone or usual < _LOWEST_LINE * tallest:
            continue  # what is left of printed lines
        waiting = [p for p in merged(line, usual) if p.height >= _SMALLEST * usual]
        while waiting:
            piece = waiting.pop(0)
            ways = _ways(*_own(piece, ink, labels), usual)
            if waiting and _may_be_one(piece, waiting[0], usual):
                other = waiting.pop(0)
                apart = ways[0] + _ways(*_own(other, ink, labels), usual)[0]
                ways = [*_ways(*_own(_joined(piece, other), ink, labels), usual)[:1], apart]
            found.append(ways)
    return found


def _may_be_one(a: Piece, b: Piece, usual: float) -> bool:
    """Whether a piece and its right neighbour, a low one, may be a digit and a part of it."""
    low = min(a.height, b.height) < _PART * usual
    near = b.box[0] - a.box[2] < _BESIDE * usual
    return low and near and b.box[2] - a.box[0] < _WIDEST * usual


def _own(piece: Piece, ink: Foreground, labels: npt.NDArray[np.int32]) -> tuple[Foreground, Box]:
    """Return a piece's ink, with the soft edge that lies around it, and the box of both."""
    left, top = max(piece.box[0] - 1, 0), max(piece.box[1] - 1, 0)
    window = np.s_[top : piece.box[3] + 1, left : piece.box[2] + 1]
    body = np.logical_or.reduce([labels[window] == label for label in piece.labels])
    own = body | (with_edge(body) & (labels[window] == 0))
    content = np.where(own, ink[window], 0).astype(np.float32)
    y, x, bottom, right = foreground_box(content)
    return content[y:bottom, x:right], (left + x, top + y, left + right, top + bottom)


def _ways(content: Foreground, box: Box, usual: float) -> list[Cut]:
    """Cut a piece into as many digits as it may hold, from the fewest to the most."""
    left, top, _, bottom = box
    h, w = content.shape
    ratio = w / max(h, usual)
    most = max(1, min(max(2, round(1.6 * ratio)), _MOST, w // 4)) if ratio >= _NARROW else 1
    fewest = min(most, max(1, int(ratio / _WIDEST)))
    return [
        [((left + a, top, left + b, bottom), content[:, a:b]) for a, b in parted(content, count)]
        for count in range(fewest, most + 1)
    ]


def find_components(ink: Foreground) -> tuple[list[Piece], npt.NDArray[np.int32]]:
    """Connect ink to pieces, without specks; return them and the map of their labels."""
    mask = (ink > BODY).astype(np.uint8)
    _, marked, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels = np.asarray(marked, np.int32)
    h, w = ink.shape
    pieces = []
    for label, (left, top, width, height, area) in enumerate(stats.tolist()):
        if label == 0 or max(width, height) < max(4, 0.015 * max(h, w)):
            continue
        pieces.append(Piece((left, top, left + width, top + height), (label,), area))
    pieces = [piece for piece in pieces if not _frames(piece, pieces, labels)]
    if not pieces:
        return [], labels
    # The height of what carries most ink: dots and noise are many, but light.
    tallest = typical_height(pieces)
    # Measured only where something lies at an edge.
    edge = any(_at_edge(p.box, h, w) for p in pieces)
    thinnest = _HAIR * stroke_width(mask > 0) if edge else 0.0
    kept = [
        p
        for p in pieces
        if max(p.height, p.width) >= 0.15 * tallest
        and not (_at_edge(p.box, h, w) and p.area < thinnest * max(p.height, p.width))
    ]
    return kept, labels


def _at_edge(box: Box, h: int, w: int) -> bool:
    return box[0] == 0 or box[1] == 0 or box[2] == w or box[3] == h


def _frames(piece: Piece, pieces: list[Piece], labels: npt.NDArray[np.int32]) -> bool:
    """Whether a piece has others of some size inside its box: a form's box, a table's edge."""
    left, top, right, bottom = piece.box
    if not any(
        left < p.box[0] and top < p.box[1] and p.box[2] < right and p.box[3] < bottom
        for p in pieces
        if p.height >= _INSIDE * piece.height
    ):
        return False
    x, y = int(_RIM * piece.width), int(_RIM * piece.height)
    inner = labels[top + y : bottom - y, left + x : right - x] == piece.labels[0]
    return bool(inner.sum() < piece.area / 2)


def typical_height(pieces: list[Piece]) -> float:
    """Return the median height of pieces, each as often as it has ink."""
    order = sorted(pieces, key=lambda piece: piece.height)
    weight = np.cumsum([piece.area for piece in order])
    return float(order[int(np.searchsorted(weight, weight[-1] / 2))].height)


def group_into_lines(pieces: list[Piece]) -> list[list[Piece]]:
    """Group pieces whose vertical extents overlap with a line's; top to bottom, left to right.

    Whole digits go first, from the left, and each is held against its neighbours alone: a line
    may climb. Of what is lower, the bar of a 5 may lie above its line.
    """
    usual = typical_height(pieces)
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.height < _PART * usual, piece.box[0])):
        middle = (piece.box[1] + piece.box[3]) / 2
        reach = _BAR * usual if piece.height < _PART * usual else 0
        for line in lines:
            near = sorted(line, key=lambda other: abs(other.box[0] - piece.box[0]))[:_NEIGHBOURS]
            top = float(median([p.box[1] for p in near]))
            bottom = float(median([p.box[3] for p in near]))
            if top - reach <= middle <= bottom:
                line.append(piece)
                break
        else:
            lines.append([piece])
    lines.sort(key=lambda line: float(median([p.box[1] for p in line])))
    return [sorted(line, key=lambda piece: piece.box[0]) for line in lines]


def merged(line: list[Piece], usual: float) -> list[Piece]:
    """Join pieces of a line that stand above each other: the bar of a 5, broken strokes."""
    whole: list[Piece] = []
    for piece in line:
        if whole:
            last = whole[-1]
            shared = min(last.box[2], piece.box[2]) - max(last.box[0], piece.box[0])
            part = min(last.height, piece.height) < _PART * usual  # two whole digits stay apart
            if part and shared > _OVERLAP * min(last.width, piece.width):
                whole[-1] = _joined(last, piece)
                continue
        whole.append(piece)
    return whole


def _joined(a: Piece, b: Piece) -> Piece:
    box = (
        min(a.box[0], b.box[0]),
        min(a.box[1], b.box[1]),
        max(a.box[2], b.box[2]),
        max(a.box[3], b.box[3]),
    )
    return Piece(box, a.labels + b.labels, a.area + b.area)


def parted(ink: Foreground, count: int) -> list[tuple[int, int]]:
    """Part one piece into `count` columns [from, to), near equal ones, where it is thinnest."""
    w = ink.shape[1]
    column = ink.sum(axis=0) + 0.3 * np.count_nonzero(np.diff(ink > BODY, axis=0), axis=0)
    edges = [0]
    for number in range(1, count):
        expected, reach = number * w / count, 0.35 * w / count
        low = max(edges[-1] + 1, int(expected - reach))
        high = max(low + 1, min(w - 1, int(expected + reach) + 1))
        away = np.abs(np.arange(low, high) - expected) / (reach + 1)
        edges.append(low + int(np.argmin(column[low:high] * (1 + away**2) + away)))
    return list(zip(edges, [*edges[1:], w], strict=True))
