"""PDFs and TIFFs of several pages."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"


def pdf(pages: Sequence[bytes], *more: bytes, count: int | None = None, trailer: str = "") -> bytes:
    """Return a PDF of pages, the keys of each, and of more objects, the first of which is 3.

    The catalogue is object 1, and the pages follow `more`.
    """
    first = 3 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + n) for n in range(len(pages)))
    tree = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count or len(pages))
    leaves = [b"<< /Type /Page /Parent 2 0 R %s >>" % keys for keys in pages]
    body, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate([CATALOGUE, tree, *more, *leaves], 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(places) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF\n"
    return bytes(body) + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + end.encode()


def stream(content: bytes, keys: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), keys, content)


def scanned(pages: Sequence[np.ndarray], kind: str, **options: Any) -> bytes:
    """Return pictures uint8[h, w] as the pages of a PDF or a TIFF."""
    file = io.BytesIO()
    first, *others = map(Image.fromarray, pages)
    first.save(file, kind, save_all=True, append_images=others, **options)
    return file.getvalue()


def plain(*levels: int) -> list[np.ndarray]:
    """Return small pictures, each of one grey level."""
    return [np.full((24, 40), level, np.uint8) for level in levels]
