"""The page's reader finds what tenfold's Reader finds."""

import json
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from drawn import templates, traced
from drawn_numbers import same
from page_in_node import PAGE, Pixels, read_in_node, run_in_node

from tenfold.bundle.detector_runtime import Detections, OnnxDetector
from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.digits import Digits
from tenfold.model import line_config
from tenfold.reading import (
    foreground,
    hypotheses,
    isolation,
    number_reader,
    page,
    straighten,
)
from tenfold.reading.classification import SingleDigitConfig, judge_singles
from tenfold.reading.foreground import resize, to_grey
from tenfold.reading.number_reader import NumberReader, NumberReaderConfig
from tenfold.reading.reader import Layout, Reader
from tenfold.rendering.documents import digit_documents
from tenfold.rendering.held_out import HELD_OUT, held_out_fields
from tenfold.rendering.picture_sets import load_pictures
from tenfold.rendering.strokes import draw_polylines
from tenfold.serving.assets import page_files

HYPOTHESES = {
    name: getattr(hypotheses, name)
    for name in ("MAX_OF_REGION", "CLASSES_CONSIDERED", "MIN_PROBABILITY")
}
NUMBER_READER = {
    "MAX_DETECTIONS": number_reader.MAX_DETECTIONS,
    "MAX_HYPOTHESES": number_reader.MAX_HYPOTHESES,
    "MAX_CONSTRAINED_HYPOTHESES": number_reader.MAX_CONSTRAINED_HYPOTHESES,
    "ALTERNATIVES": page.ALTERNATIVES,
}
LINE_READER = {
    name: getattr(line_config, name)
    for name in (
        "LINE_HEIGHT_PX",
        "LINE_DIGIT_PX",
        "LINE_WIDTH_MULTIPLE_PX",
        "MAX_LINE_WIDTH_PX",
    )
}
STRAIGHTEN = {name: getattr(straighten, name) for name in ("MAX_PIXELS", "MAX_REDUCTION")}


@pytest.fixture
def node(require_tool: Callable[[str], str]) -> str:
    """Return the path of Node."""
    return require_tool("node")


def drawings(count: int, seed: int, heights: tuple[int, int]) -> list[Pixels]:
    """Draw numbers of one to five digits, in any size, colour and direction, on flat paper."""
    random = np.random.default_rng(seed)
    strokes = list(templates(3 * count, seed))
    made = []
    for number in range(count):
        size, pen = random.uniform(*heights), random.uniform(0.05, 0.16)
        digits = [strokes[i][0] for i in random.integers(0, len(strokes), random.integers(1, 6))]
        canvas = np.zeros((int(1.9 * size), int(size * (0.95 * len(digits) + 0.8))), np.uint8)
        for place, digit in enumerate(digits):
            corner = size * np.array([0.4 + 0.95 * place, 0.4]) + random.normal(0, 0.04 * size, 2)
            lines = [s * size + corner for s in digit]
            canvas = np.maximum(
                canvas, draw_polylines(lines, canvas.shape, max(1, int(pen * size)))
            )
        paper, colour = random.integers(0, 256, (2, 3))
        if abs(int(paper.sum()) - int(colour.sum())) < 150:
            paper, colour = np.array([255, 255, 255]), np.array([0, 0, 0])
        share = canvas[..., None] / 255
        picture = np.rint(paper * (1 - share) + colour * share).astype(np.uint8)
        made.append(picture[..., 0].copy() if number % 4 == 0 else picture)
    return made


def compare(
    pictures: list[tuple[Pixels, Layout]], pages: Iterable[dict[str, Any]], reader: Reader
) -> tuple[int, int]:
    """Hold both readers' numbers against each other.

    Returns:
        how many numbers there are, and on how many pictures both are not the same.
    """
    numbers = different = 0
    for (picture, layout), answer in zip(pictures, pages, strict=True):
        try:
            numbers += same(answer["numbers"], reader.read(picture, layout))
        except AssertionError as error:
            print(error)  # which pytest shows if there are too many
            different += 1
    return numbers, different


def both(pictures: list[Pixels]) -> list[tuple[Pixels, Layout]]:
    layouts: list[Layout] = ["numbers", "single"]
    return [(picture, layouts[i % 2]) for i, picture in enumerate(pictures)]


def test_the_page_reads_as_the_reader_does(
    node: str, site_folder: Path, reader: Reader, tiny_digits: Digits, tmp_path: Path
) -> None:
    pictures = both(drawings(12, 1, (16, 32)) + list(tiny_digits.images.numpy()[:12]))
    pictures += [(p, "numbers") for p, _ in held_out_fields("comb", tiny_digits, 2)]
    pictures += [(p, "single") for p, _ in digit_documents(tiny_digits, 4)]
    pictures += [
        (np.full((5, 3), 200, np.uint8), "single"),
        (np.zeros((1, 1, 3), np.uint8), "numbers"),
    ]
    numbers, different = compare(
        pictures, read_in_node(node, site_folder, pictures, tmp_path), reader
    )
    assert numbers >= 20
    assert different == 0


class RowClassifier:
    """In place of the classifiers: a class is the more probable, the lighter two rows are."""

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        parts = images[:, 4 : 4 + 2 * self._classes].reshape(len(images), self._classes, -1)
        rows = parts.sum(axis=2, dtype=np.float32) + 1
        return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float32)


ROW_CLASSIFIER = (
    "const byRows = (length) => (images) => images.map(({ w, data }) => {"
    "  const rows = Array.from({ length }, (_, i) =>"
    "    data.slice((4 + 2 * i) * w, (6 + 2 * i) * w).reduce((a, b) => a + b, 1));"
    "  const sum = rows.reduce((a, b) => a + b);"
    "  return rows.map((row) => row / sum);"
    "});"
)


class ScriptedDetector:
    """In place of the detector: gives the next of its detections at each look."""

    def __init__(self, looks: list[Detections]) -> None:
        self._looks = iter(looks)

    def detect(self, grey: Pixels, min_objectness: float) -> Detections:
        del grey, min_objectness
        return next(self._looks)


def crowded(random: np.random.Generator) -> Detections:
    """Place up to a dozen doubtful characters, many of which exclude each other."""
    n = int(random.integers(0, 13))
    boxes = random.uniform((8, 20, 3, 6), (150, 40, 25, 50), (n, 4))
    objectness = np.sort(random.uniform(0.15, 1, n))[::-1]
    classes = random.dirichlet(np.full(len(DETECTED_CLASSES), 0.2), n)
    parts = (objectness, classes, boxes, random.uniform(0, 1, n))
    return Detections(*(part.astype(np.float32) for part in parts))


def test_detections_are_decoded_as_by_the_reader(node: str) -> None:
    random = np.random.default_rng(6)
    scripts = [[crowded(random) for _ in range(8)] for _ in range(40)]
    drawing = to_grey(drawings(1, 6, (40, 41))[0])
    small = cv2.resize(drawing, (160, 60), interpolation=cv2.INTER_AREA)
    picture = np.asarray(small, np.uint8)
    config = NumberReaderConfig(calibration=(0.8, 0.3))
    given = {
        "config": asdict(config),
        "scripts": [[[part.tolist() for part in look] for look in looks] for looks in scripts],
        "picture": picture.ravel().tolist(),
    }
    module = json.dumps((PAGE / "reader" / "number-reader.js").as_uri())
    code = (
        f"const {{ readNumbers }} = await import({module});"
        "const { readFileSync } = await import('node:fs');"
        "const { config, scripts, picture } = JSON.parse(readFileSync(0));"
        "const image = { w: 160, h: 60, channels: 1, data: Uint8Array.from(picture) };"
        f"{ROW_CLASSIFIER} const pages = [];"
        "for (const looks of scripts) {"
        "  const detect = () => { const [p, classes, boxes, printed] = looks.shift();"
        "    return p.map((objectness, i) => "
        "      ({ objectness, classes: classes[i], box: boxes[i], printed: printed[i] })); };"
        "  const networks = { detect, classifyDetected: byRows(10), classifyCrops: byRows(11) };"
        "  pages.push((await readNumbers(image, networks, config)).numbers);"
        "}"
        "console.log(JSON.stringify(pages));"
    )
    numbers = 0
    for looks, shown in zip(scripts, run_in_node(node, code, json.dumps(given)), strict=True):
        detector = cast("OnnxDetector", ScriptedDetector(looks))
        single, crop = (cast("Any", RowClassifier(classes)) for classes in (10, 11))
        expected = NumberReader(detector, single, config, None, crop).read(picture)
        numbers += same(shown, expected)
        for one, other in zip(shown, expected.numbers, strict=True):
            assert [text for text, _ in one["alternatives"]] == [t for t, _ in other.alternatives]
    assert numbers >= 40


@pytest.mark.slow
def test_the_page_reads_a_thousand_as_the_reader_does(
    node: str, site_folder: Path, reader: Reader, mnist_test: Digits, tmp_path: Path
) -> None:
    pictures = both(drawings(200, 2, (16, 48)) + list(mnist_test.images.numpy()[:500]))
    pictures += [
        (p, "numbers") for name in HELD_OUT for p, _ in held_out_fields(name, mnist_test, 10)
    ]
    pictures += [(p, "single") for p in load_pictures("documents", n=150).pictures]
    pictures += [(p, "numbers") for p in load_pictures("document-numbers", n=30).pictures]
    assert len(pictures) >= 1000
    numbers, different = compare(
        pictures, read_in_node(node, site_folder, pictures, tmp_path), reader
    )
    assert numbers >= 1000
    assert different <= 0.005 * len(pictures)


def test_doubtful_pictures_of_one_digit_are_judged_as_by_the_reader(node: str) -> None:
    random = np.random.default_rng(4)
    images = random.integers(0, 256, (20, 28, 28), np.uint8)
    probabilities = random.dirichlet(np.full(10, 0.1), 20).astype(np.float32)
    config = SingleDigitConfig()
    assert 0 < (probabilities.max(axis=1) < config.sure_probability).sum() < 20
    expected = judge_singles(cast("Any", RowClassifier(11)), images, probabilities, config)
    module = json.dumps((PAGE / "reader" / "classification.js").as_uri())
    code = (
        f"const {{ judgeSingle }} = await import({module}); {ROW_CLASSIFIER}"
        "const { readFileSync } = await import('node:fs');"
        "const { config, images, probabilities } = JSON.parse(readFileSync(0));"
        "const plane = (data) => ({ w: 28, h: 28, data: Uint8Array.from(data) });"
        "console.log(JSON.stringify(await Promise.all(images.map((image, i) =>"
        "  judgeSingle(probabilities[i], plane(image), byRows(11), config)))));"
    )
    given = {
        "config": asdict(config),
        "images": images.reshape(20, -1).tolist(),
        "probabilities": probabilities.tolist(),
    }
    np.testing.assert_allclose(run_in_node(node, code, json.dumps(given)), expected, atol=1e-5)


def test_pictures_are_resized_as_by_opencv(node: str) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (37, 53), np.uint8)
    module = json.dumps((PAGE / "reader" / "resize.js").as_uri())
    code = (
        f"const {{ resized }} = await import({module});"
        f"const data = Uint8Array.from({picture.ravel().tolist()});"
        "const found = [2, 1.37, 0.5, 0.31].map((s) => resized({ w: 53, h: 37, data }, s));"
        "console.log(JSON.stringify(found.map(({ w, h, data }) => [w, h, [...data]])));"
    )
    for scale, (w, h, data) in zip((2, 1.37, 0.5, 0.31), run_in_node(node, code), strict=True):
        expected = resize(picture, scale)
        assert expected.shape == (h, w)
        apart = np.abs(np.array(data).reshape(h, w) - expected.astype(int))
        assert apart.max() <= 1
        assert np.mean(apart > 0) <= 0.001


@pytest.mark.parametrize(
    ("script", "config"),
    [
        ("foreground", foreground.CONFIG),
        ("isolation", isolation.CONFIG),
        ("hypotheses", HYPOTHESES),
        ("line-reader", LINE_READER),
        ("number-reader", NUMBER_READER),
        ("straighten", STRAIGHTEN),
    ],
)
def test_both_readers_have_the_same_configuration(node: str, script: str, config: Any) -> None:
    module = json.dumps((PAGE / "reader" / f"{script}.js").as_uri())
    code = f"const {{ CONFIG }} = await import({module}); console.log(JSON.stringify(CONFIG))"
    values = config if isinstance(config, dict) else asdict(config)
    expected = {
        re.sub(r"_(\w)", lambda match: match[1].upper(), name.lower()): value
        for name, value in values.items()
    }
    assert run_in_node(node, code) == expected


def test_both_readers_know_the_same_characters(node: str) -> None:
    module = json.dumps((PAGE / "reader" / "detection.js").as_uri())
    code = f"const {{ CLASSES }} = await import({module}); console.log(JSON.stringify(CLASSES))"
    assert run_in_node(node, code) == "".join(DETECTED_CLASSES)


def test_a_zip_is_written(node: str, tmp_path: Path) -> None:
    content = np.random.default_rng(3).integers(0, 256, 900, np.uint8)
    script = (
        "import { writeFileSync } from 'node:fs';"
        f"const {{ zip }} = await import({json.dumps((PAGE / 'zip.js').as_uri())});"
        f"const bytes = Uint8Array.from({content.tolist()});"
        "writeFileSync(process.argv[1], zip([['7/a.png', bytes], ['0/b.png', new Uint8Array()]]));"
    )
    target = tmp_path / "c.zip"
    subprocess.run([node, "--input-type=module", "-e", script, str(target)], check=True)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["7/a.png", "0/b.png"]
        assert archive.read("7/a.png") == content.tobytes()


def test_the_page_needs_nothing_from_elsewhere_and_is_small() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style|\son\w+=", html)
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    for path in files:
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text()), path
    assert sum(map(len, page_files().values())) < 175_000
    assert {p.suffix for p in files} <= {".html", ".css", ".js", ".svg"}


def test_drawn_digits_are_what_they_say(reader: Reader) -> None:
    """The set that the page is judged by is one that can be read."""
    strokes = list(templates(20, seed=5))
    found = [
        reader.read_strokes([[*map(tuple, s)] for s in drawn]).numbers[0].digits[0].digit
        for drawn, _ in strokes
    ]
    assert np.mean([a == b for a, (_, b) in zip(found, strokes, strict=True)]) >= 0.9
    bar = np.zeros((28, 28), np.uint8)
    bar[4:24, 12:15] = 255
    [(traced_bar, label)] = traced(bar[None], np.array([1]))
    assert label == 1
    assert np.ptp(np.concatenate(traced_bar), axis=0)[1] == pytest.approx(1)
