"""A simulated camera: renders a page as the picture that a camera would take of it.

The steps are those of light, in its order: paper with its texture, printed lines, strokes that let
some of both through, uneven light, the lens, the sensor, JPEG.

Legend: `_hw` is float32[h, w], the coverage of each pixel by strokes or lines, 0 … 1; `_hwc` is
float32[h, w, 3], RGB in grey levels 0 … 255.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.arrays import Pixels
from tenfold.rendering.paper import RGB, Appearance
from tenfold.rendering.sampling import Random

Coverage = npt.NDArray[np.float32]
Homography = npt.NDArray[np.float64]

ITU_R_601_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# In longer sides of the page; about that of a phone.
FOCAL_LENGTH = 1.6


@dataclass(frozen=True, eq=False)
class Page:
    """What is on a page before it is photographed.

    Args:
        strokes_hw: coverage by a pen.
        pixels_per_mm: scale; it spaces the printed lines and sets the blur in pixels.
        print_hw: coverage by black print; None for nothing.
        margin_px: least distance from strokes and print to the border of the picture.
    """

    strokes_hw: Coverage
    pixels_per_mm: float
    print_hw: Coverage | None = None
    margin_px: float = 2.0


def photograph(
    page: Page, look: Appearance, shape: tuple[int, int], random: Random
) -> tuple[Pixels, Coverage]:
    """Take a picture of a page, with all strokes and print inside it.

    Args:
        page: what is on the page.
        look: how the picture looks.
        shape: height and width of the picture, pixels.
        random: source of the position, the texture and the noise.

    Returns:
        uint8[h, w] or uint8[h, w, 3] (RGB), and the coverage of its pixels by strokes.
    """
    to_picture = _aim(page, look, shape, random)
    strokes_hw = _project(page.strokes_hw, to_picture, shape)
    scene_hwc = np.empty((*shape, 3), np.float32)
    scene_hwc[:] = look.paper_colour
    if look.paper_texture:
        scene_hwc += look.paper_texture * _roughness(random, shape, (1, 4, 16))[..., None]
    if look.ruling != "none":
        lines_hw = look.ruling_opacity * _ruling(
            look, page.pixels_per_mm, to_picture, shape, random
        )
        _paint(scene_hwc, lines_hw, look.ruling_colour)
    if page.print_hw is not None:
        _paint(scene_hwc, 0.9 * _project(page.print_hw, to_picture, shape), look.print_colour)
    opacity_hw = look.pen_opacity * strokes_hw
    if look.pen_grain:
        grains_hw = _roughness(random, shape, (look.pen_grain_px, 4 * look.pen_grain_px))
        opacity_hw *= (1 - look.pen_grain * (0.5 + 0.4 * grains_hw)).clip(0, 1)
    _paint(scene_hwc, opacity_hw, look.pen_colour)
    scene_hwc *= _light(look, shape, random)
    return _expose(scene_hwc, look, page.pixels_per_mm, random), strokes_hw


def pinhole_projection(
    shape: tuple[int, ...], rotation: npt.NDArray[np.floating[Any]]
) -> Homography:
    """Return how a pinhole camera sees a tilted page, its middle at the origin of the picture.

    Args:
        shape: height and width of the page, pixels.
        rotation: float64[3, 3], from the page, the plane z = 0, to the camera.

    Returns:
        float64[3, 3], from pixels of the page to pixels that are as large in its middle.
    """
    h, w = shape
    distance = FOCAL_LENGTH * max(h, w)
    plane = np.column_stack([rotation[:, :2], (0, 0, distance)])
    centred = np.array([[1, 0, -w / 2], [0, 1, -h / 2], [0, 0, 1]])
    homography: Homography = np.diag([distance, distance, 1]) @ plane @ centred
    return homography


def projected_box(
    box: tuple[int, int, int, int], projection: Homography
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the least and the greatest x and y of a projected box: left, top, right, bottom."""
    left, top, right, bottom = box
    corners = projection @ [[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]]
    places = corners[:2] / corners[2]
    return np.min(places, 1), np.max(places, 1)


def stroke_contrast(picture: Pixels, strokes_hw: Coverage) -> float:
    """Measure the contrast of strokes and the background around them, in grey levels.

    It is the difference of two means: of the pixels that strokes cover to at least 70 % of the
    maximum, and of the pixels near them with next to no coverage. 0 if there are no strokes.
    """
    grey_hw = picture.astype(np.float32) if picture.ndim == 2 else picture @ ITU_R_601_LUMA  # noqa: PLR2004
    maximum = float(strokes_hw.max())
    core = strokes_hw >= 0.7 * maximum
    near = cv2.dilate(core.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    around = near & (strokes_hw < 0.05)  # noqa: PLR2004
    if not maximum or not around.any():
        return 0.0
    return abs(float(grey_hw[core].mean() - grey_hw[around].mean()))


def _paint(scene_hwc: npt.NDArray[np.float32], opacity_hw: Coverage, colour: RGB) -> None:
    """Blend a colour into the scene, in place."""
    scene_hwc += opacity_hw[..., None] * (np.array(colour, np.float32) - scene_hwc)


def _aim(page: Page, look: Appearance, shape: tuple[int, int], random: Random) -> Homography:
    """Return the homography float64[3, 3] from the pixels of the page to those of the picture.

    A pinhole camera looks at the middle of the tilted page. Then the picture is shifted so that
    all that is drawn is inside, more often in the middle than at the border, and scaled down if
    necessary.
    """
    rotation = np.eye(3)
    for axis, degrees in zip(np.eye(3), look.tilt_deg, strict=True):
        rotation = rotation @ cv2.Rodrigues(axis * math.radians(degrees))[0]
    projection = pinhole_projection(page.strokes_hw.shape, rotation)
    low, high = projected_box(_drawn_box(page), projection)
    available = np.array(shape[::-1]) - 2 * page.margin_px
    scale = min(1.0, *(available / (high - low)))
    slack = available - scale * (high - low)
    corner = page.margin_px + random.uniform(size=(2, 2)).mean(0) * slack
    shift = np.diag([scale, scale, 1])
    shift[:2, 2] = corner - scale * low
    homography: Homography = shift @ projection
    return homography


def _drawn_box(page: Page) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of all that is drawn; of the whole page if nothing is."""
    drawn = page.strokes_hw
    if page.print_hw is not None:
        drawn = np.maximum(drawn, page.print_hw)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        return 0, 0, drawn.shape[1], drawn.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _project(layer_hw: Coverage, to_picture: Homography, shape: tuple[int, int]) -> Coverage:
    picture = cv2.warpPerspective(layer_hw, to_picture, shape[::-1], flags=cv2.INTER_LINEAR)
    return picture.astype(np.float32, copy=False)


def _ruling(
    look: Appearance,
    pixels_per_mm: float,
    to_picture: Homography,
    shape: tuple[int, int],
    random: Random,
) -> Coverage:
    """Draw the printed lines as the camera sees them: every 7 … 10 mm, or squares of 5 mm."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    inverse = np.linalg.inv(to_picture).astype(np.float32)
    u, v, depth = (row[0] * x + row[1] * y + row[2] for row in inverse)
    u, v = u / depth, v / depth
    width = max(pixels_per_mm * random.uniform(0.12, 0.3), 0.8)
    spacing = pixels_per_mm * (5 if look.ruling == "squared" else random.uniform(7, 10))
    lines = _stripes(v - random.uniform(0, spacing), spacing, width)
    if look.ruling == "squared":
        lines = np.maximum(lines, _stripes(u - random.uniform(0, spacing), spacing, width))
    if look.ruling == "margin":
        margin = u - random.uniform(float(u.min()), float(u.max()))
        lines = np.maximum(lines, (width / 2 + 0.5 - abs(margin)).clip(0, 1))
    return lines


def _stripes(position: Coverage, spacing: float, width: float) -> Coverage:
    """Return the share of each pixel on a line, with lines at all multiples of the spacing."""
    distance = abs((position + spacing / 2) % spacing - spacing / 2)
    return (width / 2 + 0.5 - distance).clip(0, min(1.0, width))


def _roughness(random: Random, shape: tuple[int, int], grains_px: tuple[float, ...]) -> Coverage:
    """Draw noise of about unit variance: the sum of one smooth noise for each size of grain."""
    total = np.zeros(shape, np.float32)
    for grain_px in grains_px:
        coarse = [max(2, math.ceil(side / grain_px)) for side in shape]
        noise = random.standard_normal(coarse, dtype=np.float32)
        total += cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return total / np.float32(math.sqrt(len(grains_px)))


def _light(look: Appearance, shape: tuple[int, int], random: Random) -> npt.NDArray[np.float32]:
    """Return the share of the light that arrives at each pixel, float32[h, w, 3]."""
    y, x = np.meshgrid(
        *(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij"
    )
    light = np.ones(shape, np.float32)
    if look.light_falloff:
        angle = random.uniform(0, 2 * math.pi)
        along = math.cos(angle) * x + math.sin(angle) * y
        light -= look.light_falloff * (0.5 + along / (2 * math.sqrt(2)))
    if look.vignette:
        light *= 1 - look.vignette * (x * x + y * y) / 2
    if look.shadow:
        angle, softness = random.uniform(0, 2 * math.pi), random.uniform(0.02, 0.25)
        beyond = math.cos(angle) * x + math.sin(angle) * y - random.uniform(-0.6, 0.6)
        light *= 1 - look.shadow / (1 + np.exp((-beyond / softness).clip(-30, 30)))
    colour_cast = np.array([1 + look.warmth, 1, 1 - look.warmth], np.float32)
    return light[..., None] * colour_cast


def _expose(
    scene_hwc: npt.NDArray[np.float32], look: Appearance, pixels_per_mm: float, random: Random
) -> Pixels:
    """Apply blur and noise, quantise to 8 bits, compress as JPEG."""
    if look.blur_mm:
        blur_px = max(0.35, look.blur_mm * pixels_per_mm)
        scene_hwc = cv2.GaussianBlur(scene_hwc, (0, 0), blur_px).astype(np.float32, copy=False)
    if look.noise:
        # Cameras smooth colour: most of the noise that is left is the same in all channels.
        scene_hwc += look.noise * random.standard_normal((*scene_hwc.shape[:2], 1), np.float32)
        scene_hwc += 0.4 * look.noise * random.standard_normal(scene_hwc.shape, np.float32)
    scene = scene_hwc @ ITU_R_601_LUMA if look.grey else scene_hwc[..., ::-1]  # OpenCV uses BGR
    picture = np.ascontiguousarray(np.rint(scene).clip(0, 255).astype(np.uint8))
    if look.jpeg_quality is not None:
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg_quality])
        picture = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED), np.uint8)
    return picture if look.grey else np.ascontiguousarray(picture[..., ::-1])
