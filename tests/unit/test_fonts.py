"""Glyphs of fonts: with a stand-in for each font everywhere, with the real ones where they are."""

import shutil
import string
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from tenfold.errors import DataError
from tenfold.rendering import fonts
from tenfold.rendering.fonts import (
    APT,
    FONTS,
    LETTERS,
    Font,
    describe_fonts,
    draw_glyph,
    find_fonts,
    font_digits,
    font_letters,
)
from tenfold.rendering.picture_sets import load_pictures

DEJAVU = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@pytest.fixture
def only_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide the machine's fonts; those in the returned folder are found."""
    monkeypatch.setattr(fonts, "FOLDERS", (tmp_path / "absent",))
    monkeypatch.setenv("TENFOLD_FONTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def stand_ins(only_in: Path) -> Path:
    """Put one plain font in the place of the first 20 handwriting fonts."""
    for font in FONTS[:20]:
        shutil.copy(DEJAVU, only_in / font.file)
    return only_in


@pytest.fixture(scope="module")
def real_fonts() -> list[tuple[Font, Path]]:
    try:
        return find_fonts()
    except DataError as error:
        pytest.skip(str(error))


def test_every_digit_in_every_font_four_times(stand_ins: Path) -> None:
    drawn = list(font_digits())
    assert stand_ins.is_dir()
    assert [label for _, label in drawn] == list(string.digits) * 20 * 4
    assert not np.array_equal(drawn[0][0], drawn[200][0])  # another size


@pytest.mark.usefixtures("stand_ins")
def test_pictures_are_the_same_each_time_and_the_first_those_of_all() -> None:
    first = load_pictures("font-digits", n=30)
    assert first.sha256 == load_pictures("font-digits", n=30).sha256
    longer = load_pictures("font-digits", n=40)
    for one, other in zip(first.pictures, longer.pictures, strict=False):
        np.testing.assert_array_equal(one, other)
    assert first.source == describe_fonts() == "20 of 49 handwriting fonts, drawing 1"


@pytest.mark.usefixtures("stand_ins")
def test_glyphs_are_dark_on_light_with_margins() -> None:
    for picture, _ in font_digits(50):
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert border.min() == border.max() >= 225
        assert picture.min() < 80
        rows = np.flatnonzero((picture < border[0]).any(axis=1))
        columns = np.flatnonzero((picture < border[0]).any(axis=0))
        tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 23 <= max(tall, 0.8 * wide) <= 162


def test_letters_are_those_that_no_digit_looks_like(stand_ins: Path) -> None:
    assert len(LETTERS) >= 26
    assert not set(LETTERS) & set("BfbGDOoQegqaIiJjLltTSsyYZz")
    found = find_fonts()
    assert {path.parent for _, path in found} == {stand_ins}
    drawn = list(font_letters())
    assert len(drawn) == sum(letter not in font.excluded for font, _ in found for letter in LETTERS)
    assert {label for _, label in drawn} == {""}


def test_too_few_fonts_name_the_packages(only_in: Path) -> None:
    shutil.copy(DEJAVU, only_in / FONTS[0].file)
    with pytest.raises(DataError, match=f"1 of 49 handwriting fonts.*20 are needed; {APT}"):
        load_pictures("font-digits")
    assert "fonts-breip" in APT
    assert APT.split().count("fonts-bwht") == 1


def test_a_file_that_is_no_font_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    with pytest.raises(DataError, match=r"broken\.ttf: cannot draw '7'"):
        draw_glyph(FONTS[0], broken, "7", 0)


def test_an_empty_glyph_is_refused() -> None:
    with pytest.raises(DataError, match="cannot draw ' '"):
        draw_glyph(FONTS[0], DEJAVU, " ", 0)


def test_real_fonts_have_ten_different_digits(real_fonts: list[tuple[Font, Path]]) -> None:
    # A missing glyph is drawn as a box, the same for all of them.
    for font, path in real_fonts:
        shapes = {fonts._coverage(path, digit, 60).tobytes() for digit in string.digits}
        assert len(shapes) == 10, font.file


def test_real_letters_come_from_twenty_fonts(real_fonts: list[tuple[Font, Path]]) -> None:
    with_letters = [font for font, _ in real_fonts if set(LETTERS) - set(font.excluded)]
    if len(real_fonts) < len(FONTS):
        pytest.skip("some of the fonts are missing")
    assert len(with_letters) >= 20
    kinds = {letter for font in with_letters for letter in LETTERS if letter not in font.excluded}
    assert len(kinds) >= 26
