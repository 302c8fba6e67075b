"""What is known of the numbers of a picture: length, pattern, values, a check digit, cells."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Integral
from typing import Any, Literal, get_args

import re2

from tenfold.errors import TenfoldError

CheckDigit = Literal["luhn", "mod10", "mod11", "verhoeff", "iso7064-mod11-2", "iso7064-mod97-10"]
RuleName = Literal["sudoku", "column-sums", "row-sums"]

# Of `Constraints`, by what they are about.
OF_NUMBERS = ("length", "pattern", "values", "check", "digits_only", "optional")
OF_CELLS = ("rows", "columns", "rule")

# RE2 bounds the memory of a compiled pattern, but not what compiling one takes.
MAX_PATTERN_CHARACTERS, MAX_PATTERN_BYTES = 200, 2**16


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a number may be, and how many cells there are. Texts that do not fit are no candidates.

    Attributes:
        length: count of digits; marks do not count.
        pattern: a regular expression of RE2 that the whole text matches.
        values: the only texts that are possible.
        check: the rule of a check digit, which is the last one; of ISO 7064 MOD 97-10 the last two.
        digits_only: marks are left out of the text.
        optional: that there is no number is possible too.
        rows, columns: of a grid or a table.
        rule: what its cells obey together; see `tenfold.reading.rules.rule_of`.

    Raises:
        TenfoldError: a count is no positive integer, the pattern is none of RE2's, is too long or
            needs too much memory, the values are no texts, or there is no such check or rule.
    """

    length: int | None = None
    pattern: str | None = None
    values: frozenset[str] | None = None
    check: CheckDigit | None = None
    digits_only: bool = False
    optional: bool = False
    rows: int | None = None
    columns: int | None = None
    rule: RuleName | None = None

    def __post_init__(self) -> None:
        """Check what is set."""
        for name in ("length", "rows", "columns"):
            count = getattr(self, name)
            is_number = isinstance(count, Integral) and not isinstance(count, bool)
            if count is not None and (not is_number or count < 1):
                raise TenfoldError(f"{name}: {count!r} is no positive integer")
        for name, known in (("check", CheckDigit), ("rule", RuleName)):
            if (given := getattr(self, name)) is not None and given not in get_args(known):
                raise TenfoldError(f"{name}: {given!r} is none of {', '.join(get_args(known))}")
        if self.values is not None and not (
            isinstance(self.values, AbstractSet | list | tuple)
            and all(isinstance(value, str) for value in self.values)
        ):
            raise TenfoldError('values: must be texts, such as {"41", "07"}')
        if self.pattern is not None and not isinstance(self.pattern, str):
            raise TenfoldError(f"pattern: {self.pattern!r} is no text")
        _ = self._compiled

    def to_dict(self) -> dict[str, Any]:
        """Return what is set, in JSON's types."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.values is not None:
            given["values"] = sorted(self.values)
        return {name: value for name, value in given.items() if value not in (None, False)}

    def without_effect(self, layout: str) -> list[str]:
        """Return what is set, but says nothing about pictures of a layout; see `Reader.read`."""
        used = {"numbers": OF_NUMBERS, "grid": OF_CELLS, "table": OF_NUMBERS + OF_CELLS}
        return [name for name in self.to_dict() if name not in used.get(layout, ())]

    @property
    def active(self) -> bool:
        """Whether some text is excluded."""
        return any(v is not None for v in (self.length, self.pattern, self.values, self.check))

    def allow(self, text: str) -> bool:
        """Return whether a number may be this text."""
        digits = only_digits(text)
        if self.optional and not text:
            return True
        return (
            (self.length is None or len(digits) == self.length)
            and (self._compiled is None or self._compiled.fullmatch(text) is not None)
            and (self.values is None or text in self.values)
            and (self.check is None or CHECKS[self.check](digits))
        )

    @cached_property
    def _compiled(self) -> Any:  # noqa: ANN401 - re2 has no types
        if self.pattern is None:
            return None
        if not 0 < len(self.pattern) <= MAX_PATTERN_CHARACTERS:
            raise TenfoldError(f"pattern: must have 1 to {MAX_PATTERN_CHARACTERS} characters")
        options = re2.Options()
        options.max_mem = MAX_PATTERN_BYTES
        options.never_capture = True  # groups would take much longer
        options.log_errors = False
        try:
            return re2.compile(self.pattern, options)
        except UnicodeEncodeError as error:
            raise TenfoldError(f"pattern: {error.reason}") from error
        except re2.error as error:
            reason, _, _ = error.args[0].decode().partition(": ")  # then it repeats the pattern
            raise TenfoldError(f"pattern {self.pattern!r}: {reason}") from error


ANYTHING = Constraints()


def only_digits(text: str) -> str:
    """Return a text without its marks."""
    return "".join(c for c in text if c.isdigit())


def luhn(digits: str) -> bool:
    """Return whether the last digit checks the others by Luhn's rule (ISO/IEC 7812-1)."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value - 9 * (value > 9)  # noqa: PLR2004 - the sum of its two digits
    return len(digits) > 1 and total % 10 == 0


def mod10(digits: str) -> bool:
    """Return whether the weighted sum of GS1 (EAN, UPC) is a multiple of 10."""
    total = sum(int(c) * (1 + 2 * (place % 2)) for place, c in enumerate(reversed(digits)))
    return len(digits) > 1 and total % 10 == 0


def mod11(digits: str) -> bool:
    """Return whether the sum weighted 1, 2, 3 … from the right is a multiple of 11 (ISBN-10)."""
    total = sum(int(c) * place for place, c in enumerate(reversed(digits), 1))
    return len(digits) > 1 and total % 11 == 0


def verhoeff(digits: str) -> bool:
    """Return whether the last digit checks the others by Verhoeff's rule (1969).

    It multiplies in the group of the symmetries of a pentagon: 0 … 4 are rotations, 5 … 9 are
    reflections. Each digit is permuted first, as often as its place from the right says.
    """
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character)
        for _ in range(place % 8):  # its eighth power is the identity
            value = VERHOEFF_PERMUTATION[value]
        total = _product_of_symmetries(total, value)
    return len(digits) > 1 and total == 0


VERHOEFF_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _product_of_symmetries(first: int, second: int) -> int:
    turn = first - second if first >= PENTAGON else first + second
    return turn % PENTAGON + PENTAGON * ((first >= PENTAGON) != (second >= PENTAGON))


PENTAGON = 5


def iso7064_mod11_2(digits: str) -> bool:
    """Return whether the last digit checks the others by ISO 7064 MOD 11-2, as in ISNI and ORCID.

    A tenth of all numbers have the check character X, which is no digit: they do not fit.
    """
    total = 0
    for character in digits:
        total = (2 * total + int(character)) % 11
    return len(digits) > 1 and total == 1


def iso7064_mod97_10(digits: str) -> bool:
    """Return whether the last two digits check the others by ISO 7064 MOD 97-10, as in IBAN."""
    return len(digits) > 2 and int(digits) % 97 == 1  # noqa: PLR2004


CHECKS: dict[CheckDigit, Callable[[str], bool]] = {
    "luhn": luhn,
    "mod10": mod10,
    "mod11": mod11,
    "verhoeff": verhoeff,
    "iso7064-mod11-2": iso7064_mod11_2,
    "iso7064-mod97-10": iso7064_mod97_10,
}
