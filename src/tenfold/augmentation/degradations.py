"""What pens, scanners, cameras, canvases and careless cropping do to a digit, a batch at a time.

MNIST was written with one kind of pen, scanned once and cropped with care; other people's digits
were not. `imitate` takes digits that `augment` has moved and gives them strokes of other widths,
coarse resolution, blur, noise, shading, remains of ruled lines, cut edges, then brings them back
to MNIST's form with the small errors that a reader of pictures makes. A share of each batch can
be negatives, which are no digits at all and whose target is to know nothing (outlier exposure,
Hendrycks, Mazeika & Dietterich 2019).

Legend: x_nhw float32[n, 28, 28] in [0, 1], ink is 1. A batch is in random order, so that an effect
on a share of the images is one on a slice of them, shifted at random for each effect.
"""

import math
from collections.abc import Callable
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.mnist import SIDE

_CENTRE = (SIDE - 1) / 2
_MIDDLE = SIDE / 2  # where MNIST has the centre of mass, in pixels from the first one's centre
_BOX = 20  # MNIST's digits fill a box of 20 pixels
_INK = 0.2  # grey that counts as ink when a box is drawn around it
_COARSEST = 11  # pixels across the picture: digits of 8 pixels


class Imitation(BaseModel):
    """Shares of the images that each effect meets; 0 leaves it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pen: float = Field(default=0.0, ge=0, le=1, description="strokes made thicker or thinner")
    hard: float = Field(
        default=0.0, ge=0, le=1, description="contrast raised, up to black and white"
    )
    coarse: float = Field(default=0.0, ge=0, le=1, description="drawn or scanned with few pixels")
    camera: float = Field(default=0.0, ge=0, le=1, description="blur, noise, uneven ink")
    paper: float = Field(default=0.0, ge=0, le=1, description="remains of lines, marks at the edge")
    cut: float = Field(default=0.0, ge=0, le=1, description="an edge of the digit cut off")
    stretched: float = Field(
        default=0.0, ge=0, le=1, description="proportions lost, up to a square"
    )
    offset: float = Field(default=0.0, ge=0, le=8, description="± pixels off the centre")
    size: float = Field(default=0.0, ge=0, lt=1, description="± fraction of the size")
    printed: float = Field(default=0.0, ge=0, lt=1, description="share of printed digits")
    drawn: float = Field(default=0.0, ge=0, lt=1, description="share of digits drawn in strokes")
    negatives: float = Field(default=0.0, ge=0, lt=1, description="share of what is no digit")

    @model_validator(mode="after")
    def _leaves_digits(self) -> Self:
        if self.printed + self.drawn + self.negatives >= 1:
            raise ValueError(
                "printed, drawn and negatives must add up to less than 1: nothing else is left"
            )
        return self

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return any(self.model_dump().values())


def imitate(x_nhw: Tensor, config: Imitation, generator: torch.Generator) -> Tensor:
    """Give digits the marks of other pens, papers and machines, then normalise them again.

    Args:
        x_nhw: float32[n, 28, 28] in [0, 1], on the CPU.
        config: the effects' shares.
        generator: source of all draws.

    Returns:
        float32[n, 28, 28] in [0, 1].
    """
    effects: tuple[tuple[float, Callable[[Tensor, torch.Generator], Tensor]], ...] = (
        (config.pen, pen),
        (config.coarse, coarse),
        (config.hard, hard),
        (config.cut, cut),
        (config.camera, camera),
        (config.paper, paper),
    )
    for share, effect in effects:
        if count := round(share * len(x_nhw)):
            start = int(torch.randint(len(x_nhw), (), generator=generator))
            x_nhw = x_nhw.roll(-start, 0)
            x_nhw[:count] = effect(x_nhw[:count], generator)
            x_nhw = x_nhw.roll(start, 0)
    return renormalise(x_nhw, config, generator)


def pen(x: Tensor, generator: torch.Generator) -> Tensor:
    """Make strokes up to two pixels wider, or thinner down to a faint core."""
    amount = _uniform(len(x), -0.85, 1.6, generator)
    wide = F.max_pool2d(x, 3, 1, 1)
    wider = F.max_pool2d(wide, 3, 1, 1)
    thin = -F.max_pool2d(-x, 3, 1, 1)
    grown = torch.where(
        amount > 1,
        torch.lerp(wide, wider, (amount - 1).clamp_min(0)),
        torch.lerp(x, wide, amount.clamp(0, 1)),
    )
    changed = torch.where(amount > 0, grown, torch.lerp(x, thin, (-amount).clamp_min(0)))
    return _stretch(changed)


def hard(x: Tensor, generator: torch.Generator) -> Tensor:
    """Raise the contrast around a random grey; the highest gain leaves black and white."""
    gain = torch.exp(_uniform(len(x), 0.0, math.log(20), generator))
    level = _uniform(len(x), 0.25, 0.6, generator)
    return ((x - level) * gain + level).clamp(0, 1)


def coarse(x: Tensor, generator: torch.Generator) -> Tensor:
    """Bring images down to few pixels, half of them to black and white, and up again."""
    parts = []
    for part in x.chunk(4):
        side = int(torch.randint(_COARSEST, 24, (), generator=generator))
        small = F.interpolate(part[:, None], (side, side), mode="area")
        half = len(small) // 2
        small[:half, 0] = hard(_stretch(small[:half, 0]), generator)
        # A reader enlarges small pictures smoothly; sharp pixels stay where it met them so.
        mode = "nearest" if torch.rand((), generator=generator) < 0.2 else "bicubic"  # noqa: PLR2004
        parts.append(F.interpolate(small, (SIDE, SIDE), mode=mode)[:, 0].clamp(0, 1))
    return _stretch(torch.cat(parts))


def camera(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, let the ink fade in places, add noise and cut off what is faint, as a reader does."""
    n = len(x)
    blurred = blur(x)
    x = torch.lerp(x, blurred, _uniform(n, 0, 1, generator))
    patches = torch.rand(n, 1, 4, 4, generator=generator)
    fading = F.interpolate(patches, (SIDE, SIDE), mode="bicubic")[:, 0]
    x = x * (1 - fading.clamp(0, 1) * _uniform(n, 0, 0.5, generator))
    noise = torch.randn(x.shape, generator=generator) * _uniform(n, 0, 0.1, generator)
    floor = _uniform(n, 0, 0.15, generator)
    return _stretch(((x + noise - floor) / (1 - floor)).clamp(0, 1))


def paper(x: Tensor, generator: torch.Generator) -> Tensor:
    """Leave what a page leaves: lines faint or dark, gaps where lines were taken out, marks."""
    n = len(x)
    row = torch.randint(0, SIDE, (n, 1, 1), generator=generator)
    column = torch.randint(0, SIDE, (n, 1, 1), generator=generator)
    axis = torch.arange(SIDE)
    across, down = (axis[None, :, None] == row), (axis[None, None, :] == column)
    kind = torch.rand(n, 1, 1, generator=generator)
    which = torch.rand(n, 1, 1, generator=generator)
    line = (across & (which < 0.7)) | (down & (which > 0.4))  # noqa: PLR2004 - a third have both
    grey = _uniform(n, 0.05, 0.6, generator)
    drawn = torch.where(line, torch.maximum(x, grey), x)
    gap = torch.where(line, x * _uniform(n, 0, 0.7, generator), x)
    # Something at an edge: a neighbour's stroke, a box's side.
    length = torch.rand(n, 1, 1, generator=generator) * SIDE
    along = (axis[None, None, :] - 2 * column + SIDE / 2).abs() < length / 2
    mark = (axis[None, :, None] < 1 + (row % 3)) & along
    mark = torch.where(which < 0.5, mark, mark.flip(1))  # noqa: PLR2004 - above or below
    marked = torch.where(mark, torch.maximum(x, grey + 0.4), x)
    x = torch.where(kind < 0.4, drawn, torch.where(kind < 0.7, gap, marked))  # noqa: PLR2004
    return x.clamp(0, 1)


def cut(x: Tensor, generator: torch.Generator) -> Tensor:
    """Cut up to three pixels off one side of the digit's box, but no more than a quarter of it."""
    rows = torch.arange(SIDE).view(1, -1, 1)
    parts = []
    for quarter, part in enumerate(x.chunk(4)):
        turned = part.rot90(quarter, (1, 2))
        top, _, bottom, _ = ink_boxes(turned).unbind(1)
        depth = _uniform(len(part), 0, 3, generator)
        depth = torch.minimum(depth, (bottom - top + 1).view(-1, 1, 1) // 4)
        above = rows < top.view(-1, 1, 1) + depth
        parts.append(torch.where(above, 0, turned).rot90(-quarter, (1, 2)))
    return torch.cat(parts)


def blur(x: Tensor) -> Tensor:
    """Blur with the binomial 1-4-6-4-1, a Gaussian of one pixel."""
    taps = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    x = F.conv2d(x[:, None], taps.view(1, 1, 5, 1), padding=(2, 0))
    return F.conv2d(x, taps.view(1, 1, 1, 5), padding=(0, 2))[:, 0]


def ink_boxes(x: Tensor) -> Tensor:
    """Return each image's box around its ink: int64[n, 4], top, left, bottom, right, inclusive.

    An image without ink has the whole frame as its box.
    """
    ink = x > _INK
    ink = ink | ~ink.any(2).any(1)[:, None, None]
    rows, columns = ink.any(2).int(), ink.any(1).int()
    last = SIDE - 1
    return torch.stack(
        [
            rows.argmax(1),
            columns.argmax(1),
            last - rows.flip(1).argmax(1),
            last - columns.flip(1).argmax(1),
        ],
        1,
    )


def renormalise(x: Tensor, config: Imitation, generator: torch.Generator) -> Tensor:
    """Bring images to MNIST's form: box of 20 pixels, centre of mass in the middle; then err a bit.

    A share loses its proportions: both sides of the box go towards 20 pixels.
    """
    n = len(x)
    boxes = ink_boxes(x).float()
    height, width = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    longer = torch.maximum(height, width)
    square = torch.rand(n, generator=generator) * (
        torch.rand(n, generator=generator) < config.stretched
    )
    jitter = 1 + (torch.rand(n, generator=generator) * 2 - 1) * config.size
    scale_y = _BOX * jitter / torch.lerp(longer, height, square)
    scale_x = _BOX * jitter / torch.lerp(longer, width, square)
    mass = x.sum((1, 2)).clamp_min(1e-6)
    axis = torch.arange(SIDE, dtype=torch.float32)
    centre_y = (x.sum(2) @ axis) / mass
    centre_x = (x.sum(1) @ axis) / mass
    away = (torch.rand(n, 2, generator=generator) * 2 - 1) * config.offset
    grid_y = centre_y[:, None] + (axis - _MIDDLE - away[:, :1]) / scale_y[:, None]
    grid_x = centre_x[:, None] + (axis - _MIDDLE - away[:, 1:]) / scale_x[:, None]
    grid = torch.stack(
        [
            grid_x[:, None, :].expand(n, SIDE, SIDE),
            grid_y[:, :, None].expand(n, SIDE, SIDE),
        ],
        3,
    )
    grid = (grid - _CENTRE) / _CENTRE
    return F.grid_sample(x[:, None], grid, padding_mode="zeros", align_corners=True)[:, 0]


def _stretch(x: Tensor) -> Tensor:
    """Scale each image so that its darkest ink is 1; leave blanks blank."""
    most = x.amax((1, 2), keepdim=True)
    return x / most.clamp_min(0.1)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw one number an image: float32[n, 1, 1]."""
    return torch.rand(n, 1, 1, generator=generator) * (high - low) + low
