"""The pages of a blank form, and how large its paper is."""

import io
from pathlib import Path

import numpy as np
import pytest
from made_documents import pdf, stream
from PIL import Image

from tenfold.data.pdf import page_sizes
from tenfold.errors import DataError
from tenfold.forms.blank import SHOWN_PX_PER_MM, read_blank


def written(path: Path, *shapes: tuple[int, int]) -> Path:
    first, *others = [Image.new("L", (w, h), 255) for h, w in shapes]
    first.save(path, save_all=bool(others), append_images=others)
    return path


def test_a_pdf_says_how_large_its_pages_are(tmp_path: Path) -> None:
    path = tmp_path / "blank.pdf"
    page = b"/MediaBox [0 0 595.28 841.89] /Rotate 90 /Contents 3 0 R"
    path.write_bytes(pdf([page], stream(b"0 0 36 36 re f")))
    assert page_sizes(path) == [pytest.approx((841.89, 595.28), abs=0.01)]
    (found,) = read_blank(path)
    assert (found.width_mm, found.height_mm) == (297.0, 210.0)
    shown = np.asarray(Image.open(io.BytesIO(found.png)))
    assert shown.shape == pytest.approx((210 * SHOWN_PX_PER_MM, 297 * SHOWN_PX_PER_MM), abs=2)
    assert shown[:50, :50].max() == 0  # the lower left corner, turned
    assert shown[200:].min() == 255


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1169, 827), (210.0, 297.0)),
        ((827, 1169), (297.0, 210.0)),
        ((1100, 850), (215.9, 279.4)),
        ((400, 400), (210.0, 210.0)),
        ((600, 200), (210.0, 630.0)),
    ],
)
def test_the_paper_of_a_picture_is_guessed(
    shape: tuple[int, int], size: tuple[float, float], tmp_path: Path
) -> None:
    (page,) = read_blank(written(tmp_path / "blank.png", shape))
    assert (page.width_mm, page.height_mm) == size


def test_a_document_has_a_page_of_each(tmp_path: Path) -> None:
    pages = read_blank(written(tmp_path / "blank.tif", (117, 83), (83, 117)))
    assert [page.width_mm for page in pages] == [210.0, 297.0]


def test_what_is_no_form_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "blank.pdf"
    path.write_bytes(b"%PDF-1.7 and nothing else")
    with pytest.raises(DataError, match=r"blank\.pdf: not a readable PDF"):
        read_blank(path)
    with pytest.raises(DataError, match="not a readable PDF"):
        page_sizes(path)
    with pytest.raises(DataError, match="no such image"):
        read_blank(tmp_path / "missing.png")
    with pytest.raises(DataError, match="has 51 pages; a form has at most 50"):
        read_blank(written(tmp_path / "long.tif", *[(8, 8)] * 51))
