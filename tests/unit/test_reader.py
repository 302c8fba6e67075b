"""The reader: every way to hand it a picture, and its judgement with a stand-in for the network."""

import io
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from clear_digits import Pixels, clear_digit, cropped, number, on_paper
from PIL import Image

from tenfold.data.form import to_form
from tenfold.data.strokes import WAYS, spline, strokes_of
from tenfold.errors import DataError
from tenfold.model.classifier import Classifier
from tenfold.model.predict import Predictor
from tenfold.reading.reader import Layout, Reader, Reading, likeliest, locate, pixels_of

EVEN = [0.1] * 10
BLANK = np.full((20, 20), 255, np.uint8)
INK = on_paper(clear_digit(3, 40), 0, 255)


class Stub:
    """In place of a network: gives the same answer to every image, and counts its calls."""

    def __init__(self, probabilities: Sequence[float], accept: float = 0.5) -> None:
        self.config = SimpleNamespace(accept=accept)
        self.given: list[int] = []
        self._row = np.array(probabilities, np.float32)

    def opinions(
        self, images: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        assert images.dtype == np.uint8
        assert images.shape[1:] == (28, 28)
        self.given.append(len(images))
        both = np.stack([self._row[::-1], self._row])
        return np.tile(self._row, (len(images), 1)), np.tile(both, (len(images), 1, 1))


def stub_reader(
    probabilities: Sequence[float], accept: float | None = None, bundle_s: float = 0.5
) -> Reader:
    return Reader(cast("Classifier", Stub(probabilities, bundle_s)), accept)


def between(*pairs: tuple[int, float]) -> list[float]:
    """Return probabilities that are these, the rest shared out among the other digits."""
    given = dict(pairs)
    rest = (1 - sum(given.values())) / (10 - len(given))
    return [given.get(digit, rest) for digit in range(10)]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load()


def png(pixels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# What a picture may be


def test_a_picture_may_be_given_in_any_way(reader: Reader, tmp_path: Path) -> None:
    ink, boxes = number("3705", 60)
    grey = on_paper(ink, 20, 240)
    colour = np.stack([grey] * 3, axis=2)
    path = tmp_path / "number.png"
    path.write_bytes(png(grey))
    given: list[Any] = [
        *(path, str(path), path.read_bytes(), png(colour), grey, colour, Image.fromarray(grey)),
        *(grey[..., None], grey.astype(np.int64), colour.astype(np.int32)),
        *(
            grey / 255,
            (grey / 255).astype(np.float32),
            (grey / 255).astype(np.float16),
            colour / 255,
        ),
        *(np.asfortranarray(grey), np.ascontiguousarray(grey[::-1])[::-1]),
    ]
    expected = reader.read(grey)
    assert [reading.digit for reading in expected] == [3, 7, 0, 5]
    assert np.abs(np.array([r.box for r in expected]) - boxes).max() <= 1
    for picture in given:
        readings = reader.read(picture)
        assert [r.box for r in readings] == [r.box for r in expected]
        for one, other in zip(readings, expected, strict=True):
            np.testing.assert_allclose(one.image.astype(int), other.image, atol=1)
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.01)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros(4, np.uint8), r"shape \(4,\) is no picture; give \[h, w\] or \[h, w, 3\]"),
        (np.zeros((2, 3, 4), np.uint8), r"shape \(2, 3, 4\)"),
        (np.zeros((5, 28, 28), np.uint8), r"shape \(5, 28, 28\) is a stack; give it to read_all"),
        (np.zeros((2, 2, 2, 3), np.uint8), r"shape \(2, 2, 2, 3\)"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5\)"),
        (np.array([[0, 256]]), "pixels of int64: give integers 0 … 255 or floats"),
        (np.array([[-1, 5]], np.int16), "pixels of int16"),
        (np.zeros((2, 2), np.complex128), "pixels of complex128"),
        (np.array([[0.5, 1.1]]), "pixels of float64"),
        (np.array([[0.5, np.nan]]), "pixels of float64"),
        (np.array([[0.5, np.inf]], np.float32), "pixels of float32"),
    ],
)
def test_what_is_no_picture_is_named(array: npt.NDArray[Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        stub_reader(EVEN).read(array)


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    for given in (path, str(path)):
        with pytest.raises(DataError, match=r"notes\.png: not a readable image"):
            stub_reader(EVEN).read(given)
    with pytest.raises(DataError, match="picture: not a readable image"):
        stub_reader(EVEN).read(b"no picture")
    with pytest.raises(DataError, match=r"absent\.png: no such image"):
        stub_reader(EVEN).read(tmp_path / "absent.png")
    (tmp_path / "blank.png").write_bytes(png(np.full((50, 50), 255, np.uint8)))
    with pytest.raises(DataError, match=r"blank\.png: no grid in this picture"):
        stub_reader(EVEN).read(tmp_path / "blank.png", "grid")


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16])
def test_integers_are_grey_levels(kind: type) -> None:
    given: npt.NDArray[Any] = np.array([[0, 1, 100, 127]]).astype(kind)
    np.testing.assert_array_equal(pixels_of(given), [[0, 1, 100, 127]])


def test_floats_and_bits_are_shares_of_white() -> None:
    np.testing.assert_array_equal(pixels_of(np.array([[0.0, 0.5, 0.2, 1.0]])), [[0, 128, 51, 255]])
    np.testing.assert_array_equal(pixels_of(np.array([[False, True]])), [[0, 255]])


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(DataError, match="layout 'lines': use line, single or grid"):
        stub_reader(EVEN).read(INK, cast("Any", "lines"))


# Layouts


def test_a_line_has_any_number_of_digits(reader: Reader) -> None:
    for digits in ("8", "0123456789", "1000", "42"):
        readings = reader.read(on_paper(number(digits, 50)[0], 10, 250))
        assert "".join(str(reading.digit) for reading in readings) == digits
        assert all(reading.row is None for reading in readings)
    assert reader.read(np.full((80, 90), 255, np.uint8)) == []


def test_a_single_picture_is_one_digit_whatever_it_is(reader: Reader) -> None:
    for ink in (number("42", 50)[0], np.zeros((60, 60), np.float32), clear_digit(6)):
        assert len(reader.read(on_paper(ink, 10, 250), "single")) == 1
    reading = reader.read(on_paper(clear_digit(6, 90), 10, 250), "single")[0]
    assert (reading.digit, reading.rejected) == (6, False)
    rows, columns = np.nonzero(clear_digit(6, 90) > 0)
    truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert reading.box is not None
    np.testing.assert_allclose(reading.box, truth, atol=1)


def test_a_grid_is_one_reading_a_cell(reader: Reader) -> None:
    ink = np.zeros((280, 280), np.float32)
    for k in range(4):
        ink[40 + 66 * k : 43 + 66 * k, 40:241] = 1
        ink[40:241, 40 + 66 * k : 43 + 66 * k] = 1
    filled = {(0, 0): 5, (1, 2): 7, (2, 1): 3}
    for (row, column), digit in filled.items():
        glyph = cropped(clear_digit(digit, 36))
        top, left = 52 + 66 * row, 58 + 66 * column
        ink[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    readings = reader.read(on_paper(ink, 0, 255), "grid")
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
    for digit, ways in WAYS.items():
        for way in range(len(ways)):
            ink = cropped(clear_digit(digit, height, way=way))
            if (ink > 0.5).mean() > 0.9:
                continue  # an upright 1 leaves no paper
            (reading,) = reader.read(on_paper(ink, 20, 235), layout)
            assert (reading.digit, reading.rejected) == (digit, False)


def test_a_single_digit_is_read_without_specks_and_shadows() -> None:
    ink = clear_digit(5, 100)
    expected = stub_reader(EVEN).read(on_paper(ink, 0, 255), "single")[0]
    dirty = ink.copy()
    dirty[22:27, 60:65] = 1  # a speck
    dirty[-3:, 30:90] = 1  # the next line of writing
    dirty[30:150, :4] = 1  # a shadow along an edge
    (reading,) = stub_reader(EVEN).read(on_paper(dirty, 0, 255), "single")
    assert reading.box == expected.box
    np.testing.assert_array_equal(reading.image, expected.image)


def test_a_shadow_in_a_corner_is_no_digit_however_large() -> None:
    ink = clear_digit(5, 100, margin=0.9)
    dark = ink.copy()
    dark[-80:, -90:] = 1
    assert dark[-80:, -90:].sum() > 2 * ink.sum()
    clean, reading = (
        stub_reader(EVEN).read(on_paper(picture, 0, 255), "single")[0] for picture in (ink, dark)
    )
    assert reading.box == clean.box
    np.testing.assert_array_equal(reading.image, clean.image)


def test_a_part_that_stands_apart_belongs_to_a_single_digit() -> None:
    ink = clear_digit(3, 100, margin=0.5)
    rows, columns = np.nonzero(ink)
    top = rows.min() - 20
    ink[top : top + 8, columns.min() + 10 : columns.max()] = 1
    (reading,) = stub_reader(EVEN).read(on_paper(ink, 0, 255), "single")
    assert reading.box is not None
    assert reading.box[1] == top


# Strokes


def test_strokes_are_read_like_pictures(reader: Reader) -> None:
    for digit, ways in WAYS.items():
        for way in ways:
            strokes = [(spline(points) * (0.65, 1)).tolist() for points in strokes_of(way)]
            (reading,) = reader.read_strokes(strokes)
            assert (reading.digit, reading.rejected) == (digit, False)


def test_strokes_have_no_unit(reader: Reader) -> None:
    points = spline(strokes_of(WAYS[3][0])[0])
    (first,) = reader.read_strokes([points.tolist()])
    for scale, shift in ((0.001, 0.0), (300.0, -40.0), (1e6, 1e7)):
        (other,) = reader.read_strokes([(points * scale + shift).tolist()])
        np.testing.assert_allclose(first.image.astype(int), other.image, atol=2)


def test_strokes_may_be_several_digits(reader: Reader) -> None:
    strokes = [
        (spline(points) * (0.65, 1) + (1.1 * place, 0)).tolist()
        for place, digit in enumerate((2, 0, 7))
        for points in strokes_of(WAYS[digit][0])
    ]
    assert [reading.digit for reading in reader.read_strokes(strokes, "line")] == [2, 0, 7]


def test_few_points_and_none() -> None:
    reader = stub_reader(EVEN)
    empty: list[Any] = [[], [[]], [[], []]]
    for nothing in empty:
        assert [r.reason for r in reader.read_strokes(nothing)] == ["blank"]
        assert reader.read_strokes(nothing, "line") == []
    for dot in ([[(3.0, 4.0)]], [[(3.0, 4.0), (3.0, 4.0)]]):
        (reading,) = reader.read_strokes(dot)
        assert reading.image.sum() > 10_000
    for least in (5e-324, 1e-200):  # so near to each other that only a dot is left
        (reading,) = reader.read_strokes([[(0.0, 0.0), (least, least)]])
        assert reading.image.sum() > 10_000


@pytest.mark.parametrize(
    "strokes",
    [
        [[(0, 0), (float("nan"), 1)]],
        [[(0, 0), (1e100, 1)]],
        [[(0, 0), (1,)]],
        [[(0, 0, 1)]],
        [["ab"]],
        [[1, 2]],
    ],
)
def test_what_are_no_strokes_is_said(strokes: Any) -> None:
    with pytest.raises(DataError, match=r"strokes are lists of points \(x, y\), finite numbers"):
        stub_reader(EVEN).read_strokes(strokes)


# Many pictures


def test_many_pictures_are_read_as_they_come() -> None:
    stub = Stub(EVEN)
    some = [BLANK, *(on_paper(number("7" * k, 30)[0], 0, 255) for k in (1, 2))]
    pictures = some * 100
    given_out: list[weakref.ref[Pixels]] = []
    most, taken = 0, 0

    def given() -> Iterator[Pixels]:
        nonlocal most, taken
        for picture in pictures:
            copy = picture.copy()
            given_out.append(weakref.ref(copy))
            taken += 1
            most = max(most, sum(one() is not None for one in given_out))
            yield copy

    outcomes = Reader(cast("Classifier", stub)).read_all(given())
    assert taken == 0  # nothing before it is asked for
    assert next(outcomes) == []
    batch = taken
    assert batch < len(pictures)
    counts = [0, *(len(readings) for readings in outcomes)]
    assert counts == [0, 1, 2] * 100
    assert taken == len(pictures)
    assert most <= 3  # however many are predicted together
    assert len(stub.given) == -(-len(pictures) // batch)
    assert sum(stub.given) == sum(counts)


def test_reading_many_is_reading_each(reader: Reader) -> None:
    pictures = [on_paper(number(str(k), 30)[0], 0, 255) for k in (12, 3, 456)]
    together = list(reader.read_all(pictures))
    for picture, readings in zip(pictures, together, strict=True):
        alone = reader.read(picture)
        assert [r.digit for r in alone] == [r.digit for r in readings]
        assert [r.box for r in alone] == [r.box for r in readings]


@pytest.mark.parametrize("installed", [True, False])
def test_for_many_any_engine_reads_the_same(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "tenfold.model.session", None)
    many = Reader.load_for_many()
    assert isinstance(many.predictor, Predictor) is not installed
    (ours,), (expected,) = many.read(clear_digit(8)), reader.read(clear_digit(8))
    np.testing.assert_allclose(ours.probabilities, expected.probabilities, atol=1e-5)
    assert (ours.digit, ours.box, ours.reason) == (expected.digit, expected.box, expected.reason)


def test_an_error_stands_in_its_place() -> None:
    given: list[Any] = [BLANK, b"no picture", BLANK]
    outcomes = list(stub_reader(EVEN).outcomes(given, "single"))
    assert [isinstance(outcome, DataError) for outcome in outcomes] == [False, True, False]
    with pytest.raises(DataError, match="not a readable image"):
        list(stub_reader(EVEN).read_all(given))
    assert list(stub_reader(EVEN).read_all([])) == []


# Judgement


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
    (reading,) = stub_reader(probabilities).read(INK, "single")
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
    (reading,) = stub_reader(between((3, 0.99)), accept=0.0).read(BLANK, "single")
    assert (reading.reason, reading.rejected, reading.box) == ("blank", True, None)
    assert not reading.image.any()


@pytest.mark.parametrize(
    ("own", "bundle_s", "rejected"),
    [(None, 0.6, False), (None, 0.8, True), (0.8, 0.6, True), (0.6, 0.8, False), (0.0, 1.0, False)],
)
def test_what_is_accepted_is_the_bundle_s_word_or_one_s_own(
    own: float | None,
    bundle_s: float,
    rejected: bool,  # noqa: FBT001
) -> None:
    (reading,) = stub_reader(between((3, 0.7)), own, bundle_s).read(INK, "single")
    assert reading.rejected is rejected


def readings(*probabilities: float) -> list[Reading]:
    return [stub_reader(between((1, p))).read(INK, "single")[0] for p in probabilities]


@pytest.mark.parametrize(
    ("ways", "chosen"),
    [
        ([(0.3,)], 0),
        ([(0.95,), (0.99, 0.99)], 0),  # better, but not by a tenth
        ([(0.85,), (0.99, 0.97)], 1),
        ([(0.6,), (0.99, 0.4)], 0),  # a way is as good as its worst digit
        ([(0.2,), (0.5, 0.6), (0.8, 0.7, 0.9)], 2),
        ([(0.5, 0.6), (0.6, 0.9, 0.8)], 1),
    ],
)
def test_the_likeliest_cut(ways: list[tuple[float, ...]], chosen: int) -> None:
    given = [readings(*way) for way in ways]
    assert likeliest(given) is given[chosen]


def test_touching_digits_are_cut_by_the_network_s_word(reader: Reader) -> None:
    ink, _ = number("80", 60, gap=-0.06)
    picture = on_paper(ink, 0, 255)
    (slot,) = locate(ink, "line", 1.0, ink.shape)
    assert [len(way) for way in slot] == [1, 2]
    assert [reading.digit for reading in reader.read(picture)] == [8, 0]
    # One that is as sure of anything leaves it whole.
    assert len(stub_reader(between((3, 0.9))).read(picture)) == 1


def test_the_image_is_what_the_network_sees(reader: Reader) -> None:
    ink = clear_digit(2, 100)
    (reading,) = reader.read(on_paper(ink, 0, 255), "single")
    np.testing.assert_allclose(reading.image.astype(int), to_form(ink), atol=1)
    again = reader.predictor.probabilities(reading.image[None])[0]
    np.testing.assert_allclose(again, reading.probabilities, atol=1e-5)


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from tenfold.reading.reader import Reader\n"
        "picture = np.full((60, 60), 255, np.uint8)\n"
        "picture[10:50, 28:32] = 0\n"
        "assert len(Reader.load().read(picture)) == 1\n"
        "assert Reader.load().read_strokes([[(0, 0), (0, 1)]])[0].digit == 1\n"
        "assert not {'torch', 'scipy', 'matplotlib'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
