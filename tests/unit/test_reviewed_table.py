"""What a review leaves: the table, and digits that a bundle can be tuned with."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_review import read_table, write_review, write_table

from tenfold.data.folder import load_folder
from tenfold.errors import ReviewError
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import review_folder
from tenfold.forms.reviewed_table import write_reviewed_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    table = tmp_path / "table.csv"
    write_table(table, write_review(review_folder(table), count=3))
    return table


def test_the_table_says_what_people_said(table: Path) -> None:
    before = read_table(table)
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "50", "Ann")
    session.enter(("scan-1.png", "late"), "false", "Bob")
    assert write_reviewed_table(table, session) == "table.csv"
    rows = read_table(table)
    assert rows["scan-0.png"]["total"] == "50"
    assert rows["scan-0.png"]["total.review"] == "false"
    assert float(rows["scan-0.png"]["total.probability"]) == 1
    assert rows["scan-1.png"]["late"] == "false"
    assert rows["scan-2.png"] == before["scan-2.png"]
    assert list(rows["scan-0.png"]) == list(before["scan-0.png"])


def test_what_is_taken_back_is_as_it_was_read(table: Path) -> None:
    before = read_table(table)
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "50", "Ann")
    write_reviewed_table(table, session)
    session.take_back("Ann")
    write_reviewed_table(table, session)
    row, old = read_table(table)["scan-0.png"], before["scan-0.png"]
    assert float(row.pop("total.probability")) == float(old.pop("total.probability"))
    assert row == old
    assert not list(session.folder.glob("corrections/*/*.png"))


def test_wrong_digits_become_a_folder_for_tuning(table: Path) -> None:
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "70", "Ann")  # 40
    session.enter(("scan-1.png", "total"), "4", "Ann")  # 41: a digit too many
    session.enter(("scan-2.png", "total"), "42", "Ann")  # right
    write_reviewed_table(table, session)
    images, labels = load_folder(session.folder / "corrections")
    assert labels.tolist() == [7]
    strip = cv2.imread(str(session.folder / "crops" / "0.digits.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(images[0], strip[:, :28])


def test_another_table_is_refused_and_left_as_it_is(table: Path) -> None:
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "50", "Ann")
    table.write_text("document,other\nscan-0.png,1\n")
    with pytest.raises(ReviewError, match=r"has no total of scan-0.png, which was reviewed"):
        write_reviewed_table(table, session)
    assert table.read_text() == "document,other\nscan-0.png,1\n"
