"""Printed characters, in fonts of matplotlib, OpenCV and PDFium: they need no installation."""

import ctypes
import functools
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tenfold.rendering.sampling import Random, bernoulli

# Height of a printed digit before it is scaled to its final size.
PRINTED_HEIGHT_PX = 48
MATPLOTLIB_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "DejaVuSansMono", "DejaVuSansMono-Bold", "STIXGeneral"),
    *("STIXGeneralItalic", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10", "cmb10"),
)
# Fonts that every PDF reader has; most of what newspapers and forms print looks like them.
PDF_FONTS = (
    *("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Times-Roman", "Times-Bold"),
    *("Times-Italic", "Courier-Bold"),
)
HERSHEY_STROKE_PX = 3
HERSHEY_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX)

# Words of forms and newspapers.
WORDS = (
    *("Name", "Date", "Datum", "No.", "Nr.", "Total", "Points", "Punkte", "Task", "Summe"),
    *("kg", "Score", "Mark", "Page", "Seite", "Tel.", "Phone", "Amount", "Betrag", "EUR"),
    *("USD", "Kunde", "Class", "Klasse", "Room", "Answer", "Signature", "Unterschrift"),
    *("Student", "ID", "PLZ", "Day", "Month", "Year", "Jahr", "Monat", "Tag", "max."),
    *("von", "of", "the", "and", "cm", "mm", "Postcode", "Account", "Konto", "Difficult"),
    *("Moyen", "Easy", "Superieur", "ligne", "carre", "ABTEILUNG", "FORM", "TOTAL", "DATE"),
    *("NAME", "Matrikel", "Kurs", "h", "min", "x", "=", "%", "(", ")", "+", "?", "!", "*"),
    *("#", "&", "EN", "TIMES", "answer:", "reading:", "Zahl:", "km"),
)


Typeface = str | int
"""A font, by the name of matplotlib's file or PDF's, or the number of OpenCV's Hershey font."""
COMMON_TYPEFACES: tuple[Typeface, ...] = PDF_FONTS
TYPEFACES: tuple[Typeface, ...] = (*MATPLOTLIB_FONTS, *HERSHEY_FONTS, *PDF_FONTS)


def sample_typeface(random: Random) -> Typeface:
    """Draw one of the typefaces, every other time a common one."""
    typefaces = COMMON_TYPEFACES if bernoulli(random, 0.5) else TYPEFACES
    return typefaces[random.integers(len(typefaces))]


def printed_text(text: str, typeface: Typeface) -> npt.NDArray[np.float32]:
    """Draw text on one line: float32[h, w], 0 … 1, cropped to it; digits are 48 pixels high."""
    return _print(text, typeface).astype(np.float32) / np.float32(255)


@functools.lru_cache(maxsize=4096)
def _print(text: str, typeface: Typeface) -> npt.NDArray[np.uint8]:
    side = PRINTED_HEIGHT_PX * 2
    if isinstance(typeface, int):
        canvas = _print_hershey(text, typeface, _hershey_scale(typeface))
    elif typeface in PDF_FONTS:
        canvas = _print_pdf(text, typeface, _pdf_size(typeface))
    else:
        font = _font(typeface)
        page = Image.new("L", (round(font.getlength(text)) + side, 2 * side))
        ImageDraw.Draw(page).text((side // 2, side + side // 4), text, 255, font, anchor="ls")
        canvas = np.array(page)
    left, top, w, h = cv2.boundingRect(canvas)
    return canvas[top : top + h, left : left + w].copy()


def _print_hershey(text: str, font: int, scale: float) -> npt.NDArray[np.uint8]:
    width, height = cv2.getTextSize(text, font, scale, HERSHEY_STROKE_PX)[0]
    canvas = np.zeros((3 * height, width + 2 * height), np.uint8)
    origin = (height, 2 * height)
    cv2.putText(canvas, text, origin, font, scale, 255, HERSHEY_STROKE_PX, cv2.LINE_AA)
    return canvas


@functools.cache
def _hershey_scale(font: int) -> float:
    """Find the scale by drawing a digit: OpenCV 5 has other fonts of the same names."""
    _, _, _, height = cv2.boundingRect(_print_hershey("0", font, 2.0))
    return 2.0 * PRINTED_HEIGHT_PX / height


def _print_pdf(text: str, font: str, size: float) -> npt.NDArray[np.uint8]:
    """Print a line on a PDF page: uint8[h, w], 255 where there is ink."""
    import pypdfium2 as pdfium
    from pypdfium2 import raw

    document = pdfium.PdfDocument.new()
    page = document.new_page(size * (len(text) + 2), 3 * size)
    line = raw.FPDFPageObj_NewTextObj(document, font.encode(), size)
    utf16 = ctypes.create_string_buffer(f"{text}\0".encode("utf-16-le"))
    raw.FPDFText_SetText(line, ctypes.cast(utf16, raw.FPDF_WIDESTRING))
    raw.FPDFPageObj_Transform(line, 1, 0, 0, 1, size, size)
    raw.FPDFPage_InsertObject(page, line)
    page.gen_content()
    canvas = np.asarray(page.render(grayscale=True).to_numpy(), np.uint8)
    return np.uint8(255) - canvas.reshape(canvas.shape[:2])


@functools.cache
def _pdf_size(font: str) -> float:
    _, _, _, height = cv2.boundingRect(_print_pdf("0", font, 100.0))
    return 100.0 * PRINTED_HEIGHT_PX / height


@functools.cache
def matplotlib_font(name: str, size_px: float) -> ImageFont.FreeTypeFont:
    """Load a font that comes with matplotlib, by the name of its file."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size_px)


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    _, top, _, bottom = matplotlib_font(name, 100).getbbox("0", anchor="ls")
    return matplotlib_font(name, 100 * PRINTED_HEIGHT_PX / (bottom - top))
