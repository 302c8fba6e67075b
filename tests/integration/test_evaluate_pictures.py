"""`tenfold evaluate` on pictures: what is measured and printed."""

from pathlib import Path

import pytest

from .drawn_pictures import Page, Tenfold, drawn, save


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Pictures in sub-folders that say what they are; one of them is wrong."""
    for digit in range(10):
        save(tmp_path / "labelled" / str(digit) / "a.png", drawn(str(digit)))
    save(tmp_path / "labelled" / "2" / "b.png", drawn("7"))
    save(tmp_path / "labelled" / "5" / "b.png", drawn("5", 90))
    return tmp_path / "labelled"


def test_evaluate_measures_a_folder_of_pictures(tenfold: Tenfold, labelled: Path) -> None:
    ended = tenfold("evaluate", "--data", labelled, "--json")
    assert ended.code == 0
    (result,) = ended.rows
    assert result["data"]["kind"] == "single"
    assert (result["data"]["name"], result["data"]["pictures"]) == ("labelled", 12)
    assert (result["right"], result["of"]) == (11, 12)
    assert (result["accepted"], result["right_of_accepted"]) == (12, 11)
    assert result["mistakes"] == [{"index": 3, "label": "2", "read": "7"}]


def test_evaluate_prints_what_it_found(tenfold: Tenfold, labelled: Path) -> None:
    ended = tenfold("evaluate", "--data", labelled)
    assert ended.code == 0
    words = " ".join(ended.out.split())
    assert "labelled: 12 pictures · digits right: 11 of 12, 91.67 %" in words
    assert "accepted: 100.00 %; accepted and wrong: 1, 8.33 %" in words


def test_evaluate_measures_numbers(tenfold: Tenfold, tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn("4071"))
    save(tmp_path / "b.png", drawn("88"))
    (tmp_path / "labels.csv").write_text("file,label\na.png,4071\nb.png,38\n")
    (result,) = tenfold("evaluate", "--data", tmp_path, "--json").rows
    assert (result["data"]["kind"], result["right"], result["of"]) == ("number", 1, 2)
    assert result["mistakes"] == [{"index": 1, "label": "38", "read": "88"}]
    assert "whole numbers right: 1 of 2" in tenfold("evaluate", "--data", tmp_path).out


def test_evaluate_explains_what_was_misread(tenfold: Tenfold, labelled: Path) -> None:
    page = labelled / "page.html"
    ended = tenfold("evaluate", "--data", labelled, "--explain", page)
    assert (ended.code, ended.err) == (0, f"{page}\n")
    shown = Page(page.read_text())
    assert "3, labelled 2: 7" in shown.words
    assert len(shown.sources) == 3  # the picture, its foreground, the image of its digit


def test_evaluate_explains_a_grid_that_was_not_found(tenfold: Tenfold, tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn("7"))
    (tmp_path / "labels.csv").write_text(f"file,label\na.png,{'.' * 80}7\n")
    page = tmp_path / "page.html"
    ended = tenfold("evaluate", "--data", tmp_path, "--explain", page, "--json")
    assert ended.code == 0
    (result,) = ended.rows
    assert (result["right"], result["of"]) == (0, 81)
    assert "no grid or table in this picture" in Page(page.read_text()).words


def test_what_evaluate_cannot_read_is_one_line(tenfold: Tenfold, labelled: Path) -> None:
    (labelled / "7" / "text.png").write_text("no picture")
    ended = tenfold("evaluate", "--data", labelled)
    assert (ended.code, ended.out) == (2, "")
    path = labelled / "7" / "text.png"
    assert ended.err.startswith(f"tenfold: {path}: not a readable image")
    assert ended.err.count("\n") == 1


def test_evaluate_reports_what_is_accepted_and_wrong(
    tenfold: Tenfold, labelled: Path, tmp_path: Path
) -> None:
    letters = tmp_path / "letters"
    save(letters / "a.png", drawn("7"))
    (letters / "labels.csv").write_text("file,label\na.png,\n")
    page = tmp_path / "page.html"
    ended = tenfold("evaluate", "--data", labelled, "--data", letters, "--report", page, "--json")
    assert (ended.code, ended.err) == (0, f"{page}\n")
    digits, others = ended.rows
    assert digits["risk_coverage"]["chosen"] == {"confidence": None, "accepted": 12, "wrong": 1}
    assert digits["risk_coverage"]["points"][-1]["accepted"] == 12
    assert (others["data"]["kind"], others["accepted"], others["risk_coverage"]) == (
        "non-digit",
        1,
        None,
    )
    words = " ".join(Page(page.read_text()).words.split())
    assert "labelled 12 8.33 %" in words
    assert "letters (non-digits) 1 100.00 %" in words
    assert page.read_text().count("<svg") == 1


def test_images_and_pictures_are_not_measured_together(tenfold: Tenfold, labelled: Path) -> None:
    ended = tenfold("evaluate", "--data", labelled, "--data", "mnist")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "tenfold: --data: only sets of pictures go together; give images alone\n"
