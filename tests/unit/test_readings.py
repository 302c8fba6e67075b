"""What the reader finds in each layout, and its judgement with a stand-in for the network."""

import numpy as np
import pytest
from clear_digits import clear_digit, cropped, number, on_paper
from stub_network import BLANK, EVEN, FOREGROUND, stub_reader

from tenfold.data.normalization import normalize_digit
from tenfold.reading.crops import Layout, crop_digits
from tenfold.reading.reader import Reader, Reading, best_candidate
from tenfold.rendering.strokes import STROKE_TEMPLATES

# Layouts


def test_a_line_has_any_number_of_digits(reader: Reader) -> None:
    for digits in ("8", "0123456789", "1000", "42"):
        readings = reader.read(on_paper(number(digits, 50)[0], 10, 250))
        assert "".join(str(reading.digit) for reading in readings) == digits
        assert all(reading.row is None for reading in readings)
    assert reader.read(np.full((80, 90), 255, np.uint8)) == []


def test_a_single_picture_is_one_digit_whatever_it_is(reader: Reader) -> None:
    for foreground in (number("42", 50)[0], np.zeros((60, 60), np.float32), clear_digit(6)):
        assert len(reader.read(on_paper(foreground, 10, 250), "single")) == 1
    reading = reader.read(on_paper(clear_digit(6, 90), 10, 250), "single")[0]
    assert (reading.digit, reading.rejected) == (6, False)
    rows, columns = np.nonzero(clear_digit(6, 90) > 0)
    truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert reading.box is not None
    np.testing.assert_allclose(reading.box, truth, atol=1)


def test_a_grid_is_one_reading_a_cell(reader: Reader) -> None:
    foreground = np.zeros((280, 280), np.float32)
    for k in range(4):
        foreground[40 + 66 * k : 43 + 66 * k, 40:241] = 1
        foreground[40:241, 40 + 66 * k : 43 + 66 * k] = 1
    filled = {(0, 0): 5, (1, 2): 7, (2, 1): 3}
    for (row, column), digit in filled.items():
        glyph = cropped(clear_digit(digit, 36))
        top, left = 52 + 66 * row, 58 + 66 * column
        foreground[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    readings = reader.read(on_paper(foreground, 0, 255), "grid")
    assert [(r.row, r.column) for r in readings] == [(k // 3, k % 3) for k in range(9)]
    read = {(r.row, r.column): r.digit for r in readings if r.reason != "blank"}
    assert read == filled


def test_boxes_are_in_the_pixels_of_the_picture_given(reader: Reader) -> None:
    grey = on_paper(number("271", 60)[0], 20, 240)
    large = np.kron(grey, np.ones((12, 12), np.uint8))  # is scaled down to be read
    for layout in ("line", "single"):
        for one, other in zip(reader.read(grey, layout), reader.read(large, layout), strict=True):
            assert one.box is not None
            assert other.box is not None
            np.testing.assert_allclose(np.array(other.box) / 12, one.box, atol=1.5)
            assert 0 <= other.box[0] < other.box[2] <= large.shape[1]
            assert 0 <= other.box[1] < other.box[3] <= large.shape[0]


@pytest.mark.parametrize("layout", ["single", "line"])
@pytest.mark.parametrize("height", [30, 100])
def test_a_digit_may_fill_its_picture(reader: Reader, layout: Layout, height: int) -> None:
    for digit, ways in STROKE_TEMPLATES.items():
        for way in range(len(ways)):
            foreground = cropped(clear_digit(digit, height, way=way))
            if (foreground > 0.5).mean() > 0.9:
                continue  # an upright 1 leaves no paper
            (reading,) = reader.read(on_paper(foreground, 20, 235), layout)
            assert (reading.digit, reading.rejected) == (digit, False)


def test_a_single_digit_is_read_without_specks_and_shadows() -> None:
    foreground = clear_digit(5, 100)
    expected = stub_reader(EVEN).read(on_paper(foreground, 0, 255), "single")[0]
    dirty = foreground.copy()
    dirty[22:27, 60:65] = 1  # a speck
    dirty[-3:, 30:90] = 1  # the next line of writing
    dirty[30:150, :4] = 1  # a shadow along an edge
    (reading,) = stub_reader(EVEN).read(on_paper(dirty, 0, 255), "single")
    assert reading.box == expected.box
    np.testing.assert_array_equal(reading.image, expected.image)


def test_a_shadow_in_a_corner_is_no_digit_however_large() -> None:
    foreground = clear_digit(5, 100, margin=0.9)
    dark = foreground.copy()
    dark[-80:, -90:] = 1
    assert dark[-80:, -90:].sum() > 2 * foreground.sum()
    clean, reading = (
        stub_reader(EVEN).read(on_paper(picture, 0, 255), "single")[0]
        for picture in (foreground, dark)
    )
    assert reading.box == clean.box
    np.testing.assert_array_equal(reading.image, clean.image)


def test_a_part_that_stands_apart_belongs_to_a_single_digit() -> None:
    foreground = clear_digit(3, 100, margin=0.5)
    rows, columns = np.nonzero(foreground)
    top = rows.min() - 20
    foreground[top : top + 8, columns.min() + 10 : columns.max()] = 1
    (reading,) = stub_reader(EVEN).read(on_paper(foreground, 0, 255), "single")
    assert reading.box is not None
    assert reading.box[1] == top


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
    (reading,) = stub_reader(probabilities).read(FOREGROUND, "single")
    assert reading.reason == reason
    assert reading.rejected == (reason is not None)
    assert probabilities[reading.digit] == max(probabilities)
    assert reading.probability == pytest.approx(max(probabilities))
    np.testing.assert_array_equal(reading.probabilities, np.array(probabilities, np.float32))
    np.testing.assert_array_equal(reading.members[0], reading.probabilities[::-1])
    np.testing.assert_array_equal(reading.members[1], reading.probabilities)
    assert reading.probabilities[reading.runner_up] == np.sort(reading.probabilities)[-2]
    assert reading.runner_up != reading.digit


def test_a_blank_picture_is_rejected_however_sure_the_network_is() -> None:
    (reading,) = stub_reader(between((3, 0.99)), 0.0).read(BLANK, "single")
    assert (reading.reason, reading.rejected, reading.box) == ("blank", True, None)
    assert not reading.image.any()


@pytest.mark.parametrize(
    ("own", "of_bundle", "rejected"),
    [(None, 0.6, False), (None, 0.8, True), (0.8, 0.6, True), (0.6, 0.8, False), (0.0, 1.0, False)],
)
def test_what_is_accepted_is_the_bundle_threshold_or_one_s_own(
    own: float | None,
    of_bundle: float,
    rejected: bool,  # noqa: FBT001
) -> None:
    (reading,) = stub_reader(between((3, 0.7)), own, of_bundle).read(FOREGROUND, "single")
    assert reading.rejected is rejected


def readings(*probabilities: float) -> list[Reading]:
    return [stub_reader(between((1, p))).read(FOREGROUND, "single")[0] for p in probabilities]


@pytest.mark.parametrize(
    ("splits", "chosen"),
    [
        ([(0.3,)], 0),
        ([(0.95,), (0.99, 0.99)], 0),  # better, but not by a tenth
        ([(0.85,), (0.99, 0.97)], 1),
        ([(0.6,), (0.99, 0.4)], 0),  # a split is as good as its worst digit
        ([(0.2,), (0.5, 0.6), (0.8, 0.7, 0.9)], 2),
        ([(0.5, 0.6), (0.6, 0.9, 0.8)], 1),
    ],
)
def test_the_best_candidate(splits: list[tuple[float, ...]], chosen: int) -> None:
    given = [readings(*split) for split in splits]
    assert best_candidate(given) is given[chosen]


def test_touching_digits_are_split_by_the_network_s_probabilities(reader: Reader) -> None:
    foreground, _ = number("80", 60, gap=-0.06)
    picture = on_paper(foreground, 0, 255)
    (region,) = crop_digits(foreground, "line", 1.0, foreground.shape)
    assert [len(split) for split in region] == [1, 2]
    assert [reading.digit for reading in reader.read(picture)] == [8, 0]
    # One that is as sure of anything leaves it whole.
    assert len(stub_reader(between((3, 0.9))).read(picture)) == 1


def test_the_image_is_what_the_network_sees(reader: Reader) -> None:
    foreground = clear_digit(2, 100)
    (reading,) = reader.read(on_paper(foreground, 0, 255), "single")
    np.testing.assert_allclose(reading.image.astype(int), normalize_digit(foreground), atol=1)
    again = reader.classifier.probabilities(reading.image[None])[0]
    np.testing.assert_allclose(again, reading.probabilities, atol=1e-5)
