"""The configuration of the line recogniser. It does not import torch."""

from typing import Annotated

from pydantic import Field

from tenfold.untrusted import Frozen

# A line is seen in a crop of this height, in which its digits have that height.
LINE_HEIGHT_PX = 32
LINE_DIGIT_PX = 20
# Widths of crops are multiples of this; longer lines are not looked at.
LINE_WIDTH_MULTIPLE_PX = 8
MAX_LINE_WIDTH_PX = 384
# What one step of the output covers.
LINE_STEP_PX = 2

Count = Annotated[int, Field(gt=0, le=1024)]


class LineConfig(Frozen):
    """What a `LineNetwork` is made of."""

    stem: tuple[Count, Count, Count] = Field(
        default=(24, 48, 64), description="filters at 1/2, 1/4 and 1/8 of the height"
    )
    line: Count = Field(default=96, description="filters along the line")
    dilations: tuple[Count, ...] = Field(
        default=(1, 2, 1), min_length=1, max_length=12, description="of each block along the line"
    )
