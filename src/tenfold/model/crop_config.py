"""The configuration of the crop classifier. It does not import torch."""

from typing import Annotated

from pydantic import Field

from tenfold.data.mnist import CLASSES
from tenfold.model.line_config import LINE_HEIGHT_PX
from tenfold.untrusted import Frozen

# A crop is that of a line of one digit: a square, in which the digit is 20 pixels high.
CROP_PX = LINE_HEIGHT_PX
NO_DIGIT = CLASSES  # the class of a crop whose middle shows no digit
CROP_CLASSES = CLASSES + 1

Count = Annotated[int, Field(gt=0, le=1024)]
Blocks = Annotated[int, Field(ge=0, le=12)]


class CropConfig(Frozen):
    """What a `CropNetwork` is made of."""

    filters: tuple[Count, Count, Count] = Field(
        default=(24, 64, 128), description="at 1/2, 1/4 and 1/8 of the size"
    )
    blocks: tuple[Blocks, Blocks, Blocks] = Field(
        default=(1, 2, 1), description="residual blocks of each"
    )
