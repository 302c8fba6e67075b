"""The cells of a grid or a table are read together, under a rule."""

import itertools
import re
from dataclasses import replace

from tenfold.reading.constraints import Constraints
from tenfold.reading.number_reader import NumberReaderConfig, calibrated, shown_text
from tenfold.reading.page import ALTERNATIVES, Digit, Number, Page, Reason
from tenfold.reading.rules import EMPTY, MIN_PROBABILITY, fillings, posteriors, rule_of

MISREAD = 1e-3  # the probability that what was read in a cell is no number of the rule's
COMPLETE = 0.9  # a Sudoku with so many probable digits, and something in each cell, has no gaps
FILLINGS = 20  # from which probabilities under a rule are computed


def under_rule(page: Page, constraints: Constraints, config: NumberReaderConfig) -> Page:
    """Read the cells of a grid or table together; see `rule_of`.

    A text that was improbable before the rule was applied is not accepted, and neither are the
    cells that break the rule if no filling is found. A number that may be none, and that the rule
    takes for none, goes. In a Sudoku that is complete, what may be none is a digit.

    Args:
        page: with the numbers that may be none.
        constraints: with the rule, and what a number may be. Without a rule, only the numbers go
            that are less probable than none.
        config: calibration and thresholds.

    Raises:
        DataError: see `rule_of`.
    """
    probable, name = page.probable, constraints.rule
    if name is None or page.grid is None:
        return probable
    rows, columns = page.grid
    rule = rule_of(name, rows, columns)
    by_cell = {(n.row or 0, n.column or 0): n for n in page.numbers}
    cells = {cell: _candidates(number, constraints) for cell, number in by_cell.items()}
    if name == "sudoku":
        everywhere = len(cells) == rows * columns
        complete = everywhere and len(probable.numbers) >= COMPLETE * len(cells)
        values = {*map(str, range(1, rows + 1)), *(() if complete else (EMPTY,))}
        cells = {cell: {t: p for t, p in ps.items() if t in values} for cell, ps in cells.items()}
    found = list(itertools.islice(fillings(cells, rule), FILLINGS))
    if not found:
        texts = {(n.row or 0, n.column or 0): n.value for n in probable.numbers}
        broken = {cell for condition in rule for cell in condition.broken(texts)}
        numbers = (
            replace(n, reason="does not fit") if (n.row, n.column) in broken else n
            for n in probable.numbers
        )
        return replace(page, numbers=tuple(numbers))
    after = posteriors(cells, rule, found)
    read = (
        _under_rule(number, found[0].texts[cell], cells[cell], after[cell], config)
        for cell, number in by_cell.items()
        if found[0].texts[cell] or cells[cell][EMPTY] < config.min_fitting_probability
    )
    return replace(page, numbers=tuple(read))


def _candidates(number: Number, constraints: Constraints) -> dict[str, float]:
    """Return the probabilities of a number's texts, and of that it must not be there."""
    read = dict(number.alternatives) | {number.value: number.probability}
    form = re.sub("[0-9]", "0", number.value)
    # The boxes of the digits stay.
    candidates = {text: p for text, p in read.items() if re.sub("[0-9]", "0", text) == form}
    if form == "0":
        (digit,) = number.digits
        shares = digit.probabilities / digit.probabilities.sum()
        least = min(read.values())  # the others are less probable
        others = {
            str(k): min(float(share), least)
            for k, share in enumerate(shares)
            if constraints.allow(str(k))
        }
        candidates = {text: max(p, MIN_PROBABILITY) for text, p in (others | candidates).items()}
    return candidates | {EMPTY: max(MISREAD, number.probability_of_none)}


def _under_rule(
    number: Number,
    text: str,
    before: dict[str, float],
    after: dict[str, float],
    config: NumberReaderConfig,
) -> Number:
    """Return a number that is read as `text`, with the probabilities before and after a rule."""
    if text == EMPTY:
        return replace(number, reason="does not fit")
    probability = calibrated(after[text], config.calibration)
    reason: Reason | None = None if number.reason == "unsure" else number.reason
    if before[text] < config.min_fitting_probability:
        reason = "does not fit"
    elif probability < config.min_probability:
        reason = reason or "unsure"
    digits = tuple(
        _digit_under_rule(digit, character, after[text], config.min_digit_probability)
        for digit, character in zip(number.digits, filter(str.isdigit, text), strict=True)
    )
    others = sorted(((p, t) for t, p in after.items() if t != text), reverse=True)[:ALTERNATIVES]
    return replace(
        number,
        value=text,
        text=shown_text(text, digits),
        probability=probability,
        alternatives=tuple((t, calibrated(p, config.calibration)) for p, t in others),
        digits=digits,
        reason=reason,
    )


def _digit_under_rule(
    digit: Digit, character: str, of_number: float, min_probability: float
) -> Digit:
    """Return a digit of a number that has this probability under a rule.

    It is at least as probable as the number, of which it is a part.
    """
    before = digit.probability if character == str(digit.digit) else 0.0
    probability = max(before, of_number)
    return replace(
        digit,
        digit=int(character),
        probability=probability,
        accepted=probability >= min_probability,
    )
