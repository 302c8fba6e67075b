"""What an RoI head sees and is made of; without torch, which reading needs not."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tenfold.data.characters import DETECTED_CLASSES

# Side of a crop, as a multiple of the detection's longer side: the detection, its surroundings.
CROP_SCALES = (1.4, 3.5)
# Less certain detections, and larger ones, are not judged.
MIN_OBJECTNESS = 0.02
MAX_SIDE_PX = 64.0
# A detection's longer side counts as at least so many pixels.
MIN_SIDE_PX = 4.0
# A side of this many pixels has the feature 0, one of e times as many `SIDE_FEATURE_SCALE`.
TYPICAL_SIDE_PX = 28.0
SIDE_FEATURE_SCALE = 1 / 3
# Less probable characters count as so probable.
MIN_PROBABILITY = 1e-4
# Of the training labels; what it does to probabilities is undone when they are put out.
LABEL_SMOOTHING = 0.02
# Of a class that the network excludes.
LEAST_PROBABILITY = 2e-4
# Of a candidate: probabilities of each character and of none, two shares, one side.
FEATURES = len(DETECTED_CLASSES) + 1 + 3

Filters = Annotated[int, Field(gt=0, le=1024)]


class RoiHeadConfig(BaseModel):
    """What an `RoiHead` is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crop_px: int = Field(default=32, ge=8, le=128, multiple_of=8, description="side of a crop")
    filters: tuple[Filters, Filters, Filters] = Field(
        default=(24, 48, 64), description="at 1/2, 1/4 and 1/8 of the crop's side"
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="before the output")
