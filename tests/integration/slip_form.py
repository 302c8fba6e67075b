"""A form with one field, and its pages as they are drawn."""

import cv2
import numpy as np

FORM = """\
name = "slip"
[[pages]]
width_mm = 60.0
height_mm = 50.0
[[fields]]
name = "n"
box = [18.0, 18.0, 24.0, 10.0]
kind = "number"
"""


def draw(number: int) -> np.ndarray:
    """Draw a page with four squares, a box and a number, at 8 pixels per mm."""
    page = np.full((400, 480), 235, np.uint8)
    for x in (80, 400):
        for y in (80, 320):
            page[y - 24 : y + 24, x - 24 : x + 24] = 20
    cv2.rectangle(page, (144, 144), (336, 224), 90, 2)
    cv2.putText(page, str(number), (170, 205), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 40, 4)
    return page
