"""Degradations: what pens, scanners, cameras, canvases and cropping do to the picture of a digit.

MNIST was written with one kind of pen, scanned once and cropped with care. Other people's digits
were not. `degrade` takes digits that `augment` has moved, and gives some of them strokes of another
width, few pixels, high contrast, blur, noise, remains of ruled lines or cut edges. It then brings
all of them back to MNIST's size and position, with the small errors that a page reader makes.

Legend: x float32[n, 28, 28] in [0, 1], foreground is 1. A batch is in random order, so that an
effect on a fraction of the images is one on a slice of them, shifted at random for each effect.
"""

import math
from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.data.mnist import SIDE
from tenfold.untrusted import Frozen

BOX_SIDE_PX = 20
"""Longer side of the bounding box of MNIST's digits."""
CENTRE_OF_MASS_PX = SIDE / 2
"""Where MNIST has the centre of mass, from the centre of the first pixel."""
FOREGROUND_THRESHOLD = 0.2
"""Grey level above which a pixel counts as foreground in a bounding box."""

Effect = Callable[[Tensor, torch.Generator], Tensor]


class Degradations(Frozen):
    """The fraction of the images that each effect changes; 0 leaves the effect out."""

    stroke_width: float = Field(default=0.0, ge=0, le=1, description="strokes thicker or thinner")
    contrast: float = Field(default=0.0, ge=0, le=1, description="raised, up to black and white")
    downsampling: float = Field(default=0.0, ge=0, le=1, description="drawn or scanned coarsely")
    blur_and_noise: float = Field(default=0.0, ge=0, le=1, description="and uneven foreground")
    page_remnants: float = Field(default=0.0, ge=0, le=1, description="of lines, marks at an edge")
    truncation: float = Field(default=0.0, ge=0, le=1, description="one side of the digit cut off")
    aspect_ratio: float = Field(default=0.0, ge=0, le=1, description="changed, up to a square")
    translation: float = Field(default=0.0, ge=0, le=8, description="± pixels off the centre")
    scale: float = Field(default=0.0, ge=0, lt=1, description="± fraction of the size")

    @property
    def active(self) -> bool:
        """Whether any image is changed at all."""
        return any(self.model_dump().values())


def degrade(x: Tensor, config: Degradations, generator: torch.Generator) -> Tensor:
    """Apply each effect to its fraction of the images, then normalise all of them again.

    Args:
        x: float32[n, 28, 28] in [0, 1], on the CPU.
        config: the fractions.
        generator: source of all draws, on the CPU.

    Returns:
        float32[n, 28, 28] in [0, 1].
    """
    effects: tuple[tuple[float, Effect], ...] = (
        (config.stroke_width, stroke_width),
        (config.downsampling, downsampling),
        (config.contrast, contrast),
        (config.truncation, truncation),
        (config.blur_and_noise, blur_and_noise),
        (config.page_remnants, page_remnants),
    )
    for fraction, effect in effects:
        if count := round(fraction * len(x)):
            start = int(torch.randint(len(x), (), generator=generator))
            x = x.roll(-start, 0)
            x[:count] = effect(x[:count], generator)
            x = x.roll(start, 0)
    return renormalise(x, config, generator)


def stroke_width(x: Tensor, generator: torch.Generator) -> Tensor:
    """Make strokes up to two pixels wider, or thinner down to a faint core."""
    change = _uniform(len(x), -0.85, 1.6, generator)  # radius in pixels
    dilated = F.max_pool2d(x, 3, 1, 1)
    dilated_twice = F.max_pool2d(dilated, 3, 1, 1)
    eroded = -F.max_pool2d(-x, 3, 1, 1)
    wider = torch.where(
        change > 1,
        torch.lerp(dilated, dilated_twice, (change - 1).clamp_min(0)),
        torch.lerp(x, dilated, change.clamp(0, 1)),
    )
    changed = torch.where(change > 0, wider, torch.lerp(x, eroded, (-change).clamp_min(0)))
    return _stretch_levels(changed)


def contrast(x: Tensor, generator: torch.Generator) -> Tensor:
    """Raise the contrast around a random grey level, up to black and white."""
    gain = torch.exp(_uniform(len(x), 0.0, math.log(20), generator))
    level = _uniform(len(x), 0.25, 0.6, generator)
    return ((x - level) * gain + level).clamp(0, 1)


def downsampling(x: Tensor, generator: torch.Generator) -> Tensor:
    """Reduce images to 11 … 23 pixels a side, half of them to black and white; enlarge them."""
    parts = []
    for part in x.chunk(4):
        side = int(torch.randint(11, 24, (), generator=generator))
        small = F.interpolate(part[:, None], (side, side), mode="area")
        half = len(small) // 2
        small[:half, 0] = contrast(_stretch_levels(small[:half, 0]), generator)
        # A page reader enlarges small pictures smoothly; some reach it with sharp pixels.
        sharp = torch.rand((), generator=generator) < 0.2  # noqa: PLR2004 - a fifth
        large = F.interpolate(small, (SIDE, SIDE), mode="nearest" if sharp else "bicubic")
        parts.append(large[:, 0].clamp(0, 1))
    return _stretch_levels(torch.cat(parts))


def blur_and_noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, fade the foreground in places, add noise, subtract a faint background."""
    n = len(x)
    blurred = gaussian_blur(x)
    x = torch.lerp(x, blurred, _uniform(n, 0, 1, generator))
    patches = torch.rand(n, 1, 4, 4, generator=generator)
    fading = F.interpolate(patches, (SIDE, SIDE), mode="bicubic")[:, 0]
    x = x * (1 - fading.clamp(0, 1) * _uniform(n, 0, 0.5, generator))
    noise = torch.randn(x.shape, generator=generator) * _uniform(n, 0, 0.1, generator)
    background = _uniform(n, 0, 0.15, generator)
    return _stretch_levels(((x + noise - background) / (1 - background)).clamp(0, 1))


def page_remnants(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a line (two of five images), fade one as its removal does (0.3), or mark an edge."""
    n = len(x)
    row = torch.randint(0, SIDE, (n, 1, 1), generator=generator)
    column = torch.randint(0, SIDE, (n, 1, 1), generator=generator)
    axis = torch.arange(SIDE)
    horizontal, vertical = (axis[None, :, None] == row), (axis[None, None, :] == column)
    kind = torch.rand(n, 1, 1, generator=generator)
    direction = torch.rand(n, 1, 1, generator=generator)
    line = (horizontal & (direction < 0.7)) | (vertical & (direction > 0.4))  # noqa: PLR2004
    grey = _uniform(n, 0.05, 0.6, generator)
    with_line = torch.where(line, torch.maximum(x, grey), x)
    with_gap = torch.where(line, x * _uniform(n, 0, 0.7, generator), x)
    # A mark at the top or bottom edge: a neighbour's stroke, a box's side.
    length = torch.rand(n, 1, 1, generator=generator) * SIDE
    along = (axis[None, None, :] - 2 * column + SIDE / 2).abs() < length / 2
    mark = (axis[None, :, None] < 1 + (row % 3)) & along
    mark = torch.where(direction < 0.5, mark, mark.flip(1))  # noqa: PLR2004
    with_mark = torch.where(mark, torch.maximum(x, grey + 0.4), x)
    x = torch.where(kind < 0.4, with_line, torch.where(kind < 0.7, with_gap, with_mark))  # noqa: PLR2004
    return x.clamp(0, 1)


def truncation(x: Tensor, generator: torch.Generator) -> Tensor:
    """Cut up to three pixels off one side of the digit's box, but at most a quarter of it."""
    rows = torch.arange(SIDE).view(1, -1, 1)
    parts = []
    for quarter_turns, part in enumerate(x.chunk(4)):
        turned = part.rot90(quarter_turns, (1, 2))
        top, _, bottom, _ = bounding_boxes(turned).unbind(1)
        depth = _uniform(len(part), 0, 3, generator)
        depth = torch.minimum(depth, (bottom - top + 1).view(-1, 1, 1) // 4)
        cut_off = rows < top.view(-1, 1, 1) + depth
        parts.append(torch.where(cut_off, 0, turned).rot90(-quarter_turns, (1, 2)))
    return torch.cat(parts)


def gaussian_blur(x: Tensor) -> Tensor:
    """Blur with the binomial 1-4-6-4-1, about a Gaussian of one pixel."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    x = F.conv2d(x[:, None], kernel.view(1, 1, 5, 1), padding=(2, 0))
    return F.conv2d(x, kernel.view(1, 1, 1, 5), padding=(0, 2))[:, 0]


def bounding_boxes(x: Tensor) -> Tensor:
    """Return each image's box around its foreground: int64[n, 4].

    The columns are top, left, bottom and right, all inclusive. An image without foreground has the
    whole frame as its box.
    """
    foreground = x > FOREGROUND_THRESHOLD
    foreground = foreground | ~foreground.any(2).any(1)[:, None, None]
    rows, columns = foreground.any(2).int(), foreground.any(1).int()
    top, left = rows.argmax(1), columns.argmax(1)
    bottom, right = SIDE - 1 - rows.flip(1).argmax(1), SIDE - 1 - columns.flip(1).argmax(1)
    return torch.stack([top, left, bottom, right], 1)


def renormalise(x: Tensor, config: Degradations, generator: torch.Generator) -> Tensor:
    """Scale each digit to a box of 20 pixels and centre its mass, as MNIST does; then err a bit.

    The errors are `config.translation` and `config.scale`. A fraction `config.aspect_ratio` of the
    digits loses its proportions: both sides of the box go towards 20 pixels.
    """
    n = len(x)
    boxes = bounding_boxes(x).float()
    height, width = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    longer = torch.maximum(height, width)
    squareness = torch.rand(n, generator=generator) * (
        torch.rand(n, generator=generator) < config.aspect_ratio
    )
    size = BOX_SIDE_PX * (1 + (torch.rand(n, generator=generator) * 2 - 1) * config.scale)
    scale_y = size / torch.lerp(longer, height, squareness)
    scale_x = size / torch.lerp(longer, width, squareness)
    mass = x.sum((1, 2)).clamp_min(1e-6)
    axis = torch.arange(SIDE, dtype=torch.float32)
    centre_y = (x.sum(2) @ axis) / mass
    centre_x = (x.sum(1) @ axis) / mass
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * config.translation
    target = axis - CENTRE_OF_MASS_PX
    grid_y = centre_y[:, None] + (target - shift[:, :1]) / scale_y[:, None]
    grid_x = centre_x[:, None] + (target - shift[:, 1:]) / scale_x[:, None]
    shape = (n, SIDE, SIDE)
    grid = torch.stack([grid_x[:, None, :].expand(shape), grid_y[:, :, None].expand(shape)], 3)
    middle = (SIDE - 1) / 2
    grid = (grid - middle) / middle
    return F.grid_sample(x[:, None], grid, padding_mode="zeros", align_corners=True)[:, 0]


def _stretch_levels(x: Tensor) -> Tensor:
    """Scale each image to a largest value of 1, by a factor of 10 at most: blanks stay blank."""
    return x / x.amax((1, 2), keepdim=True).clamp_min(0.1)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw one number for each image: float32[n, 1, 1]."""
    return torch.rand(n, 1, 1, generator=generator) * (high - low) + low
