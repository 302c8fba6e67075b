"""What a review leaves: the table, and digits that a bundle can be tuned with."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_review import read_table, write_review, write_review_of_sums, write_table

from tenfold.data.folder import load_folder
from tenfold.errors import ReviewError
from tenfold.forms.review import ReviewSession
from tenfold.forms.review_folder import review_folder
from tenfold.forms.reviewed_table import write_reviewed_table
from tenfold.forms.table import read_table as read_rows
from tenfold.forms.table import write_table as write_rows
from tenfold.forms.template import Template


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


def test_a_review_is_in_the_table_though_an_older_one_is_being_written(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ReviewSession(review_folder(table))
    begun, entered = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> None:
        if not begun.is_set():
            begun.set()
            entered.wait(timeout=10)
            time.sleep(0.2)  # the other writer could overtake
        write_rows(*arguments)

    monkeypatch.setattr("tenfold.forms.reviewed_table.write_table", slow)
    with ThreadPoolExecutor() as pool:
        older = pool.submit(write_reviewed_table, table, session)
        assert begun.wait(timeout=10)
        session.enter(("scan-0.png", "total"), "50", "Ann")
        entered.set()
        write_reviewed_table(table, session)
        older.result()
    assert read_table(table)["scan-0.png"]["total"] == "50"


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


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    table = tmp_path / "table.csv"
    write_table(table, write_review_of_sums(review_folder(table)))
    return table


def columns(table: Path, part: str) -> dict[str, list[str]]:
    """Return a part of the columns of a, b, c and sum, by document."""
    rows = read_table(table)
    return {d: [row[f"{n}.{part}"] for n in ("a", "b", "c", "sum")] for d, row in rows.items()}


def review_two_sums(table: Path, session: ReviewSession) -> None:
    """Make one of the sums right, another not."""
    session.enter(("right.png", "a"), "9", "Ann")  # 9 + 4 + 2 = 15
    session.enter(("wrong.png", "a"), "1", "Ann")  # 1 + 4 + 2 = 7
    write_reviewed_table(table, session)


def test_the_table_says_which_sums_are_wrong_after_the_review(sums: Path) -> None:
    review_two_sums(sums, ReviewSession(review_folder(sums)))
    rules = columns(sums, "rules")
    assert rules["right.png"] == ["", "", "", ""]
    assert rules["wrong.png"] == ["", "sum", "sum", "sum"]
    assert rules["unseen.png"] == ["sum", "sum", "sum", "sum"]


def test_a_sum_that_is_right_by_now_asks_for_no_other_part(sums: Path) -> None:
    session = ReviewSession(review_folder(sums))
    assert session.progress().doubtful == 12
    review_two_sums(sums, session)
    review = columns(sums, "review")
    assert review["right.png"] == ["false", "false", "true", "false"]
    assert review["wrong.png"] == ["false", "true", "true", "true"]
    assert review["unseen.png"] == ["true", "true", "true", "true"]
    assert [float(p) for p in columns(sums, "probability")["right.png"]] == [1, 0.99, 0.9, 0.99]
    left = {reading.key for reading in session.hand_out("Bob", 20)}
    assert {name for document, name in left if document == "right.png"} == {"c"}
    assert len(left) == 1 + 3 + 4
    assert (session.progress().doubtful, session.progress().reviewed) == (10, 2)
    assert str(ReviewSession(session.folder).progress()) == str(session.progress())


def test_a_part_that_is_taken_back_makes_the_sum_wrong_again(sums: Path) -> None:
    before = read_table(sums)
    session = ReviewSession(review_folder(sums))
    session.enter(("right.png", "a"), "9", "Ann")
    write_reviewed_table(sums, session)
    session.take_back("Ann")
    write_reviewed_table(sums, session)
    after = read_table(sums)
    for name in before["right.png"]:
        if not name.endswith(".probability"):
            assert after["right.png"][name] == before["right.png"][name]
    assert session.progress().doubtful == 12


def test_wrong_digits_become_a_folder_for_tuning(table: Path) -> None:
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "70", "Ann")  # 40
    session.enter(("scan-1.png", "total"), "4", "Ann")  # 41: a digit too many
    session.enter(("scan-2.png", "total"), "42", "Ann")  # right
    write_reviewed_table(table, session)
    images, labels = load_folder(session.folder / "corrections")
    assert labels.tolist() == [7]
    picture = cv2.imread(str(session.folder / "crops" / "0.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    np.testing.assert_array_equal(images[0], picture[:28, 50:78])


def test_reviews_of_documents_that_are_gone_are_left_out(table: Path) -> None:
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "total"), "50", "Ann")
    table.write_text("document,other\nscan-0.png,1\n")
    write_reviewed_table(table, session)
    assert table.read_text() == "document,other\nscan-0.png,1\n"


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_other_formats(table: Path, suffix: str) -> None:
    columns, rows = read_rows(table)
    other = table.with_suffix(suffix)
    write_rows(other, columns, rows)
    session = ReviewSession(review_folder(table))
    session.enter(("scan-0.png", "id"), "0123", "Ann")
    write_reviewed_table(other, session)
    after = {row["document"]: row for row in read_rows(other)[1]}
    assert after["scan-0.png"]["id"] == "0123"
    assert after["scan-0.png"]["id.review"] == "false"
    assert after["scan-1.png"] == rows[1]


def test_rules_are_those_of_the_new_value(table: Path) -> None:
    folder = review_folder(table)
    fields = [
        {"name": "id", "box": [1, 1, 9, 9], "kind": "digits", "length": 3, "check": "luhn"},
        {"name": "total", "box": [1, 20, 9, 9], "kind": "number", "max": 50},
    ]
    template = Template.model_validate({"name": "form", "fields": fields})
    (folder / "template.json").write_text(template.model_dump_json(exclude_unset=True))
    session = ReviewSession(folder)
    session.enter(("scan-0.png", "id"), "125", "Ann")  # 1 + 4 + 5 = 10
    session.enter(("scan-1.png", "id"), "126", "Ann")
    session.enter(("scan-2.png", "total"), "51", "Ann")
    write_reviewed_table(table, session)
    rows = read_table(table)
    assert [row["id.rules"] for row in rows.values()] == ["", "check", "luhn"]
    assert rows["scan-2.png"]["total.rules"] == "range"


def test_a_damaged_template_is_named(table: Path) -> None:
    (review_folder(table) / "template.json").write_text("{}")
    with pytest.raises(ReviewError, match=r"template\.json: is damaged"):
        ReviewSession(review_folder(table))
