"""PDF: a page becomes the picture that a scanner or a printer would give, within limits."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_documents import pdf, plain, scanned, stream

from tenfold.data import pdf as pdf_module
from tenfold.data.decoding import decode, load_pixels
from tenfold.data.file_pages import file_pages
from tenfold.errors import DataError

BOX = b"/MediaBox [0 0 72 144] "
SQUARE = stream(b"0 0 36 36 re f")  # half an inch, black, in the lower left corner


def drawn(keys: bytes = BOX) -> bytes:
    return pdf([keys + b"/Contents 3 0 R"], SQUARE)


@pytest.mark.parametrize("dpi", [72, 200, 611])
def test_a_scan_keeps_its_own_pixels(dpi: int) -> None:
    rng = np.random.default_rng(0)
    pages = [np.kron(rng.integers(0, 2, (9, 7)) * 255, np.ones((16, 16))) for _ in range(2)]
    content = scanned([page.astype(np.uint8) for page in pages], "PDF", resolution=dpi, quality=95)
    for found, page in zip(file_pages(content), pages, strict=True):
        pixels = load_pixels(found)
        assert pixels.shape == (*page.shape, 3)
        assert np.abs(pixels - page[..., None]).mean() < 6


def test_a_drawn_page_has_300_dots_an_inch() -> None:
    pixels = decode(drawn())
    assert pixels.shape == (600, 300, 3)
    dark = np.argwhere(pixels[..., 0] < 128)
    assert dark.min(axis=0).tolist() == [450, 0]
    assert dark.max(axis=0).tolist() == [599, 149]


def test_a_page_stands_as_it_says() -> None:
    pixels = decode(drawn(BOX + b"/Rotate 90 "))  # the lower left corner is then the upper left
    assert pixels.shape == (300, 600, 3)
    assert (pixels[:149, :149] < 128).all()
    assert (pixels[:, 151:] > 128).all()


def test_a_large_page_is_drawn_smaller_and_a_larger_one_refused() -> None:
    height, width, _ = decode(drawn(), 50_000).shape
    assert 49_000 < height * width <= 50_000
    assert height == pytest.approx(2 * width, abs=2)
    with pytest.raises(DataError, match=r"72 x 144 points are above 0\.01 million"):
        decode(drawn(), 10_000)


def hostile(kind: str) -> bytes:
    """Return a PDF that is damaged, or asks for too much."""
    resources = b"/Resources << /XObject << /X %d 0 R >> >> "
    forms = [
        stream(b"/X Do " * 30, b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] " + resources % n)
        for n in range(5, 14)
    ]
    garbage = "<" + "41" * 32 + ">"
    locked = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O {garbage} /U {garbage} >>"
    makers: dict[str, Callable[[], bytes]] = {
        "text": lambda: b"%PDF-1.7\nonly a text",
        "cut": lambda: drawn()[:60],
        "no pages": lambda: pdf([]),
        "encrypted": lambda: pdf([BOX], trailer=f"{locked} /ID [{garbage} {garbage}]"),
        "many pages": lambda: pdf([BOX] * 10_001),
        "claimed pages": lambda: pdf([BOX], count=1_000_000),
        "huge box": lambda: drawn(b"/MediaBox [0 0 100000 100000] "),
        "long box": lambda: drawn(b"/MediaBox [0 0 70000 1] "),
        "endless": lambda: pdf([BOX + b"/Contents 4 0 R " + resources % 5], SQUARE, *forms, SQUARE),
        "memory": lambda: drawn(b"/MediaBox [0 0 6000 6000] "),
    }
    return makers[kind]()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not a readable PDF"),
        ("cut", "not a readable PDF"),
        ("no pages", "not a readable PDF|has no pages"),
        ("encrypted", "encrypted; save it without a password"),
        ("many pages", "has 10,001 pages, above 10,000; divide it"),
        ("claimed pages", "has 1,000,000 pages, above 10,000; divide it"),
        ("huge box", "100000 x 100000 points are above 50 million pixels"),
        ("long box", "70000 x 1 points are above 50 million pixels"),
        ("endless", "damaged, or drawing takes more than 1 GB or 1 s"),
        ("memory", "damaged, or drawing takes more than"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "endless":
        monkeypatch.setattr(pdf_module, "CPU_SECONDS", 1)
    if kind == "memory":
        monkeypatch.setattr(pdf_module, "MEMORY_BYTES", 2**26)
    path = tmp_path / "scan.pdf"
    path.write_bytes(hostile(kind))
    begun = time.process_time()
    (page,) = file_pages(path)
    with pytest.raises(DataError, match=rf"^{path}: ({message})") as caught:
        load_pixels(page)
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun < 2


def test_a_file_that_ends_the_process_does_not_keep_the_others_from_being_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "for name in sys.argv[5:]:\n"
        "    if name.endswith('bad'): os.abort()\n"
        "    print(len(os.path.basename(name)), flush=True)\n"
    )
    monkeypatch.setattr(pdf_module, "_PROGRAM", program)
    names = ["bad", "ab", "abc", "bad", "bad", "a"]
    assert pdf_module.count_pages_of_files(names) == [1, 2, 3, 1, 1, 1]
    assert pdf_module.count_pages_of_files([]) == []


def test_what_may_stand_before_the_header() -> None:
    assert decode(b"\r\n\xef\xbb\xbf" + drawn()).shape == (600, 300, 3)
    assert not pdf_module.is_pdf(scanned(plain(0), "PNG") + b"%PDF-1.7")


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "-\udcff.pdf"
    path.write_bytes(drawn())
    assert [page.count for page in file_pages(path)] == [1]
    assert decode(path).shape == (600, 300, 3)
