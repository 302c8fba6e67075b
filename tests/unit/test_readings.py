"""What the reader finds in each layout, and its judgement with stand-ins for the networks."""

import numpy as np
import pytest
from clear_digits import clear_digit, cropped, number, on_paper
from stub_network import BLANK, EVEN, FOREGROUND, PAGE, stub_reader, surely

from tenfold.data.normalization import normalize_digit
from tenfold.reading.page import Number
from tenfold.reading.reader import Layout, Reader
from tenfold.rendering.strokes import STROKE_TEMPLATES

# Layouts


def test_a_line_has_any_number_of_digits(reader: Reader) -> None:
    for digits in ("8", "0123456789", "1000", "42"):
        page = reader.read(on_paper(number(digits, 50)[0], 10, 250))
        assert [n.value for n in page.numbers] == [digits]
        assert page.numbers[0].row is None
        assert page.grid is None
    blank = reader.read(np.full((80, 90), 255, np.uint8))
    assert (blank.numbers, blank.text) == ((), "")


def test_a_single_picture_is_one_digit_whatever_it_is(reader: Reader) -> None:
    for foreground in (number("42", 50)[0], clear_digit(6)):
        (found,) = reader.read(on_paper(foreground, 10, 250), "single").numbers
        assert len(found.digits) == 1
    (found,) = reader.read(on_paper(clear_digit(6, 90), 10, 250), "single").numbers
    assert (found.value, found.accepted) == ("6", True)
    rows, columns = np.nonzero(clear_digit(6, 90) > 0)
    truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(found.box, truth, atol=1)
    assert found.digits[0].box == found.box


def test_a_grid_has_a_number_for_each_cell_that_is_filled(reader: Reader) -> None:
    foreground = np.zeros((280, 280), np.float32)
    for k in range(4):
        foreground[40 + 66 * k : 43 + 66 * k, 40:241] = 1
        foreground[40:241, 40 + 66 * k : 43 + 66 * k] = 1
    filled = {(0, 0): "5", (1, 2): "7", (2, 1): "3"}
    for (row, column), digit in filled.items():
        glyph = cropped(clear_digit(int(digit), 36))
        top, left = 52 + 66 * row, 58 + 66 * column
        foreground[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    page = reader.read(on_paper(foreground, 0, 255), "grid")
    assert page.grid == (3, 3)
    cells = {
        (row, column): cell.value
        for row, cells in enumerate(page.cells)
        for column, cell in enumerate(cells)
        if cell
    }
    assert cells == filled
    assert [(n.row, n.column) for n in page.numbers] == list(filled)


def test_boxes_are_in_the_pixels_of_the_picture_given(reader: Reader) -> None:
    grey = on_paper(number("271", 60)[0], 20, 240)
    large = np.kron(grey, np.ones((12, 12), np.uint8))  # is scaled down to be read
    layouts: tuple[tuple[Layout, float], ...] = (("numbers", 8), ("single", 1.5))
    for layout, tolerance in layouts:
        (one,), (other,) = (reader.read(p, layout).numbers for p in (grey, large))
        assert one.value == other.value
        for small, big in zip(one.digits, other.digits, strict=True):
            np.testing.assert_allclose(np.array(big.box) / 12, small.box, atol=tolerance)
            assert 0 <= big.box[0] < big.box[2] <= large.shape[1]
            assert 0 <= big.box[1] < big.box[3] <= large.shape[0]


@pytest.mark.parametrize("layout", ["single", "numbers"])
@pytest.mark.parametrize("height", [30, 100])
def test_a_digit_may_fill_its_picture(reader: Reader, layout: Layout, height: int) -> None:
    for digit, ways in STROKE_TEMPLATES.items():
        for way in range(len(ways)):
            foreground = cropped(clear_digit(digit, height, way=way))
            if (foreground > 0.5).mean() > 0.9:
                continue  # an upright 1 leaves no paper
            page = reader.read(on_paper(foreground, 20, 235), layout)
            assert (page.text, page.numbers[0].accepted) == (str(digit), True)


def single(picture: np.ndarray, probabilities: list[float] = EVEN) -> Number:
    """Read a picture of one digit with a network that always answers the same."""
    (found,) = stub_reader(probabilities).read(picture, "single").numbers
    return found


def test_a_single_digit_is_read_without_specks_and_shadows() -> None:
    foreground = clear_digit(5, 100)
    expected = single(on_paper(foreground, 0, 255))
    dirty = foreground.copy()
    dirty[22:27, 60:65] = 1  # a speck
    dirty[-3:, 30:90] = 1  # the next line of writing
    dirty[30:150, :4] = 1  # a shadow along an edge
    found = single(on_paper(dirty, 0, 255))
    assert found.box == expected.box
    np.testing.assert_array_equal(found.digits[0].pixels, expected.digits[0].pixels)


def test_a_shadow_in_a_corner_is_no_digit_however_large() -> None:
    foreground = clear_digit(5, 100, margin=0.9)
    dark = foreground.copy()
    dark[-80:, -90:] = 1
    assert dark[-80:, -90:].sum() > 2 * foreground.sum()
    clean, found = (single(on_paper(picture, 0, 255)) for picture in (foreground, dark))
    assert found.box == clean.box
    np.testing.assert_array_equal(found.digits[0].pixels, clean.digits[0].pixels)


def test_a_part_that_stands_apart_belongs_to_a_single_digit() -> None:
    foreground = clear_digit(3, 100, margin=0.5)
    rows, columns = np.nonzero(foreground)
    top = rows.min() - 20
    foreground[top : top + 8, columns.min() + 10 : columns.max()] = 1
    assert single(on_paper(foreground, 0, 255)).box[1] == top


# Judgement


def between(*pairs: tuple[int, float]) -> list[float]:
    """Return probabilities that are these, the rest shared out among the other digits."""
    given = dict(pairs)
    rest = (1 - sum(given.values())) / (10 - len(given))
    return [given.get(digit, rest) for digit in range(10)]


@pytest.mark.parametrize(
    ("probabilities", "reason"),
    [
        (between((3, 0.9)), None),
        (between((3, 0.5)), None),  # as likely as is accepted
        (between((3, 0.49), (5, 0.4)), "unsure"),
        (between((3, 0.45), (5, 0.36)), "unsure"),
        (between((3, 0.45), (5, 0.34)), "not a digit"),
        (EVEN, "not a digit"),
    ],
)
def test_reasons(probabilities: list[float], reason: str | None) -> None:
    found = single(FOREGROUND, probabilities)
    (digit,) = found.digits
    assert found.reason == reason
    assert found.accepted == digit.accepted == (reason is None)
    assert found.text == ("?" if reason else found.value)
    assert found.value == str(digit.digit)
    assert probabilities[digit.digit] == max(probabilities)
    assert found.probability == digit.probability == pytest.approx(max(probabilities))
    np.testing.assert_array_equal(digit.probabilities, np.array(probabilities, np.float32))
    assert digit.probabilities[digit.runner_up] == np.sort(digit.probabilities)[-2]
    assert digit.runner_up != digit.digit
    text, probability = found.alternatives[0]
    assert text == str(digit.runner_up)
    assert probability == pytest.approx(np.sort(digit.probabilities)[-2])


def test_a_blank_picture_has_no_number_however_sure_the_network_is() -> None:
    assert stub_reader(between((3, 0.99)), 0.0).read(BLANK, "single").numbers == ()


@pytest.mark.parametrize(
    ("own", "of_bundle", "accepted"),
    [(None, 0.6, True), (None, 0.8, False), (0.8, 0.6, False), (0.6, 0.8, True), (0.0, 1.0, True)],
)
def test_what_is_accepted_is_the_bundle_threshold_or_one_s_own(
    own: float | None,
    of_bundle: float,
    accepted: bool,  # noqa: FBT001
) -> None:
    reader = stub_reader(between((3, 0.7)), own, of_bundle)
    (found,) = reader.read(FOREGROUND, "single").numbers
    assert found.accepted is accepted


@pytest.mark.parametrize(("own", "accepted"), [(None, True), (0.9, False), (0.5, True)])
def test_one_s_own_threshold_holds_for_numbers_too(own: float | None, accepted: bool) -> None:  # noqa: FBT001
    reader = stub_reader(min_probability=own, found=surely("7", objectness=0.85))
    (found,) = reader.read(PAGE).numbers
    assert found.accepted is accepted


def test_the_pixels_are_what_the_network_sees(reader: Reader) -> None:
    foreground = clear_digit(2, 100)
    (found,) = reader.read(on_paper(foreground, 0, 255), "single").numbers
    (digit,) = found.digits
    np.testing.assert_allclose(digit.pixels.astype(int), normalize_digit(foreground), atol=1)
    again = reader.classifier.probabilities(digit.pixels[None])[0]
    np.testing.assert_allclose(again, digit.probabilities, atol=1e-5)


# As JSON


def test_a_page_as_json() -> None:
    reader = stub_reader(found=surely("-4"))  # centres 50 and 70, 16 wide, 28 high, at y = 100
    assert reader.read(PAGE).to_dict("a.png") == {
        "file": "a.png",
        "page": 1,
        "rows": None,
        "columns": None,
        "numbers": [
            {
                "text": "-4",
                "box": [62, 86, 78, 114],
                "probability": pytest.approx(1, abs=1e-4),
                "accepted": True,
                "reason": None,
                "printed": 0.0,
                "row": None,
                "column": None,
                "digits": [
                    {"digit": 4, "probability": 1.0, "box": [62, 86, 78, 114], "runner_up": 0}
                ],
            }
        ],
        "error": None,
    }
