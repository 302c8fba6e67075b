"""Forms that are filled in by hand, then scanned or photographed: with the value of each field.

They measure a reader of forms; nothing may be trained on them. A form is a function of (seed,
index), a filled copy of (seed, index, copy). Another version of OpenCV may give other bytes.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from rendered_forms.layout import FormLayout, layout_of
from rendered_forms.values import sample_values
from rendered_forms.writing import Sheet, Writer, fill, print_form
from tenfold.arrays import Pixels
from tenfold.data.seeds import derive_seed
from tenfold.files import write_atomically
from tenfold.rendering.camera import Homography, pinhole_projection, projected_box
from tenfold.rendering.exposure import Exposure, expose
from tenfold.rendering.ground import desk_levels
from tenfold.rendering.sampling import Random, bernoulli
from tenfold.rendering.scene import Scene

if TYPE_CHECKING:  # it imports torch, which reading needs not
    from tenfold.data.digits import Digits

Capture = Literal["scan at 150 dpi", "scan at 300 dpi", "photograph"]

MM_PER_INCH = 25.4
BLANK_DPI = 200
SCANS: tuple[tuple[Capture, int], ...] = (("scan at 150 dpi", 150), ("scan at 300 dpi", 300))
MAX_SKEW_DEG = 3.0
TURNED_SHARE = 0.06  # of scans that lie on their side or upside down
PHOTO_HEIGHT_PX = (1900, 2700)  # of the page in the picture, if it is not tilted
MAX_TILT_DEG = 16.0


@dataclass(frozen=True, eq=False)
class FilledForm:
    """A filled copy of a form.

    Args:
        pixels: uint8[h, w], the page as it was scanned or photographed.
        values: what a person reads, by column of the table; "" for an empty field, "true" or
            "false" for a box to tick.
        capture: how the picture was taken.
    """

    pixels: Pixels
    values: dict[str, str]
    capture: Capture


class FormRenderer:
    """Renders forms.

    Args:
        digits: images of handwritten digits to fill forms in with.
        seed: another seed gives other forms.
    """

    def __init__(self, digits: "Digits", seed: int) -> None:
        self.writer = Writer(digits)
        self.seed = seed

    def layout(self, index: int) -> FormLayout:
        """Return a form: its template, and what is printed on it."""
        return layout_of(self.seed, index)

    def render(self, index: int, copy: int, layout: FormLayout | None = None) -> FilledForm:
        """Render a filled copy of a form; every other one is photographed.

        Args:
            index: of the form.
            copy: of the filled copy.
            layout: the form, if it is at hand.
        """
        layout = layout or self.layout(index)
        random = np.random.default_rng(derive_seed(self.seed, "filled form", index, copy))
        capture, dpi = SCANS[copy // 2 % 2]
        scale = dpi / MM_PER_INCH
        if copy % 2:
            capture = "photograph"
            scale = random.uniform(*PHOTO_HEIGHT_PX) / layout.size_mm[1]
        sheet = print_form(layout, scale)
        sheet.scene.random = random
        pen = self.writer.sample_pen(scale, random)
        values = fill(sheet, sample_values(layout, random), pen, random)
        take = _photograph if capture == "photograph" else _scan
        return FilledForm(take(sheet, random), values, capture)


def blank_page(layout: FormLayout, dpi: int = BLANK_DPI) -> Pixels:
    """Return the page of a form that nobody has written on: uint8[h, w], black on white."""
    absorption = print_form(layout, dpi / MM_PER_INCH).scene.absorption()
    return np.rint(255 * (1 - absorption)).astype(np.uint8)


def write_form(layout: FormLayout, folder: Path) -> Path:
    """Write `form.toml` and `blank.pdf` into a folder; return the path of the former."""
    import tomli_w

    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blank_page(layout)).save(folder / "blank.pdf", resolution=BLANK_DPI)
    write_atomically(folder / "form.toml", tomli_w.dumps(layout.template()))
    return folder / "form.toml"


def _scan(sheet: Sheet, random: Random) -> Pixels:
    """Return what a scanner makes of a page: a little skewed, now and then on its side."""
    h, w = sheet.shape
    skew = float(np.clip(random.normal(0, 1.2), -MAX_SKEW_DEG, MAX_SKEW_DEG))
    shift = random.uniform(-1, 1, 2) * sheet.scale
    affine = cv2.getRotationMatrix2D((w / 2, h / 2), skew, 1.0)
    homography = np.vstack([affine, [0, 0, 1]])
    homography[:2, 2] += shift
    scene = _projected(sheet, homography, (h, w), random)
    lid = random.uniform(225, 255) if bernoulli(random, 0.8) else random.uniform(10, 60)
    _put_on(scene, sheet, homography, np.full((h, w), np.float32(lid)))
    paper = random.uniform(232, 253)
    exposure = Exposure(
        paper=paper,
        black=random.uniform(10, 70),
        grain=random.uniform(0, 0.3),
        blur_px=random.uniform(0.3, 0.7) * sheet.scale / 8,
        noise=random.uniform(0, 6),
        noise_px=random.uniform(0, 0.8),
        jpeg_quality=int(random.integers(45, 95)) if bernoulli(random, 0.6) else None,
    )
    pixels = expose(scene, exposure, random)
    quarters = int(random.integers(1, 4)) if bernoulli(random, TURNED_SHARE) else 0
    return np.ascontiguousarray(np.rot90(pixels, quarters))


def _photograph(sheet: Sheet, random: Random) -> Pixels:
    """Return what a telephone makes of a page on a desk: from the side, in uneven light."""
    homography, shape = _aim(sheet, random)
    scene = _projected(sheet, homography, shape, random)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    _put_on(scene, sheet, homography, desk_levels(x, y, random.uniform(10, 110), random))
    paper = random.uniform(150, 235)
    exposure = Exposure(
        paper=paper,
        black=random.uniform(10, 0.35 * paper),
        texture=random.uniform(0, 3),
        darkest=random.uniform(0.5, 1),
        shadow=bernoulli(random, 0.4),
        grain=random.uniform(0, 0.3),
        blur_px=random.uniform(0.4, 1.1),
        noise=random.uniform(1, 6),
        noise_px=random.uniform(0.4, 1),
        jpeg_quality=int(random.integers(55, 93)),
    )
    return expose(scene, exposure, random)


def _aim(sheet: Sheet, random: Random) -> tuple[Homography, tuple[int, int]]:
    """Return the homography from the page to a photograph of all of it, and its shape."""
    h, w = sheet.shape
    x, y, z = (math.radians(random.uniform(-limit, limit)) for limit in (MAX_TILT_DEG,) * 2 + (6,))
    rotation = cv2.Rodrigues(np.array([x, y, 0.0]))[0] @ cv2.Rodrigues(np.array([0.0, 0.0, z]))[0]
    projection = pinhole_projection(sheet.shape, rotation)
    low, high = projected_box((0, 0, w, h), projection)
    margin = random.uniform(0.02, 0.09, 4) * max(h, w)
    shift = np.eye(3)
    shift[:2, 2] = margin[:2] - low
    size = np.rint(high - low + margin[:2] + margin[2:]).astype(int)
    return shift @ projection, (int(size[1]), int(size[0]))


def _projected(
    sheet: Sheet, homography: Homography, shape: tuple[int, int], random: Random
) -> Scene:
    """Return the scene that a camera sees."""
    scene = Scene(shape, (1.0, 0.0), random, max_labels=0)
    size = shape[::-1]
    scene.ink = cv2.warpPerspective(sheet.scene.ink, homography, size).astype(
        np.float32, copy=False
    )
    scene.printed = np.asarray(cv2.warpPerspective(sheet.scene.printed, homography, size), np.uint8)
    return scene


def _put_on(
    scene: Scene, sheet: Sheet, homography: Homography, ground: npt.NDArray[np.float32]
) -> None:
    """Lay the page on a desk, or on the lid of a scanner, given as grey levels float32[h, w]."""
    paper = np.ones(sheet.shape, np.uint8)
    inside = cv2.warpPerspective(paper, homography, scene.shape[::-1], flags=cv2.INTER_NEAREST)
    scene.desk = np.where(np.asarray(inside) > 0, np.float32(-1), ground)
