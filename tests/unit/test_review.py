"""Reviewing: nobody works on another's field, nothing that was said is lost."""

import json
from pathlib import Path

import pytest

from tenfold.errors import ReviewError
from tenfold.forms.review import LEASE_S, ReviewSession
from tenfold.forms.review_folder import TEMPLATE_FILE, FieldReading, ReviewLog, review_folder

DATES = {
    "name": "slip",
    "pages": [{"width_mm": 100.0, "height_mm": 100.0}],
    "fields": [
        {"name": "day", "page": 1, "box": [10, 10, 30, 9], "kind": "date", "format": "DD.MM.YYYY"},
        {"name": "number", "page": 1, "box": [10, 30, 30, 9], "kind": "digits", "length": 3},
    ],
}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reading(document: int, field: str, probability: float, value: str = "12") -> FieldReading:
    return FieldReading(
        document=f"d{document}",
        field=field,
        value=value,
        probability=probability,
        review=probability < 0.9,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty documents of three fields, one of which is doubtful."""
    folder = review_folder(tmp_path / "table.csv")
    assert folder.name == "table.csv.review"
    folder.mkdir()
    readings = [
        reading(document, field, probability)
        for document in range(40)
        for field, probability in (("a", 0.99), ("b", document / 50), ("c", 0.97))
    ]
    lines = [one.model_dump_json() + "\n" for one in readings]
    (folder / "fields.jsonl").write_text("".join(lines))
    return folder


def keys(found: list[FieldReading]) -> list[tuple[str, str]]:
    return [one.key for one in found]


def test_the_most_doubtful_come_first_and_to_one_person_at_a_time(folder: Path) -> None:
    clock = Clock()
    session = ReviewSession(folder, clock)
    assert keys(session.hand_out("Ann", 2)) == [("d0", "b"), ("d1", "b")]
    assert keys(session.hand_out("Bob", 2)) == [("d2", "b"), ("d3", "b")]
    assert keys(session.hand_out("Ann", 2)) == [("d0", "b"), ("d1", "b")]  # a reloaded page
    session.enter(("d0", "b"), "13", "Ann")
    assert keys(session.hand_out("Ann", 2)) == [("d1", "b"), ("d4", "b")]
    clock.now = LEASE_S + 1
    assert keys(session.hand_out("Bob", 1)) == [("d1", "b")]


def test_what_was_said_is_there_after_a_restart(folder: Path) -> None:
    session = ReviewSession(folder)
    session.enter(("d0", "b"), "13", "Ann")
    session.enter(("d5", "b"), "", "Bob")
    with (folder / "reviews.jsonl").open("ab") as file:
        file.write(b'{"document": "d1", "fie')  # killed in the middle of a line
    again = ReviewSession(folder)
    assert again.log.value(("d0", "b")) == "13"
    assert again.log.value(("d5", "b")) == ""
    assert again.progress().reviewed == 2
    again.enter(("d1", "b"), "7", "Ann")
    assert ReviewLog(folder).value(("d1", "b")) == "7"


def test_a_decimal_comma_is_a_point_as_in_the_table(tmp_path: Path) -> None:
    number = reading(0, "a", 0.5).model_copy(update={"kind": "number"})
    (tmp_path / "fields.jsonl").write_text(number.model_dump_json() + "\n")
    session = ReviewSession(tmp_path)
    session.enter(number.key, "12,5", "Ann")
    assert session.log.value(number.key) == "12.5"


def test_what_is_typed_is_stored_as_it_would_be_read(tmp_path: Path) -> None:
    (tmp_path / TEMPLATE_FILE).write_text(json.dumps(DATES))
    kinds = {"day": "date", "number": "digits"}
    lines = [
        reading(0, name, 0.5).model_copy(update={"kind": kind}).model_dump_json()
        for name, kind in kinds.items()
    ]
    (tmp_path / "fields.jsonl").write_text("\n".join(lines) + "\n")
    session = ReviewSession(tmp_path)
    for name, typed, stored in (
        ("day", "3.4.2024", "03.04.2024"),
        ("day", "33.4.2024", "33.4.2024"),  # breaks a rule
        ("number", "1 2 4", "124"),
        ("number", "1 24 5", "1 24 5"),
    ):
        session.enter(("d0", name), typed, "Ann")
        assert session.log.value(("d0", name)) == stored


def test_whoever_works_keeps_what_was_handed_out(folder: Path) -> None:
    clock = Clock()
    session = ReviewSession(folder, clock)
    first, second = keys(session.hand_out("Ann", 2))
    clock.now = LEASE_S - 1
    session.enter(first, "1", "Ann")
    clock.now += LEASE_S
    assert second not in keys(session.hand_out("Bob", 99))
    clock.now += 1
    assert second in keys(session.hand_out("Bob", 99))


def test_the_last_to_speak_is_heard_and_told(folder: Path) -> None:
    session = ReviewSession(folder)
    assert session.enter(("d0", "b"), "13", "Ann") is None
    assert session.enter(("d0", "b"), "13", "Bob") is None  # they agree
    before = session.enter(("d0", "b"), "14", "Ann")
    assert before is not None
    assert (before.who, before.value) == ("Bob", "13")
    assert session.log.value(("d0", "b")) == "14"
    lines = (folder / "reviews.jsonl").read_text().splitlines()
    assert len(lines) == 3  # nothing that was said is lost


def test_undo_takes_back_one_s_own_reviews_last_first(folder: Path) -> None:
    session = ReviewSession(folder)
    for document, who in ((0, "Ann"), (1, "Ann"), (2, "Bob")):
        session.enter((f"d{document}", "b"), "5", who)
    session = ReviewSession(folder)
    for document in (1, 0):
        found = session.take_back("Ann")
        assert found is not None
        assert found.key == (f"d{document}", "b")
        assert session.log.value(found.key) is None
    assert session.take_back("Ann") is None
    assert session.progress().reviewed == 1
    assert keys(session.hand_out("Bob", 1)) == [("d3", "b")]  # Ann has the first two


def test_undo_brings_back_what_was_said_before(folder: Path) -> None:
    session, key = ReviewSession(folder), ("d0", "b")
    for value, who in (("80", "Ann"), ("81", "Ann"), ("999", "Bob")):
        session.enter(key, value, who)
    for who, counts in (("Bob", "81"), ("Ann", "80"), ("Ann", None)):
        assert session.take_back(who) is not None
        assert session.log.value(key) == ReviewLog(folder).value(key) == counts


def test_the_sample_bounds_what_is_wrong_with_the_rest(folder: Path) -> None:
    session = ReviewSession(folder)
    assert session.progress().wrong_at_most is None
    sample = session.hand_out("Ann", 59, sample=True)
    assert not any(one.review for one in sample)
    assert {one.field for one in sample} == {"a", "c"}
    session.enter(sample[0].key, "99", "Ann")
    assert "at most 100 % of the rest are wrong" in str(session.progress())
    for one in sample:
        session.enter(one.key, one.value, "Ann")
    assert "at most 5 % of the rest are wrong" in str(session.progress())
    progress = session.progress()
    # 0.95 ** 59 is the first power below 0.05.
    assert progress.wrong_at_most == pytest.approx(0.0495, abs=2e-4)
    assert (progress.sampled, progress.wrong, progress.fields) == (59, 0, 120)
    session.enter(sample[0].key, "99", "Ann")
    assert session.progress().wrong == 1
    assert 0.07 < (session.progress().wrong_at_most or 0) < 0.08


def test_what_is_no_field_is_refused(folder: Path) -> None:
    with pytest.raises(KeyError):
        ReviewSession(folder).enter(("d0", "z"), "1", "Ann")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", r"fields.jsonl:2: document: Field required"),
        ("[", r"fields.jsonl:2: not valid JSON"),
        ('{"document": "d", "field": "f", "value": "", "probability": 2, "review": true}', "prob"),
        (
            reading(0, "a", 0.5).model_dump_json().replace('"picture":""', '"picture":"../x.png"'),
            "picture: String should match",
        ),
        # To describe each of them takes a kilobyte.
        ("{" + ",".join(f'"{i}":1' for i in range(20_000)) + "}", r"2: 20,005 faults; write it"),
    ],
)
def test_a_damaged_file_is_named(line: str, message: str, tmp_path: Path) -> None:
    good = reading(0, "a", 0.5).model_dump_json()
    (tmp_path / "fields.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(ReviewError, match=message):
        ReviewSession(tmp_path)


def test_a_review_that_the_page_would_not_take_is_named(folder: Path) -> None:
    ReviewSession(folder).enter(("d0", "a"), "12", "Ann")
    path = folder / "reviews.jsonl"
    path.write_text(path.read_text().replace('"12"', '"1²"'), encoding="utf-8")
    message = r"reviews\.jsonl:1: value: String should match pattern .*; remove the damaged line"
    with pytest.raises(ReviewError, match=message):
        ReviewSession(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match=r"fields\.jsonl: cannot be read .* `tenfold forms read`"):
        ReviewSession(tmp_path)
