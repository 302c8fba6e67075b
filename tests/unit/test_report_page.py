"""A run's files become one page that stands alone, says what is so, and says it honestly."""

import base64
import re
import subprocess
import sys
from collections import Counter
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from finished_run import IMAGES, MISTAKES, Page, make_run, picture, predictions
from PIL import Image

from tenfold.artifacts.finished_run import read_run
from tenfold.artifacts.training import Timings
from tenfold.errors import RunError, WriteError
from tenfold.report.page import gallery, write_report
from tenfold.report.tables import groups, headline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_run(tmp_path_factory.mktemp("runs") / "two")
    write_report([path])
    return path


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(run / "report.html")


def row_counts(path: Path) -> dict[str, Counter[str]]:
    """Return for each group of the headline table how often each `selected on` stands in it."""
    return {
        group.kind: Counter(row.selected_on for row in group.rows)
        for group in groups(read_run(path).evaluation)
    }


def test_the_headline_says_what_was_measured(run: Path, page: Page) -> None:
    members_mnk, labels = predictions()
    p = np.exp(members_mnk).mean(axis=0)
    errors = int((p.argmax(axis=1) != labels).sum())
    nll = -np.log(p[np.arange(IMAGES), labels])
    sentence = (
        f"{100 - 100 * errors / IMAGES:.2f}\N{NO-BREAK SPACE}% of 2,000 test images right; "
        f"{errors} mistakes; nll_sum {nll.sum():.1f} (mean NLL {nll.mean():.4f})"
    )
    assert sentence in page.source
    assert headline(read_run(run).evaluation) == sentence


def test_what_is_accepted_and_wrong_is_said(run: Path, page: Page) -> None:
    curve = read_run(run).evaluation.risk_coverage
    assert curve is not None
    share = curve.chosen.accepted / curve.of
    words = " ".join(page.text.split())
    assert f"at least 90.00 % probable: {100 * share:.2f} % of the images" in words
    assert f"{curve.chosen.wrong} of these" in words


@pytest.mark.parametrize(
    ("on", "rule", "selected_on", "expected"),
    [
        # 2 members and the ensemble: min loss, max accuracy (6 rows), end (3), kept (3)
        ("test", "max-accuracy", "test", {"selected": {"test": 9}, "honest": {"nothing": 3}}),
        ("test", "last", "nothing", {"selected": {"test": 6}, "honest": {"nothing": 3}}),
        (
            "validation",
            "min-nll",
            "validation",
            {"validation": {"validation": 6, "nothing": 3}, "honest": {"validation": 3}},
        ),
        (
            "validation",
            "last",
            "nothing",
            {"validation": {"validation": 6, "nothing": 3}, "honest": {"nothing": 3}},
        ),
    ],
)
def test_rows_selected_on_test_stand_apart(
    on: str, rule: str, selected_on: str, expected: dict[str, dict[str, int]], tmp_path: Path
) -> None:
    path = make_run(tmp_path / "run", on=on, rule=rule, selected_on=selected_on)
    assert row_counts(path) == expected


@pytest.mark.usefixtures("undrawn")
def test_validation_rows_are_not_called_test_figures(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", on="validation", selected_on="nothing", rule="last")
    page = Page(write_report([path]))
    assert "measured on the validation images, not on test" in page.text
    assert "Selected on test" not in page.text
    assert "fixed end, nothing selected" in page.text


def test_the_page_needs_no_other_file_and_no_script(page: Page) -> None:
    assert not page.of("script")
    assert not page.of("link")
    sources = [image["src"] or "" for image in page.of("img")]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    references = [tag.get("href") or tag.get("xlink:href") or "#" for _, tag in page.tags]
    assert all(reference.startswith("#") for reference in references)
    assert "@import" not in page.source
    assert "url(http" not in page.source


def test_ids_are_unique_and_references_meet_them(page: Page) -> None:
    ids = Counter(tag["id"] for _, tag in page.tags if "id" in tag)
    assert max(ids.values()) == 1
    referred = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page.source))
    assert referred
    assert {href or url for href, url in referred} <= set(ids)


def test_every_picture_is_named_for_those_who_do_not_see_it(page: Page) -> None:
    assert all(image["alt"] for image in page.of("img"))
    assert len(page.of("svg")) == 9
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.of("svg"))
    levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_figures_lie_beside_the_page_and_are_svg(run: Path) -> None:
    names = {path.stem for path in (run / "figures").iterdir()}
    assert names == {
        *("curve-1", "curve-2", "curve-3", "loss-members", "accuracy-members"),
        *("confusion", "reliability", "risk-coverage", "schedule"),
    }
    for path in (run / "figures").iterdir():
        assert ET.fromstring(path.read_text()).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.usefixtures("undrawn")
def test_a_lone_member_has_one_curve_figure(tmp_path: Path) -> None:
    path = make_run(tmp_path / "one", members=1)
    write_report([path])
    names = {figure.stem for figure in (path / "figures").iterdir()}
    assert names == {"curve-1", "confusion", "reliability", "risk-coverage", "schedule"}


def test_the_gallery_shows_the_most_confident_mistakes_first(run: Path) -> None:
    shown = gallery(read_run(run).evaluation)
    assert len(shown) == MISTAKES
    confidence = [mistake.confidence for mistake, _ in shown]
    assert confidence == sorted(confidence, reverse=True)
    for mistake, source in shown:
        png = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        with Image.open(BytesIO(png)) as image:
            assert image.size == (28, 28)
            digit = 255 - np.asarray(image)
        assert digit.tobytes() == picture(mistake.index)


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_mistakes_says_so(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", edit=lambda facts: facts.update(mistakes=[]))
    assert "every image was read right" in Page(write_report([path])).text


@pytest.mark.usefixtures("undrawn")
def test_names_of_runs_cannot_become_markup(tmp_path: Path) -> None:
    name = "_<b>$x$"
    path = make_run(tmp_path / name, recipe="<script>alert(1)</script>")
    for page in (
        Page(write_report([path])),
        Page(write_report([path, make_run(tmp_path / "b")], tmp_path / "c.html")),
    ):
        assert not page.of("script")
        assert not page.of("b")
        assert name in page.text


def test_the_page_has_the_field_s_names_and_the_seed_s(page: Page) -> None:
    assert "nll_sum (loss_p)" in page.text
    assert "weight_loss (loss_w)" in page.text
    assert "L2 coefficient (loss_coefficient)" in page.text
    assert "A CPU <fast & cheap>" in page.text  # from the manifest
    assert 'name = "report-5-ensemble"' in page.text  # from the recipe


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("recipe", "figure"),
    [("report-5-ensemble", "150.57"), ("report-3-continuous", "224.00"), ("default", None)],
)
def test_the_seed_s_figures_are_shown_with_its_recipes(
    recipe: str, figure: str | None, tmp_path: Path
) -> None:
    text = Page(write_report([make_run(tmp_path / "r", recipe=recipe)])).text
    assert ("What the seed report measured" in text) == (figure is not None)
    assert figure is None or figure in text


def test_the_page_is_small_and_the_same_every_time(run: Path, page: Page) -> None:
    assert len(page.source) < 1_000_000
    before = dict(mpl.rcParams)
    assert write_report([run]).read_text(encoding="utf-8") == page.source
    assert dict(mpl.rcParams) == before  # figures are drawn without touching global state


@pytest.mark.usefixtures("undrawn")
def test_several_runs_make_one_page(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_run(tmp_path / "two", members=1, selected_on="nothing", rule="last")
    monkeypatch.chdir(tmp_path)
    written = write_report([run, other])
    assert written.resolve() == tmp_path / "comparison.html"
    page = Page(written)
    assert "Comparison of 2 runs" in page.text
    assert str(run) in page.text  # both folders are called "two"
    assert page.text.index("no choice looked") < page.text.index(
        "the choice makes these figures optimistic"
    )
    ids = Counter(tag["id"] for _, tag in page.tags if "id" in tag)
    assert max(ids.values()) == 1
    assert {link["href"] for link in page.of("a")} == {"#run-1", "#run-2"}


@pytest.mark.usefixtures("undrawn")
def test_out_writes_the_page_alone(run: Path, tmp_path: Path) -> None:
    assert write_report([run], tmp_path / "deep/page.html") == tmp_path / "deep/page.html"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.html"]


def test_neither_torch_nor_pyplot_is_imported() -> None:
    code = (
        "import sys, tenfold.report.page;"
        "print({'torch', 'matplotlib.pyplot'} & set(sys.modules) or 'neither')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "neither"


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_unknown_duration_has_a_dash(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    manifest = read_run(other).manifest.model_copy(update={"timings": Timings()})
    manifest.write_file(other / "manifest.json")
    text = Page(write_report([run, other], tmp_path / "c.html")).text
    assert text.index("training, s") < text.index(" 321 ") < text.index(" – ")


def test_of_a_damaged_run_there_is_no_page(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r")
    (path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="not valid JSON"):
        write_report([path])
    assert not (path / "report.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_cannot_be_written_is_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        write_report([run], tmp_path / "file" / "page.html")
