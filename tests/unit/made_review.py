"""A folder to review: made readings with pictures of their fields."""

import csv
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tenfold.forms.review_folder import FieldReading
from tenfold.forms.template import FormField, Template


def write_review(folder: Path, count: int = 6) -> list[FieldReading]:
    """Write readings of so many documents, each with a doubtful number, id and box to tick."""
    (folder / "crops").mkdir(parents=True)
    readings = []
    for place in range(count):
        document = f"scan-{place}.png"
        make = partial(
            FieldReading,
            document=document,
            review=True,
            picture=f"crops/{place}.png",
            crop=(10, 30, 200, 60),
        )
        readings += [
            make(
                field="total",
                kind="number",
                value=f"{40 + place}",
                probability=0.4 + place / 100,
                alternatives=(f"{10 + place}", f"{90 + place}"),
                digits=(50, 0, 56, 28),
            ),
            make(field="id", value="123", probability=0.7, rules="luhn"),
            make(field="late", kind="mark", value="true", probability=0.8),
            FieldReading(document=document, field="age", value="7", probability=1, review=False),
        ]
        crop = np.full((60, 200), 250, np.uint8)
        cv2.putText(crop, f"{40 + place}", (30, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 20, 3)
        strip = np.zeros((28, 56), np.uint8)
        for at, digit in enumerate(f"{40 + place}"):
            cv2.putText(strip, digit, (5 + 28 * at, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
        picture = np.full((100, 220), 128, np.uint8)
        picture[30:90, 10:210], picture[:28, 50:106] = crop, strip
        cv2.imwrite(str(folder / "crops" / f"{place}.png"), picture)
    lines = [reading.model_dump_json() + "\n" for reading in readings]
    (folder / "fields.jsonl").write_text("".join(lines))
    return readings


def write_review_of_sums(folder: Path) -> list[FieldReading]:
    """Write documents of a sum that was read as 7 + 4 + 2 = 15; c has strokes of no digit."""
    parts = [FormField(name=n, box=(10, 10, 9, 9), kind="number") for n in ("a", "b", "c")]
    total = FormField(name="sum", box=(10, 30, 9, 9), kind="number", sum_of=("a", "b", "c"))
    form = Template(name="sums", fields=(*parts, total))
    readings = [
        FieldReading(
            document=document,
            field=name,
            kind="number",
            value=value,
            probability=0.9,
            rules="sum",
            review=True,
            without_sums=None if name == "c" else 0.99,
        )
        for document in ("right.png", "wrong.png", "unseen.png")
        for name, value in (("a", "7"), ("b", "4"), ("c", "2"), ("sum", "15"))
    ]
    folder.mkdir()
    (folder / "fields.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in readings))
    (folder / "template.json").write_text(form.model_dump_json(exclude_unset=True))
    return readings


def write_table(table: Path, readings: list[FieldReading]) -> None:
    """Write the table of readings, as CSV."""
    rows: dict[str, dict[str, object]] = {}
    for reading in readings:
        name = reading.field
        rows.setdefault(reading.document, {"document": reading.document}).update(
            {
                name: reading.value,
                f"{name}.probability": reading.probability,
                f"{name}.rules": reading.rules,
                f"{name}.review": str(reading.review).lower(),
            }
        )
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(next(iter(rows.values()))))
        writer.writeheader()
        writer.writerows(rows.values())


def read_table(table: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV by document."""
    with table.open(newline="") as file:
        return {row["document"]: row for row in csv.DictReader(file)}
