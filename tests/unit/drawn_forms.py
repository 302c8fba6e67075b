"""Forms that are drawn for tests: boxes, corner squares or markers, and printed digits."""

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.forms.corners import corner_centres
from tenfold.forms.template import Template

Grey = npt.NDArray[np.uint8]


DRAWN_PX_PER_MM = 8.0


def draw_page(template: Template, page: int = 1, px_per_mm: float = DRAWN_PX_PER_MM) -> Grey:
    """Draw the blank page of a form: uint8[h, w]."""
    size = template.pages[page - 1]
    w, h = round(size.width_mm * px_per_mm), round(size.height_mm * px_per_mm)
    paper = _drawn(template, page, DRAWN_PX_PER_MM)
    if px_per_mm > DRAWN_PX_PER_MM:
        return np.asarray(cv2.resize(paper, (w, h), interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.asarray(cv2.resize(paper, (w, h), interpolation=cv2.INTER_AREA), np.uint8)


def _drawn(template: Template, page: int, px_per_mm: float) -> Grey:
    size = template.pages[page - 1]
    shape = round(size.height_mm * px_per_mm), round(size.width_mm * px_per_mm)
    paper = np.full(shape, 240, np.uint8)
    half = template.mark_size_mm / 2
    markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    for corner, (x, y) in enumerate(corner_centres(size, template.mark_inset_mm).tolist()):
        left, top, side = (round(v * px_per_mm) for v in (x - half, y - half, 2 * half))
        if template.registration == "marks":
            paper[top : top + side, left : left + side] = 20
        elif template.registration == "aruco":
            marker = cv2.aruco.generateImageMarker(markers, 4 * (page - 1) + corner, side)
            paper[top : top + side, left : left + side] = marker.clip(20, 240)
    for cell in template.cells:
        if cell.field.page == page:
            left, top, right, bottom = box_px(cell.box, px_per_mm)
            cv2.rectangle(paper, (left, top), (right, bottom), 90, max(1, round(px_per_mm / 4)))
            pitch = (right - left) / (cell.field.length or 1)
            for k in range(1, cell.field.length or 1):
                x = round(left + k * pitch)
                cv2.line(paper, (x, top), (x, bottom), 90, 1)
            label = (left, top - round(1.2 * px_per_mm))
            cv2.putText(
                paper, f"{cell.name}", label, cv2.FONT_HERSHEY_SIMPLEX, px_per_mm / 13, 60, 1
            )
    if template.registration == "blank":  # such a form has text
        words = np.random.default_rng(page)
        for y in range(22, round(size.height_mm) - 20, 12):
            text = "".join(words.choice(list("abcdefghijklmnop  "), 30))
            place = round(22 * px_per_mm), round(y * px_per_mm)
            cv2.putText(paper, text, place, cv2.FONT_HERSHEY_SIMPLEX, px_per_mm / 14, 60, 1)
    return paper


def box_px(box: tuple[float, float, float, float], px_per_mm: float) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in pixels."""
    left, top, width, height = (v * px_per_mm for v in box)
    return round(left), round(top), round(left + width), round(top + height)


def scanned(page: Grey, degrees: float = 1.0, scale: float = 1.0, margin: int = 40) -> Grey:
    """Turn a page on a darker ground, clockwise, and add noise: uint8[h, w]."""
    h, w = page.shape
    around = cv2.copyMakeBorder(page, *(margin,) * 4, cv2.BORDER_CONSTANT, value=200)
    quarters = round(degrees / 90)
    around = np.rot90(around, -quarters)
    h, w = around.shape
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), -(degrees - 90 * quarters), scale)
    turn = turn + np.array([(0, 0, w * (scale - 1) / 2), (0, 0, h * (scale - 1) / 2)])
    size = round(w * scale), round(h * scale)
    small = cv2.warpAffine(around, turn, size, flags=cv2.INTER_AREA, borderValue=200)
    noise = np.random.default_rng(0).normal(0, 3, small.shape)
    return np.asarray(np.clip(small + noise, 0, 255), np.uint8)


def write_values(paper: Grey, template: Template, page: int, values: dict[str, str]) -> Grey:
    """Write digits of a plain typeface into the boxes of a page drawn at `DRAWN_PX_PER_MM`.

    Of a box to tick "true" is a cross. Digits of a comb stand in its boxes.
    """
    paper = paper.copy()
    for cell in template.cells:
        if cell.field.page != page or not (text := values.get(cell.name, "")):
            continue
        left, top, right, bottom = box_px(cell.box, DRAWN_PX_PER_MM)
        if cell.field.kind == "mark":
            if text == "true":
                cv2.line(paper, (left + 6, top + 6), (right - 6, bottom - 6), 50, 4)
                cv2.line(paper, (right - 6, top + 6), (left + 6, bottom - 6), 50, 4)
            continue
        pitch = (right - left) / cell.field.length if cell.field.length else 32
        for k, character in enumerate(text):
            place = round(left + (k + 0.5) * pitch - 12), bottom - 16
            cv2.putText(paper, character, place, cv2.FONT_HERSHEY_SIMPLEX, 1.3, 50, 4)
    return paper
