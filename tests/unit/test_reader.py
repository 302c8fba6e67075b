"""The reader: every kind of picture, strokes, and many pictures."""

import io
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from clear_digits import Pixels, number, on_paper
from made_bundles import write_bundle
from PIL import Image
from stub_network import (
    BLANK,
    EVEN,
    FOREGROUND,
    NOTHING,
    CropStub,
    Stub,
    StubDetector,
    no_cells,
    stub_number_reader,
    stub_reader,
    surely,
)

from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.decoding import load_pixels
from tenfold.errors import DataError, TenfoldError
from tenfold.reading.constraints import Constraints
from tenfold.reading.number_reader import NumberReader
from tenfold.reading.reader import Layout, Reader
from tenfold.rendering.strokes import STROKE_TEMPLATES, catmull_rom, parse_template


def png(pixels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# What a picture may be


def test_a_picture_may_be_given_in_any_way(reader: Reader, tmp_path: Path) -> None:
    foreground, boxes = number("3705", 60)
    grey = on_paper(foreground, 20, 240)
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
    (expected,) = reader.read(grey).numbers
    assert expected.value == "3705"
    assert np.abs(np.array([d.box for d in expected.digits]) - boxes).max() <= 8
    for picture in given:
        (found,) = reader.read(picture).numbers
        assert found.value == "3705"
        for one, other in zip(found.digits, expected.digits, strict=True):
            np.testing.assert_allclose(one.box, other.box, atol=1)
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros(4, np.uint8), r"shape \(4,\) is not a picture; give \[h, w\] or \[h, w, 3\]"),
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
    with pytest.raises(DataError, match=r"blank\.png: no grid or table in this picture"):
        stub_reader(EVEN).read(tmp_path / "blank.png", "grid")


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16])
def test_integers_are_grey_levels(kind: type) -> None:
    given: npt.NDArray[Any] = np.array([[0, 1, 100, 127]]).astype(kind)
    np.testing.assert_array_equal(load_pixels(given), [[0, 1, 100, 127]])


def test_floats_and_bits_are_shares_of_white() -> None:
    np.testing.assert_array_equal(
        load_pixels(np.array([[0.0, 0.5, 0.2, 1.0]])), [[0, 128, 51, 255]]
    )
    np.testing.assert_array_equal(load_pixels(np.array([[False, True]])), [[0, 255]])


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(TenfoldError, match=r"min_probability: .* is not in 0 … 1"):
        stub_reader(min_probability=probability)


def test_a_constraint_without_effect_is_refused(reader: Reader) -> None:
    with pytest.raises(DataError, match="length: no effect in the layout 'single'"):
        reader.read(FOREGROUND, "single", Constraints(length=5))


def test_an_image_that_is_cut_short_is_one_error_of_many(reader: Reader) -> None:
    good = on_paper(number("1")[0], 20, 235)
    cut = Image.open(io.BytesIO(png(good)[:-60]))
    outcomes = list(reader.outcomes([good, cut, good]))
    assert [isinstance(outcome, DataError) for outcome in outcomes] == [False, True, False]
    assert "it is damaged or cut short" in str(outcomes[1])


def test_the_bytes_of_a_file_may_be_of_any_kind(reader: Reader) -> None:
    data = png(on_paper(number("1")[0], 20, 235))
    for same in (bytearray(data), memoryview(data)):
        assert reader.read(same).text == reader.read(data).text
    with pytest.raises(DataError, match="a BytesIO is not a picture; give a path, the bytes"):
        reader.read(cast("Any", io.BytesIO(data)))


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(DataError, match="layout 'line': use numbers, single, grid or table"):
        stub_reader(EVEN).read(FOREGROUND, cast("Any", "line"))
    with pytest.raises(DataError, match="layout 'line': use numbers, single, grid or table"):
        stub_reader(EVEN).read_strokes([[(0, 0), (1, 1)]], cast("Any", "line"))


# Strokes


def test_strokes_are_read_like_pictures(reader: Reader) -> None:
    for digit, ways in STROKE_TEMPLATES.items():
        for way in ways:
            strokes = [(catmull_rom(points) * (0.65, 1)).tolist() for points in parse_template(way)]
            page = reader.read_strokes(strokes)
            assert (page.text, page.numbers[0].accepted) == (str(digit), True)


def test_strokes_have_no_unit(reader: Reader) -> None:
    points = catmull_rom(parse_template(STROKE_TEMPLATES[3][0])[0])
    (first,) = reader.read_strokes([points.tolist()]).numbers
    for scale, shift in ((0.001, 0.0), (300.0, -40.0), (1e6, 1e7)):
        (other,) = reader.read_strokes([(points * scale + shift).tolist()]).numbers
        assert other.value == first.value
        one, same = (n.digits[0].pixels.astype(int) for n in (first, other))
        np.testing.assert_allclose(one, same, atol=2)


def test_strokes_may_be_several_digits(reader: Reader) -> None:
    strokes = [
        (catmull_rom(points) * (0.65, 1) + (1.1 * place, 0)).tolist()
        for place, digit in enumerate((2, 0, 7))
        for points in parse_template(STROKE_TEMPLATES[digit][0])
    ]
    assert [n.value for n in reader.read_strokes(strokes, "numbers").numbers] == ["207"]


def test_few_points_and_none() -> None:
    reader = stub_reader(EVEN)
    empty: list[Any] = [[], [[]], [[], []]]
    for nothing in empty:
        assert reader.read_strokes(nothing).numbers == ()
        assert reader.read_strokes(nothing, "numbers").numbers == ()
    dots: list[Any] = [[[(3.0, 4.0)]], [[(3.0, 4.0), (3.0, 4.0)]]]
    # So near to each other that only a dot is left.
    dots += [[[(0.0, 0.0), (least, least)]] for least in (5e-324, 1e-200)]
    for dot in dots:
        (number,) = reader.read_strokes(dot).numbers
        assert number.digits[0].pixels.sum() > 10_000


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


def test_the_crop_classifier_judges_a_doubtful_digit_of_its_own_bundle() -> None:
    doubt = [0, 0, 0, 0.6, 0, 0, 0, 0, 0.4, 0]
    classifier = cast("OnnxClassifier", Stub(doubt))
    crops = cast("OnnxCropClassifier", CropStub([0, 0, 0, 0.1, 0, 0, 0, 0, 0.9, 0]))
    detector = cast("OnnxDetector", StubDetector(NOTHING, FOREGROUND.shape))
    numbers = NumberReader(detector, classifier, crop_classifier=crops)
    for other, value in ((classifier, "8"), (cast("OnnxClassifier", Stub(doubt)), "3")):
        (found,) = Reader(other, numbers, no_cells()).read(FOREGROUND, "single").numbers
        assert found.value == value


# Many pictures


@pytest.mark.parametrize("layout", ["single", "numbers"])
def test_many_pictures_are_read_as_they_come(layout: Layout) -> None:
    stub = Stub(EVEN)
    reader = Reader(cast("OnnxClassifier", stub), stub_number_reader(surely("7")), no_cells())
    pictures = [BLANK, FOREGROUND, FOREGROUND] * 100
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

    pages = reader.read_all(given(), layout)
    assert taken == 0  # nothing before it is asked for
    first = next(pages)
    batch = taken
    assert batch < len(pictures)
    counts = [len(page.numbers) for page in (first, *pages)]
    assert taken == len(pictures)
    assert most <= 3  # however many are classified together
    if layout == "single":
        assert counts == [0, 1, 1] * 100
        assert len(stub.given) == -(-len(pictures) // batch)
        assert sum(stub.given) == len(pictures)
    else:
        assert batch == 1
        assert stub.given == []


@pytest.mark.parametrize("layout", ["single", "numbers"])
def test_reading_many_is_reading_each(reader: Reader, layout: Layout) -> None:
    pictures = [on_paper(number(str(k), 30)[0], 0, 255) for k in (12, 3, 456)]
    together = list(reader.read_all(pictures, layout))
    for picture, page in zip(pictures, together, strict=True):
        assert reader.read(picture, layout).to_dict("") == page.to_dict("")


def test_an_error_stands_in_its_place() -> None:
    given: list[Any] = [BLANK, b"no picture", BLANK]
    outcomes = list(stub_reader(EVEN).outcomes(given, "single"))
    assert [isinstance(outcome, DataError) for outcome in outcomes] == [False, True, False]
    with pytest.raises(DataError, match="not a readable image"):
        list(stub_reader(EVEN).read_all(given))
    assert list(stub_reader(EVEN).read_all([])) == []


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from tenfold.reading.reader import Reader\n"
        "picture = np.full((60, 60), 255, np.uint8)\n"
        "picture[10:50, 28:32] = 0\n"
        "assert len(Reader.load().read(picture).numbers) == 1\n"
        "assert Reader.load().read_strokes([[(0, 0), (0, 1)]]).numbers[0].value == '1'\n"
        "assert not {'torch', 'scipy', 'matplotlib'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_both_networks_that_read_numbers_are_of_one_bundle(tmp_path: Path) -> None:
    reader = Reader.load(write_bundle(tmp_path / "bundle"))
    assert reader.numbers.classifier.config == OnnxClassifier.load().config
    assert reader.classifier.config != reader.numbers.classifier.config
