"""A camera over a desk: from ink on a page to the pixels of a picture, as light does it.

Paper with its texture, printed lines, ink that lets some of them through, shade, the lens, the
sensor, JPEG; in that order.

Legend: `_hw` is float32[h, w], ink or lines being 1 and nothing 0; `_hwc` is float32[h, w, 3], RGB
in grey levels 0 … 255.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.rendering.paper import Look, Random

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

CLEAR = 30  # grey levels between ink and paper around it: less drowns in noise of 6

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601
_FOCAL = 1.6  # focal length in longer sides of the page, about a phone's


@dataclass(frozen=True, eq=False)
class Sheet:
    """What is on a page before it is photographed.

    Args:
        ink_hw: float32[h, w], what a pen has written.
        pitch: pixels a millimetre: spaces printed lines, measures the blur.
        print_hw: float32[h, w], what was printed in black; None for nothing.
        edge: least pixels between the ink and the picture's border.
    """

    ink_hw: Field
    pitch: float
    print_hw: Field | None = None
    edge: float = 2.0


def photograph(
    sheet: Sheet, look: Look, shape: tuple[int, int], random: Random
) -> tuple[Pixels, Field]:
    """Take a picture of a sheet, all ink within it, somewhere.

    Args:
        sheet: what is on the page.
        look: how it looks.
        shape: height and width of the picture, pixels.
        random: source of the place, the texture and the noise.

    Returns:
        uint8[h, w] or uint8[h, w, 3] (RGB), and where its ink is: float32[h, w] in [0, 1].
    """
    to_picture = _aim(sheet, look, shape, random)
    ink_hw = _project(sheet.ink_hw, to_picture, shape)
    scene_hwc = np.empty((*shape, 3), np.float32)
    scene_hwc[:] = look.paper
    if look.texture:
        scene_hwc += look.texture * _roughness(random, shape, (1, 4, 16))[..., None]
    if look.lines != "none":
        lines_hw = look.line_strength * _ruling(look, sheet.pitch, to_picture, shape, random)
        scene_hwc += lines_hw[..., None] * (np.array(look.line, np.float32) - scene_hwc)
    if sheet.print_hw is not None:
        print_hw = 0.9 * _project(sheet.print_hw, to_picture, shape)
        scene_hwc += print_hw[..., None] * (np.array(look.print, np.float32) - scene_hwc)
    cover_hw = look.strength * ink_hw
    if look.grain:
        grains_hw = _roughness(random, shape, (look.fineness, 4 * look.fineness))
        cover_hw *= (1 - look.grain * (0.5 + 0.4 * grains_hw)).clip(0, 1)
    scene_hwc += cover_hw[..., None] * (np.array(look.ink, np.float32) - scene_hwc)
    scene_hwc *= _light(look, shape, random)
    return _expose(scene_hwc, look, sheet.pitch, random), ink_hw


def contrast(picture: Pixels, ink_hw: Field) -> float:
    """Measure how far the ink stands out: grey levels between it and the paper around it.

    Both are means: of what is at least 70 % ink (of the most), and of what has none within a
    few pixels of it. 0 where there is no ink.
    """
    grey_hw = picture.astype(np.float32) if picture.ndim == 2 else picture @ _LUMA  # noqa: PLR2004
    most = float(ink_hw.max())
    core = ink_hw >= 0.7 * most
    near = cv2.dilate(core.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    around = near & (ink_hw < 0.05)  # noqa: PLR2004 - ink fades into paper
    if not most or not around.any():
        return 0.0
    return abs(float(grey_hw[core].mean() - grey_hw[around].mean()))


def _aim(
    sheet: Sheet, look: Look, shape: tuple[int, int], random: Random
) -> npt.NDArray[np.float64]:
    """Point the camera: the homography float64[3, 3] from the page's pixels to the picture's.

    A pinhole looks at the middle of the page, tilted; then the picture is moved so that all of
    the ink is in it, more often in its middle than at its edge, and shrunk if it has to be.
    """
    h, w = sheet.ink_hw.shape
    distance = _FOCAL * max(h, w)
    rotation = np.eye(3)
    for axis, degrees in zip(np.eye(3), look.tilt, strict=True):
        rotation = rotation @ cv2.Rodrigues(axis * math.radians(degrees))[0]
    # The page is the plane z = 0 with its middle at 0; the camera is `distance` in front of it.
    plane = np.column_stack([rotation[:, :2], (0, 0, distance)])
    centred = np.array([[1, 0, -w / 2], [0, 1, -h / 2], [0, 0, 1]])
    seen = np.diag([distance, distance, 1]) @ plane @ centred
    left, top, right, bottom = _extent(sheet)
    corners = seen @ [[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]]
    low, high = np.min(corners[:2] / corners[2], 1), np.max(corners[:2] / corners[2], 1)
    room = np.array(shape[::-1]) - 2 * sheet.edge
    scale = min(1.0, *(room / (high - low)))
    place = sheet.edge + random.uniform(size=(2, 2)).mean(0) * (room - scale * (high - low))
    move = np.diag([scale, scale, 1])
    move[:2, 2] = place - scale * low
    homography: npt.NDArray[np.float64] = move @ seen
    return homography


def _extent(sheet: Sheet) -> tuple[int, int, int, int]:
    """Find what has to be in the picture: left, top, right, bottom; the whole page if nothing."""
    drawn = sheet.ink_hw if sheet.print_hw is None else np.maximum(sheet.ink_hw, sheet.print_hw)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        return 0, 0, drawn.shape[1], drawn.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _project(layer_hw: Field, to_picture: npt.NDArray[np.float64], shape: tuple[int, int]) -> Field:
    picture = cv2.warpPerspective(layer_hw, to_picture, shape[::-1], flags=cv2.INTER_LINEAR)
    return picture.astype(np.float32, copy=False)


def _ruling(
    look: Look,
    pitch: float,
    to_picture: npt.NDArray[np.float64],
    shape: tuple[int, int],
    random: Random,
) -> Field:
    """Print lines on the page, seen by the camera: ruled every 7 … 10 mm, or squares of 5 mm."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    inverse = np.linalg.inv(to_picture).astype(np.float32)
    u, v, depth = (row[0] * x + row[1] * y + row[2] for row in inverse)
    u, v = u / depth, v / depth
    width = max(pitch * random.uniform(0.12, 0.3), 0.8)
    spacing = pitch * (5 if look.lines == "squared" else random.uniform(7, 10))
    lines = _stripes(v - random.uniform(0, spacing), spacing, width)
    if look.lines == "squared":
        lines = np.maximum(lines, _stripes(u - random.uniform(0, spacing), spacing, width))
    if look.lines == "margin":
        margin = u - random.uniform(float(u.min()), float(u.max()))
        lines = np.maximum(lines, (width / 2 + 0.5 - abs(margin)).clip(0, 1))
    return lines


def _stripes(position: Field, spacing: float, width: float) -> Field:
    """Return how much of each pixel lies on a line, of lines at all multiples of the spacing."""
    away = abs((position + spacing / 2) % spacing - spacing / 2)
    return (width / 2 + 0.5 - away).clip(0, min(1.0, width))


def _roughness(random: Random, shape: tuple[int, int], grains: tuple[float, ...]) -> Field:
    """Draw noise of about unit variance: a sum of smooth ones with grains of the given pixels."""
    total = np.zeros(shape, np.float32)
    for grain in grains:
        rough = [max(2, math.ceil(side / grain)) for side in shape]
        noise = random.standard_normal(rough, dtype=np.float32)
        total += cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return total / np.float32(math.sqrt(len(grains)))


def _light(look: Look, shape: tuple[int, int], random: Random) -> Field:
    """Shade the picture: float32[h, w, 3], the share of the light that arrives."""
    y, x = np.meshgrid(
        *(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij"
    )
    light = np.ones(shape, np.float32)
    if look.slope:
        towards = random.uniform(0, 2 * math.pi)
        along = math.cos(towards) * x + math.sin(towards) * y
        light -= look.slope * (0.5 + along / (2 * math.sqrt(2)))
    if look.vignette:
        light *= 1 - look.vignette * (x * x + y * y) / 2
    if look.shadow:
        towards, softness = random.uniform(0, 2 * math.pi), random.uniform(0.02, 0.25)
        beyond = math.cos(towards) * x + math.sin(towards) * y - random.uniform(-0.6, 0.6)
        light *= 1 - look.shadow / (1 + np.exp((-beyond / softness).clip(-30, 30)))
    cast = np.array([1 + look.warmth, 1, 1 - look.warmth], np.float32)
    return light[..., None] * cast


def _expose(scene_hwc: Field, look: Look, pitch: float, random: Random) -> Pixels:
    """Blur, add noise, turn to 8 bits and through JPEG."""
    if look.blur:
        blur = max(0.35, look.blur * pitch)
        scene_hwc = cv2.GaussianBlur(scene_hwc, (0, 0), blur).astype(np.float32, copy=False)
    if look.noise:
        # A sensor's noise is mostly the same in all channels once the camera has smoothed colour.
        scene_hwc += look.noise * random.standard_normal((*scene_hwc.shape[:2], 1), np.float32)
        scene_hwc += 0.4 * look.noise * random.standard_normal(scene_hwc.shape, np.float32)
    scene = scene_hwc @ _LUMA if look.grey else scene_hwc[..., ::-1]  # OpenCV has BGR
    picture = np.ascontiguousarray(np.rint(scene).clip(0, 255).astype(np.uint8))
    if look.quality is not None:
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, look.quality])
        picture = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED), np.uint8)
    return picture if look.grey else np.ascontiguousarray(picture[..., ::-1])
