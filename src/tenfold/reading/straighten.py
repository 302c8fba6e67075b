"""Straightening the cells of a lattice: a flat picture of them, from full resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Floats, Grey
from tenfold.reading.components import Box
from tenfold.reading.foreground import resize
from tenfold.reading.lattice import Lattice

MAX_PIXELS = 16e6
# More than twice as large as it is needed, a picture is made smaller first: no pixel is skipped.
MAX_REDUCTION = 2.0


@dataclass(frozen=True, eq=False)
class Straightened:
    """The cells of a lattice side by side.

    Attributes:
        grey: uint8[h, w].
        rows, columns: float64[n + 1], positions of the rules in it, from the top and from the left.
        corners: float32[rows + 1, columns + 1, 2], where they are in the original picture.
    """

    grey: Grey
    rows: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64]
    corners: Floats

    def cells_of(self, points: Floats) -> npt.NDArray[np.intp]:
        """Return row and column of the cells in which positions x, y float32[n, 2] are."""
        row = np.searchsorted(self.rows[1:-1], points[:, 1], side="right")
        column = np.searchsorted(self.columns[1:-1], points[:, 0], side="right")
        return np.stack([row, column], axis=1)

    def box_in_original(self, box: Box) -> Box:
        """Return the box of the original picture around a box of this one."""
        left, top, right, bottom = box
        x, y = np.array([left, right, right, left]), np.array([top, top, bottom, bottom])
        mapped = _interpolated(
            self.corners, self._places(y, self.rows), self._places(x, self.columns)
        )
        low, high = np.floor(mapped.min(axis=0)), np.ceil(mapped.max(axis=0))
        return int(max(low[0], 0)), int(max(low[1], 0)), int(high[0]), int(high[1])

    @staticmethod
    def _places(
        positions: npt.NDArray[np.generic], edges: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        return np.asarray(np.interp(positions.astype(float), edges, np.arange(len(edges))))


def straighten(grey: Grey, lattice: Lattice, cell_height_px: float) -> Straightened:
    """Map the cells of a lattice in uint8[h, w] to rectangles.

    A cell of the median height becomes `cell_height_px` high; the others, and all widths, keep
    their proportions.
    """
    corners = lattice.corners.astype(np.float64)
    across = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    down = np.linalg.norm(np.diff(corners, axis=0), axis=2)
    widths, heights = np.median(across, axis=0), np.median(down, axis=1)
    unit = max(float(np.median(heights)), 1.0)
    scale = min(cell_height_px / unit, float(np.sqrt(MAX_PIXELS / (widths.sum() * heights.sum()))))
    rows, columns = (np.concatenate([[0.0], np.cumsum(s * scale)]) for s in (heights, widths))
    h, w = max(1, round(rows[-1])), max(1, round(columns[-1]))
    row = np.interp(np.arange(h) + 0.5, rows, np.arange(len(rows)))
    column = np.interp(np.arange(w) + 0.5, columns, np.arange(len(columns)))
    places = np.meshgrid(column, row)
    source = _interpolated(lattice.corners, places[1].ravel(), places[0].ravel()).reshape(h, w, 2)
    part, source = _reduced(grey, source, scale)
    x, y = cv2.split(source)
    straight = cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Straightened(np.asarray(straight, np.uint8), rows, columns, lattice.corners)


def _interpolated(
    corners: Floats, row: npt.NDArray[np.float64], column: npt.NDArray[np.float64]
) -> Floats:
    """Return positions between corners, given as fractions of rows and columns: float32[n, 2]."""
    top = np.clip(row.astype(int), 0, corners.shape[0] - 2)
    left = np.clip(column.astype(int), 0, corners.shape[1] - 2)
    dy, dx = (row - top)[:, None], (column - left)[:, None]
    above = corners[top, left] * (1 - dx) + corners[top, left + 1] * dx
    below = corners[top + 1, left] * (1 - dx) + corners[top + 1, left + 1] * dx
    return np.asarray(above * (1 - dy) + below * dy, np.float32)


def _reduced(grey: Grey, source: Floats, scale: float) -> tuple[Grey, Floats]:
    """Return a smaller picture if `scale` asks for it, and the positions in it."""
    if scale * MAX_REDUCTION >= 1:
        return grey, source
    h, w = grey.shape
    small = resize(grey, scale * MAX_REDUCTION)
    factor = np.array([small.shape[1] / w, small.shape[0] / h])
    return small, ((source + 0.5) * factor - 0.5).astype(np.float32)
