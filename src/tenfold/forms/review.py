"""Reviewing: who gets which field, what they say, and what that tells of all other fields."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tenfold.evaluation.statistics import at_most
from tenfold.forms.review_folder import (
    FieldReading,
    Key,
    Review,
    ReviewLog,
    load_form,
    read_fields,
)
from tenfold.forms.values import value_of
from tenfold.forms.wrong_sums import WrongSums

LEASE_S = 60.0
# Of the fields that need no review; more would bound what is wrong with them no better.
MAX_SAMPLE = 3_000
SAMPLE_SEED = 0


@dataclass(frozen=True)
class Progress:
    """What has been reviewed.

    Attributes:
        fields: of all documents.
        doubtful: fields that need review, but for those of sums that the review made right.
        reviewed: of these.
        sampled: fields that needed no review, chosen at random, and were reviewed all the same.
        wrong: of these.
        wrong_at_most: the share of the other fields that is wrong, at most (95 %); None if nothing
            was sampled.
    """

    fields: int
    doubtful: int
    reviewed: int
    sampled: int
    wrong: int
    wrong_at_most: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types, with a sentence for people."""
        return asdict(self) | {"text": str(self)}

    def __str__(self) -> str:
        text = f"Of {self.fields:,} fields {self.reviewed:,} of {self.doubtful:,} doubtful ones are"
        text += " reviewed."
        if self.wrong_at_most is not None:
            text += f" {self.wrong:,} of {self.sampled:,} others, chosen at random, were wrong:"
            percent = float(f"{100 * self.wrong_at_most:.2g}")  # of two digits
            text += f" at most {percent:g} % of the rest are wrong (95 %)."
        return text


class ReviewSession:
    """The review of a table by one person or more.

    A field is handed to one person at a time, until a minute after the person's last request.

    Args:
        folder: see `tenfold.forms.review_folder`.
        clock: the time in seconds.

    Attributes:
        writing: held by the thread that writes the table, so that the newest review is in the last.

    Raises:
        ReviewError: see `read_fields` and `ReviewLog`.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self._clock = folder, clock
        self.writing = threading.Lock()
        self.log = ReviewLog(folder)
        self.form = load_form(folder)
        self._fields = {cell.name: cell.field for cell in self.form.cells} if self.form else {}
        self.wrong_sums = WrongSums(self.form, self.log.value)
        readings = self.wrong_sums.watched(read_fields(folder))
        self.count, doubtful, sample = _divide(readings, self.log.latest)
        self.doubtful = sorted(doubtful, key=lambda reading: reading.probability)
        self.sample = sample
        self.readings = {reading.key: reading for reading in (*self.doubtful, *self.sample)}
        self._leases: dict[Key, tuple[str, float]] = {}
        self._history: dict[str, list[Key]] = defaultdict(list)
        for review in self.log.latest.values():
            if review.value is not None:
                self._history[review.who].append(review.key)

    def hand_out(self, who: str, count: int, *, sample: bool = False) -> list[FieldReading]:
        """Return the most doubtful fields that nobody has reviewed and nobody else works on.

        Args:
            who: the person.
            count: how many at most.
            sample: fields that need no review instead, in a random order.
        """
        now = self._clock()
        found: list[FieldReading] = []
        for reading in self.sample if sample else self.doubtful:
            if len(found) == count:
                break
            holder, until = self._leases.get(reading.key, (who, now))
            if self._is_open(reading.key) and (holder == who or until < now):
                found.append(reading)
        self._lease(who, *(reading.key for reading in found))
        return found

    def _is_open(self, key: Key) -> bool:
        return self.log.value(key) is None and key not in self.wrong_sums.settled

    def enter(self, key: Key, value: str, who: str) -> Review | None:
        """Add a review. A value that breaks no rule is written as a reading is: 03.04.2024, 12.5.

        Returns:
            What somebody else had said of the field, which no longer counts.

        Raises:
            KeyError: there is no such field to review.
            WriteError: it cannot be written.
        """
        if self.readings[key].kind in {"number", "grid"}:
            value = value.replace(",", ".")
        value, _ = self._as_read(key, value)
        before = self.log.latest.get(key)
        self._say(key, value, who)
        self._history[who].append(key)
        self._leases.pop(key, None)
        self._lease(who)
        other = before is not None and before.who != who and before.value not in {None, value}
        return before if other else None

    def broken_rule(self, key: Key, value: str) -> str:
        """Return the first rule of its own field that a value breaks, or ""."""
        return self._as_read(key, value)[1]

    def _as_read(self, key: Key, value: str) -> tuple[str, str]:
        """Return a value as a reading has it, and ""; or as it is, and the rule that it breaks."""
        field = self._fields.get(key[1])
        if field is None or field.kind == "mark":
            return value, ""
        read, broken = value_of(value, field, point_printed=False)
        return (value, broken) if broken else (read, "")

    def _lease(self, who: str, *keys: Key) -> None:
        """Hand fields to a person, who holds these and all others from now on as long."""
        held = (key for key, (holder, _) in self._leases.items() if holder == who)
        self._leases |= dict.fromkeys([*held, *keys], (who, self._clock() + LEASE_S))

    def take_back(self, who: str) -> FieldReading | None:
        """Undo the last review of a person, and hand that field out again; None if there is none.

        Raises:
            WriteError: it cannot be written.
        """
        while self._history[who]:
            key = self._history[who].pop()
            last = self.log.latest[key]
            if last.who != who or last.value is None or key not in self.readings:
                continue
            self._say(key, None, who)
            self._lease(who, key)
            return self.readings[key]
        return None

    def _say(self, key: Key, value: str | None, who: str) -> None:
        self.log.append(Review(document=key[0], field=key[1], value=value, who=who))
        self.wrong_sums.update(key[0])

    def reviewed(self) -> Iterator[tuple[FieldReading, Review]]:
        """Yield the fields that somebody has reviewed, and what was said last."""
        for key, reading in self.readings.items():
            review = self.log.latest.get(key)
            if review is not None and review.value is not None:
                yield reading, review

    def progress(self) -> Progress:
        """Return what has been reviewed."""
        pairs = list(self.reviewed())
        sampled = [reading.value != review.value for reading, review in pairs if not reading.review]
        wrong, n = sum(sampled), len(sampled)
        reviewed = len(pairs) - n
        still_open = sum(self._is_open(reading.key) for reading in self.doubtful)
        return Progress(
            fields=self.count,
            doubtful=reviewed + still_open,
            reviewed=reviewed,
            sampled=n,
            wrong=wrong,
            wrong_at_most=at_most(wrong, n) if n else None,
        )


def _divide(
    readings: Iterator[FieldReading], reviewed: Container[Key]
) -> tuple[int, list[FieldReading], list[FieldReading]]:
    """Count fields; return those that need review, and a random sample of the others.

    The sample is in a random order, so that its first few are a random sample, too. What was
    reviewed before is never left out of it.
    """
    generator = random.Random(SAMPLE_SEED)  # noqa: S311 - a sample, no secret
    count, accepted = 0, 0
    doubtful: list[FieldReading] = []
    sample: list[FieldReading] = []
    kept: list[FieldReading] = []
    for reading in readings:
        count += 1
        if reading.review:
            doubtful.append(reading)
            continue
        accepted += 1
        if reading.key in reviewed:
            kept.append(reading)
        elif len(sample) < MAX_SAMPLE:
            sample.append(reading)
        elif (place := generator.randrange(accepted)) < MAX_SAMPLE:
            sample[place] = reading
    generator.shuffle(sample)
    return count, doubtful, kept + sample
