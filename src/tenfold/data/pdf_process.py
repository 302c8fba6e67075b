"""Counts or renders pages of PDF files: a program of its own, started by `pdf.py`.

A PDF can ask for any time and memory before anything about it is known, and PDFium ends its
process when there is no more. So this process has limits. It imports nothing of tenfold.
"""

import io
import math
import sys
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

REFUSED = 2  # exit code: standard output has the reason

POINTS_PER_INCH = 72
RENDERED_DPI = 300  # of a page that is not a scan
MIN_SCAN_DPI = 71  # a coarser image is a background; 72 is a photograph in its own pixels
MIN_SCAN_SHARE = 0.8  # of the page that an image covers
ROUNDING = 1e-5  # of sizes in a PDF: else a scan might become a pixel wider


class RefusedError(Exception):
    """Why a page is not rendered, in one line."""


def main() -> None:
    """Do what `pdf.py` asks: SECONDS BYTES MAX_PAGES, and a job with its arguments.

    The jobs are: count FILE..., sizes FILE, and render FILE NUMBER...
    """
    seconds, memory_bytes, max_pages = map(int, sys.argv[1:4])
    job, *arguments = sys.argv[4:]
    _limit_resources(seconds, memory_bytes)
    try:
        if job == "count":
            for name in arguments:
                sys.stdout.write(f"{_count(name, max_pages)}\n")
                sys.stdout.flush()
        elif job == "sizes":
            for page in _open(arguments[0], max_pages):
                sys.stdout.write("{} {}\n".format(*page.get_size()))
        else:
            name, *numbers = arguments
            _render(_open(name, max_pages), *map(int, numbers))
    except (RefusedError, pypdfium2.PdfiumError) as error:
        sys.stdout.write(str(error) if isinstance(error, RefusedError) else "damaged")
        sys.exit(REFUSED)


def _limit_resources(seconds: int, memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows; `pdf.py` has a time limit too
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _open(name: str, max_pages: int) -> pypdfium2.PdfDocument:
    """Open a file, or standard input.

    Raises:
        RefusedError: it is no PDF, is encrypted, or has no pages or too many.
    """
    # PDFium itself opens no file whose name is not UTF-8.
    contents = io.BytesIO(sys.stdin.buffer.read()) if name == "-" else None
    file = contents or Path(name).open("rb")  # noqa: SIM115 - closed with the document
    try:
        document = pypdfium2.PdfDocument(file, autoclose=True)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise RefusedError("encrypted; save it without a password") from None
        raise RefusedError("not a readable PDF") from None
    document.init_forms()  # what was typed into a form is drawn
    if len(document) > max_pages:
        raise RefusedError(f"has {len(document):,} pages, above {max_pages:,}; divide it")
    if not len(document):
        raise RefusedError("has no pages")
    return document


def _count(name: str, max_pages: int) -> int:
    """Return how many pages a file has, 1 if it cannot be read: rendering says why."""
    try:
        return len(_open(name, max_pages))
    except (RefusedError, pypdfium2.PdfiumError, OSError):
        return 1


def _render(document: pypdfium2.PdfDocument, number: int, max_pixels: int, max_side: int) -> None:
    """Write page count, width, height and bytes a row in one line, and then rows of RGB."""
    if number > len(document):
        raise RefusedError(f"there is no page {number}")
    page = document[number - 1]
    bitmap = page.render(scale=_scale(page, max_pixels, max_side), rev_byteorder=True)
    sizes = (len(document), bitmap.width, bitmap.height, bitmap.stride)
    sys.stdout.buffer.write("{} {} {} {}\n".format(*sizes).encode())
    sys.stdout.buffer.write(bitmap.buffer)


def _scale(page: pypdfium2.PdfPage, max_pixels: int, max_side: int) -> float:
    """Return how many pixels a point gets: those of the scan, if the page is one, within limits.

    Raises:
        RefusedError: the page would be above a limit with a pixel a point.
    """
    width, height = page.get_size()
    # PDFium rounds width and height up.
    largest = min(
        math.sqrt(max_pixels / ((width + 1) * (height + 1))), max_side / (max(width, height) + 1)
    )
    if not largest >= 1:
        raise RefusedError(
            f"{width:.0f} x {height:.0f} points are above {max_pixels / 10**6:.3g} million pixels; "
            "make it smaller"
        )
    scans = [
        _image_scale(image)
        for image in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=1)
        if _area(image) >= MIN_SCAN_SHARE * width * height
    ]
    native = max(scans, default=0.0)
    if native < MIN_SCAN_DPI / POINTS_PER_INCH:
        native = RENDERED_DPI / POINTS_PER_INCH
    return float(min(native, largest) * (1 - ROUNDING))


def _area(image: pypdfium2.PdfObject) -> float:
    left, bottom, right, top = image.get_bounds()
    return float((right - left) * (top - bottom))


def _image_scale(image: pypdfium2.PdfImage) -> float:
    width, height = image.get_px_size()
    a, b, c, d, _, _ = image.get_matrix().get()
    return float(max(width / math.hypot(a, b), height / math.hypot(c, d)))


if __name__ == "__main__":
    main()
