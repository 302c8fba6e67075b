"""The page's reader finds what tenfold's Reader finds."""

import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import templates, traced
from page_in_node import PAGE, Pixels, read_in_node
from PIL import Image

from tenfold.data.digits import Digits
from tenfold.reading import foreground, isolation, limits, line_removal, segmentation
from tenfold.reading.crops import Layout
from tenfold.reading.reader import Reader
from tenfold.rendering.documents import digit_documents, number_documents
from tenfold.rendering.picture_sets import load_pictures
from tenfold.rendering.strokes import draw_polylines


@pytest.fixture
def node(require_tool: Callable[[str], str]) -> str:
    """Return the path of Node."""
    return require_tool("node")


def drawings(count: int, seed: int) -> list[Pixels]:
    """Draw numbers of one to five digits: in any size, colour and direction, on flat paper."""
    random = np.random.default_rng(seed)
    strokes = list(templates(3 * count, seed))
    made = []
    for number in range(count):
        size, pen = random.uniform(24, 200), random.uniform(0.05, 0.16)
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
    node: str, pictures: list[tuple[Pixels, Layout]], reader: Reader, folder: Path
) -> tuple[int, int]:
    """Hold both readers' answers against each other; return how many images, and how many equal."""
    images = equal = 0
    for (picture, layout), there in zip(
        pictures, read_in_node(node, pictures, reader, folder), strict=True
    ):
        here = reader.read(picture, layout)
        found = there["readings"]
        assert [(r["digit"], r["reason"], r["box"]) for r in found] == [
            (r.digit, r.reason, list(r.box) if r.box else None) for r in here
        ]
        for one, other in zip(found, here, strict=True):
            apart = np.abs(one["image"].astype(int) - other.image.astype(int)).max()
            assert apart <= 3
            np.testing.assert_allclose(one["probabilities"], other.probabilities, atol=0.02)
            images += 1
            equal += int(apart == 0)
    return images, equal


def both(pictures: list[Pixels]) -> list[tuple[Pixels, Layout]]:
    layouts: list[Layout] = ["line", "single"]
    return [(picture, layouts[i % 2]) for i, picture in enumerate(pictures)]


def test_the_page_reads_as_the_reader_does(
    node: str, reader: Reader, tiny_digits: Digits, tmp_path: Path
) -> None:
    pictures = both(drawings(24, 1) + list(tiny_digits.images.numpy()[:40]))
    pictures += [(p, "single") for p, _ in digit_documents(tiny_digits, 6)]
    pictures += [(p, "line") for p, _ in number_documents(tiny_digits, 4)]
    pictures += [
        (np.full((5, 3), 200, np.uint8), "single"),
        (np.zeros((1, 1, 3), np.uint8), "line"),
    ]
    images, equal = compare(node, pictures, reader, tmp_path)
    assert images >= 100
    assert equal >= 0.97 * images


@pytest.mark.slow
def test_the_page_reads_thousands_as_the_reader_does(
    node: str, reader: Reader, mnist_test: Digits, tmp_path: Path
) -> None:
    pictures = both(drawings(400, 2) + list(mnist_test.images.numpy()[:1000]))
    sets: list[tuple[str, int, Layout]] = [
        ("documents", 300, "single"),
        ("document-numbers", 150, "line"),
        ("blanks-and-scribbles", 100, "line"),
    ]
    for name, n, layout in sets:
        pictures += [(p, layout) for p in load_pictures(name, n=n).pictures]
    images, equal = compare(node, pictures, reader, tmp_path)
    assert len(pictures) >= 1950
    assert equal >= 0.99 * images


@pytest.mark.parametrize(
    ("script", "config"),
    [
        ("foreground", foreground.CONFIG),
        ("line-removal", line_removal.CONFIG),
        ("segmentation", segmentation.CONFIG),
        ("isolation", isolation.CONFIG),
        ("limits", limits.CONFIG),
    ],
)
def test_both_readers_have_the_same_configuration(node: str, script: str, config: Any) -> None:
    module = json.dumps((PAGE / "reader" / f"{script}.js").as_uri())
    code = f"const {{ CONFIG }} = await import({module}); console.log(JSON.stringify(CONFIG))"
    command = [node, "--input-type=module", "-e", code]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    expected = {
        re.sub(r"_(\w)", lambda match: match[1].upper(), name): value
        for name, value in asdict(config).items()
    }
    assert json.loads(printed) == expected


def test_an_image_folder_is_written(node: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (28, 28), np.uint8)
    script = (
        "import { writeFileSync } from 'node:fs';"
        f"const {{ grayPng, zip }} = await import({json.dumps((PAGE / 'files.js').as_uri())});"
        f"const image = Uint8Array.from({pixels.ravel().tolist()});"
        "writeFileSync(process.argv[1], zip([['7/a.png', grayPng(image, 28, 28)],"
        " ['0/b.png', grayPng(new Uint8Array(784), 28, 28)]]));"
    )
    target = tmp_path / "c.zip"
    subprocess.run([node, "--input-type=module", "-e", script, str(target)], check=True)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["7/a.png", "0/b.png"]
        with archive.open("7/a.png") as file, Image.open(file) as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.asarray(image), pixels)


def test_the_page_needs_nothing_from_elsewhere_and_is_small() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style|\son\w+=", html)
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    for path in files:
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text()), path
    assert sum(path.stat().st_size for path in files) < 120_000
    assert {p.suffix for p in files} <= {".html", ".css", ".js", ".svg"}


def test_drawn_digits_are_what_they_say(reader: Reader) -> None:
    """The set that the page is judged by is one that can be read."""
    strokes = list(templates(20, seed=5))
    found = [
        reader.read_strokes([[*map(tuple, s)] for s in drawn])[0].digit for drawn, _ in strokes
    ]
    assert np.mean([a == b for a, (_, b) in zip(found, strokes, strict=True)]) >= 0.9
    bar = np.zeros((28, 28), np.uint8)
    bar[4:24, 12:15] = 255
    [(traced_bar, label)] = traced(bar[None], np.array([1]))
    assert label == 1
    assert np.ptp(np.concatenate(traced_bar), axis=0)[1] == pytest.approx(1)
