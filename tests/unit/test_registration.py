"""Registration: drawn pages are turned, moved and resized, and come back as they were drawn."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_forms import DRAWN_PX_PER_MM, Grey, box_px, draw_page, scanned

from tenfold.errors import DataError, TemplateError
from tenfold.forms.reference import COMPARED_PX_PER_MM, reference_pages, similarity
from tenfold.forms.refinement import similarities_of_parts
from tenfold.forms.registration import RegisteredPage, Registrar
from tenfold.forms.template import FormField, PageOfForm, Registration, Template


def two_pages(registration: Registration = "marks", blank: Path | None = None) -> Template:
    """A form whose pages differ."""
    places = [(1, 20, 40), (1, 110, 60), (1, 30, 230), (2, 70, 90), (2, 20, 150), (2, 120, 250)]
    fields = tuple(
        FormField(name=f"field {k}", page=page, box=(x, y, 56, 9), kind="digits", length=7)
        for k, (page, x, y) in enumerate(places)
    )
    return Template(
        name="drawn",
        registration=registration,
        blank=blank,
        pages=(PageOfForm(), PageOfForm()),
        fields=fields,
    )


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("form") / "blank.tiff"
    template = two_pages("blank", path)
    assert cv2.imwritemulti(str(path), [draw_page(template, n, 4.0) for n in (1, 2)])
    return path


@pytest.fixture(scope="module")
def by_features(blank: Path) -> Registrar:
    """Look for features of the blank form alone; to find them on it takes long."""
    return Registrar(two_pages("blank", blank))


@pytest.fixture(scope="module")
def by_marks_or_features(tmp_path_factory: pytest.TempPathFactory) -> Registrar:
    """Look for corner squares, and for features where they do not fit."""
    template = two_pages("marks", tmp_path_factory.mktemp("marks") / "blank.tiff")
    pages = [draw_page(template, number, 4.0) for number in (1, 2)]
    assert cv2.imwritemulti(str(template.blank), pages)
    return Registrar(template)


def is_in_place(found: RegisteredPage, template: Template, number: int) -> bool:
    """Whether each box is where it was drawn, to 0.6 mm."""
    drawn = draw_page(template, number, found.px_per_mm)
    distances = []
    for cell in template.cells:
        if cell.field.page == number:
            left, top, right, bottom = box_px(cell.box, found.px_per_mm)
            near = round(2 * found.px_per_mm)
            scores = cv2.matchTemplate(
                found.grey[top - 2 * near : bottom + 2 * near, left - 2 * near : right + 2 * near],
                drawn[top - near : bottom + near, left - near : right + near],
                cv2.TM_CCOEFF_NORMED,
            )
            _, _, _, place = cv2.minMaxLoc(scores)
            distances.append(np.hypot(place[0] - near, place[1] - near) / found.px_per_mm)

    return found.number == number and max(distances) < 0.6


def test_a_page_of_which_nothing_is_known_looks_like_no_other() -> None:
    template = two_pages()
    first = tuple(field for field in template.fields if field.page == 1)
    _, empty = reference_pages(template.model_copy(update={"fields": first}))
    assert similarity(empty, empty.foreground) == 0


@pytest.mark.parametrize("registration", ["marks", "aruco"])
@pytest.mark.parametrize("degrees", [-3.0, 90.0, 181.5])
@pytest.mark.parametrize("number", [1, 2])
def test_corners_say_where_a_page_is(
    registration: Registration, degrees: float, number: int
) -> None:
    template = two_pages(registration)
    registrar = Registrar(template)
    picture = scanned(draw_page(template, number, 5.0), degrees)
    assert is_in_place(registrar.register(picture), template, number)


def test_what_is_written_is_no_print() -> None:
    box = FormField(name="card", box=(30, 30, 32, 8), kind="digits", length=4)
    card = Template(name="card", pages=(PageOfForm(width_mm=105, height_mm=74),), fields=(box,))
    paper = draw_page(card)
    left, top, right, bottom = box_px(box.box, DRAWN_PX_PER_MM)
    for x in range(left + 32, right, 64):
        cv2.ellipse(paper, (x, (top + bottom) // 2), (16, 24), 0, 0, 360, 30, 7)
    small = cv2.resize(paper, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for degrees in (1.0, 181.0):
        found = Registrar(card).register(scanned(np.asarray(small, np.uint8), degrees, margin=10))
        assert is_in_place(found, card, 1)
        assert found.similarity > 0.6


@pytest.mark.parametrize(("degrees", "scale"), [(2.0, 1.0), (-91.0, 0.8), (180.0, 2.0)])
def test_the_blank_form_says_where_a_page_is(
    blank: Path, by_features: Registrar, degrees: float, scale: float
) -> None:
    template = two_pages("blank", blank)
    found = by_features.register(scanned(draw_page(template, 2, 5.0), degrees, scale))
    assert is_in_place(found, template, 2)


@pytest.mark.parametrize("missing_px", [0, 150])
def test_features_are_asked_only_where_marks_do_not_fit(
    missing_px: int, by_marks_or_features: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features may be far off on a form whose print is alike everywhere."""
    template, features = two_pages("marks"), by_marks_or_features._features
    assert features is not None
    asked = []
    homographies = features.homographies

    def asking(grey: Grey) -> object:
        asked.append(grey)
        return homographies(grey)

    monkeypatch.setattr(features, "homographies", asking)
    page = draw_page(template, 1, 5.0)
    page[:missing_px] = 240  # two of the four may be gone
    assert is_in_place(by_marks_or_features.register(scanned(page)), template, 1)
    assert bool(asked) == (missing_px > 0)


def photographed(page: Grey, ground: int) -> Grey:
    """The page from the side, on a ground: its left edge leans to the right."""
    h, w = page.shape
    corners = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    seen = np.array([(220, 160), (1180, 90), (1330, 1610), (90, 1700)], np.float32)
    camera = cv2.getPerspectiveTransform(corners, seen)
    return np.asarray(cv2.warpPerspective(page, camera, (1400, 1800), borderValue=[ground]), "u1")


@pytest.mark.parametrize("ground", [10, 120, 255])
def test_a_photograph_is_straightened(ground: int) -> None:
    template = two_pages("marks")
    picture = photographed(draw_page(template, 1, 6.0), ground)
    assert is_in_place(Registrar(template).register(picture), template, 1)


@pytest.mark.parametrize("from_square_mm", [0.3, -1.5])
def test_a_square_at_the_edge_of_a_shadow_is_found(from_square_mm: float) -> None:
    template = two_pages("marks")
    page = draw_page(template, 1, 6.0)
    edge = round(6.0 * (template.mark_inset_mm + template.mark_size_mm / 2 + from_square_mm))
    page[:, :edge] //= 2
    picture = photographed(page, 60)
    assert is_in_place(Registrar(template).register(picture), template, 1)


def test_a_marker_may_be_missing() -> None:
    template = two_pages("aruco")
    page = draw_page(template, 1, 5.0)
    page[:100, :100] = 240
    assert is_in_place(Registrar(template).register(scanned(page)), template, 1)


@pytest.mark.parametrize("cut_mm", [1.0, 6.0])
def test_the_ground_beside_a_page_is_no_print(
    blank: Path, by_features: Registrar, cut_mm: float
) -> None:
    template = two_pages("blank", blank)
    page = draw_page(template, 1, 5.0)
    page[:, -round(5.0 * cut_mm) :] = 0
    picture = cv2.copyMakeBorder(page, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=[0])
    found = by_features.register(np.asarray(picture, np.uint8))
    assert is_in_place(found, template, 1)
    assert found.similarity > 0.9


def other_form(registration: Registration) -> Template:
    template = two_pages(registration)
    fields = [
        FormField(name=f"f{k}", box=(25 + 9 * k, 70 + 22 * k, 40, 14), kind="number")
        for k in range(6)
    ]
    return template.model_copy(update={"fields": tuple(fields)})


def test_parts_of_the_print_tell_a_page_that_is_only_half_in_place(blank: Path) -> None:
    page = reference_pages(two_pages("blank", blank))[0]
    displaced = page.foreground.copy()
    middle = len(displaced) // 2
    displaced[middle:] = np.roll(displaced[middle:], round(3 * COMPARED_PX_PER_MM), axis=0)
    assert similarities_of_parts(page, page.foreground) == pytest.approx(1, abs=1e-4)
    assert similarities_of_parts(page, displaced).mean() < 0.8


def test_another_form_is_foreign(by_marks_or_features: Registrar) -> None:
    picture = scanned(draw_page(other_form("marks"), 1, 4.0))
    for registrar in (Registrar(two_pages("marks")), by_marks_or_features):
        with pytest.raises(DataError, match=r"^foreign page: "):
            registrar.register(picture)


def test_a_page_with_few_pixels_is_no_page() -> None:
    template = two_pages("marks")
    picture = scanned(draw_page(template, 1, 1.5), 0)
    with pytest.raises(DataError, match=r"38 dots per inch|foreign page"):
        Registrar(template).register(picture)


def test_a_blank_form_has_all_pages(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    cv2.imwrite(str(path), draw_page(two_pages(), 1, 2.0))
    with pytest.raises(TemplateError, match="has 1 pages; the template has 2"):
        Registrar(two_pages("blank", path))
