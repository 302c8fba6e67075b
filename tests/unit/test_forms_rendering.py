"""Rendered forms: what is printed and written is where the template and the values say."""

import itertools
import re

import cv2
import numpy as np
import pytest
from rendered_forms.forms import FormRenderer, blank_page
from rendered_forms.layout import MARKS_MM, FormLayout
from rendered_forms.values import sample_values
from rendered_forms.writing import fill, print_form

from tenfold.data.digits import Digits

SCALE = 6.0


@pytest.fixture(scope="module")
def renderer(tiny_digits: Digits) -> FormRenderer:
    return FormRenderer(tiny_digits, seed=1)


@pytest.fixture(scope="module")
def layouts(renderer: FormRenderer) -> list[FormLayout]:
    return [renderer.layout(index) for index in range(24)]


def test_a_filled_form_is_a_function_of_seed_index_and_copy(renderer: FormRenderer) -> None:
    one, again, other = (renderer.render(5, copy) for copy in (2, 2, 4))
    np.testing.assert_array_equal(one.pixels, again.pixels)
    assert one.values == again.values
    assert other.values != one.values


def test_fields_are_on_the_page_and_apart(layouts: list[FormLayout]) -> None:
    for layout in layouts:
        template = layout.template()
        page = template["pages"][0]
        boxes = []
        for field in template["fields"]:
            left, top, width, height = field["box"]
            assert 15 < left < left + width < page["width_mm"] - 15
            assert 15 < top < top + height < page["height_mm"] - 15
            boxes.append((left, top, left + width, top + height))
        for a, b in itertools.combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        names = [field["name"] for field in template["fields"]]
        assert len(set(names)) == len(names)
        sums = [set(field["sum_of"]) for field in template["fields"] if "sum_of" in field]
        assert all(parts and parts <= set(names) for parts in sums)


def test_forms_differ(layouts: list[FormLayout]) -> None:
    assert len({layout.size_mm for layout in layouts}) == 3
    kinds = {(placed.item.kind, placed.to_write) for one in layouts for placed in one.fields}
    assert {"digits", "number", "date", "grid", "mark"} == {kind for kind, _ in kinds}
    assert {"comb", "box", "line"} == {way for kind, way in kinds if kind == "number"}


def test_values_obey_their_rules(layouts: list[FormLayout]) -> None:
    random = np.random.default_rng(3)
    right, sums = 0, 0
    for layout, _ in itertools.product(layouts, range(5)):
        values = sample_values(layout, random)
        for placed in layout.fields:
            spec, value = placed.spec, values.get(placed.item.name, "")
            if not value or placed.item.kind == "mark":
                continue
            if placed.item.kind == "digits":
                assert re.fullmatch(rf"\d{{{spec['length']}}}", value)
            elif placed.item.kind == "date":
                assert re.fullmatch(re.sub("[DMY]", "[0-9]", re.escape(spec["format"])), value)
            elif "sum_of" in spec:
                sums += 1
                right += sum(int(values[name]) for name in spec["sum_of"]) == int(value)
            else:
                assert spec["min"] <= float(value) <= spec["max"]
                assert len(value.partition(".")[2]) == spec.get("decimals", 0)
    assert 0.93 * sums < right <= sums


def test_marks_are_where_the_template_says(layouts: list[FormLayout]) -> None:
    layout = next(one for one in layouts if one.registration == "aruco")
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    found, ids, _ = cv2.aruco.ArucoDetector(dictionary).detectMarkers(blank_page(layout, dpi=127))
    inset, side = MARKS_MM["aruco"]
    width, height = layout.size_mm
    x, y = (inset, width - inset), (inset, height - inset)
    expected = np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])])
    assert sorted(ids.ravel().tolist()) == [0, 1, 2, 3]
    for number, corners in zip(map(int, ids.ravel()), found, strict=True):
        middle = corners.reshape(4, 2).mean(axis=0) / 5  # pixels per millimetre
        np.testing.assert_allclose(middle, expected[number], atol=0.3)
        np.testing.assert_allclose(np.ptp(corners.reshape(4, 2), axis=0) / 5, side, atol=0.4)


def test_writing_stands_in_its_field(renderer: FormRenderer, layouts: list[FormLayout]) -> None:
    """Ink is in every field that has a value, and in none that has not."""
    random = np.random.default_rng(8)
    with_ink = 0
    for layout in layouts[:8]:
        sheet = print_form(layout, SCALE)
        sheet.scene.random = random
        before = sheet.scene.absorption()
        pen = renderer.writer.sample_pen(SCALE, random)
        values = sample_values(layout, random)
        read = fill(sheet, values, pen, random)
        ink = sheet.scene.absorption() - before > 0.3
        for placed in layout.fields:
            left, top, width, height = (round(SCALE * mm) for mm in placed.spec["box"])
            written = ink[top : top + height, left : left + width].sum()
            keys = [key for key in values if key.partition("[")[0] == placed.item.name]
            filled = any(values[key] not in {"", "false"} for key in keys)
            assert (written > 5) == filled, (layout.name, placed.item.name)
            with_ink += filled
        crossed = [key for key in values if read[key] != values[key]]
        assert all(read[key] == "" for key in crossed)
    assert with_ink > 40


def test_pictures_are_scans_and_photographs(renderer: FormRenderer) -> None:
    scan, photograph, fine = (renderer.render(3, copy) for copy in (0, 1, 2))
    width, height = renderer.layout(3).size_mm
    assert sorted(scan.pixels.shape) == sorted(
        (round(height * 150 / 25.4), round(width * 150 / 25.4))
    )
    assert max(fine.pixels.shape) == round(height * 300 / 25.4)
    assert [one.capture.split()[0] for one in (scan, photograph)] == ["scan", "photograph"]
    # A desk is dark, the page in the middle is not.
    edge = np.concatenate([photograph.pixels[0], photograph.pixels[-1]])
    assert np.median(edge) < np.median(photograph.pixels)
