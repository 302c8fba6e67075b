"""The configuration of the detectors of digits and of cells. It does not import torch."""

from typing import Annotated, Literal

from pydantic import Field

from tenfold.untrusted import Frozen

# What one cell of the output covers, in pixels: digits are narrow, lines are high.
CELL_WIDTH_PX = 2
CELL_HEIGHT_PX = 4
# The same where cells of tables are found.
STRIDE_PX = 4
# Heights and widths of pictures are multiples of this.
SIZE_MULTIPLE_PX = 8
# Local contrast is measured over 5 × 5 blocks of 8 × 8 pixels.
BLOCK_PX = 8
WINDOW_BLOCKS = 5
CONTRAST_FLOOR = 0.03
CONTRAST_SCALE = 3.0
# Boxes are given as logarithms of their sides in multiples of this.
BOX_UNIT_PX = 16.0
# Corners of the cells of tables are given in multiples of this.
CORNER_UNIT_PX = 16.0

Count = Annotated[int, Field(gt=0, le=1024)]


class DetectorConfig(Frozen):
    """What a `DetectorNetwork` finds, and what it is made of."""

    finds: Literal["digits", "cells"] = Field(
        default="digits", description="digits and marks, or the cells of grids and tables"
    )
    stem: tuple[Count, Count] = Field(
        default=(16, 32), description="filters at 1/2 and at 1/4 of the height"
    )
    body: Count = Field(default=64, description="filters at 1/8 of the height")
    dilations: tuple[Count, ...] = Field(
        default=(1, 2, 1, 2), min_length=1, max_length=12, description="of each residual block"
    )
    head: Count = Field(default=48, description="filters before the output")
