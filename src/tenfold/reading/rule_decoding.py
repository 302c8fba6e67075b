"""The cells of a grid or a table are read together, under a rule."""

import itertools
import re
from dataclasses import replace

from tenfold.reading.constraints import RuleName
from tenfold.reading.number_reader import NumberReaderConfig, calibrated, shown_text
from tenfold.reading.page import ALTERNATIVES, Number, Page, Reason
from tenfold.reading.rules import EMPTY, fillings, posteriors, rule_of

MISREAD = 1e-3  # the probability that what was read in a cell is no number of the rule's
FILLINGS = 20  # from which probabilities under a rule are computed


def under_rule(page: Page, name: RuleName | None, config: NumberReaderConfig) -> Page:
    """Read the cells of a grid or table together; see `rule_of`.

    A text that was improbable before the rule was applied is not accepted, and neither are the
    cells that break the rule if no filling is found.

    Raises:
        DataError: see `rule_of`.
    """
    if name is None or page.grid is None:
        return page
    rule = rule_of(name, *page.grid)
    sudoku_size = page.grid[0] if name == "sudoku" else None
    by_cell = {(n.row or 0, n.column or 0): n for n in page.numbers}
    cells = {cell: _candidates(number, sudoku_size) for cell, number in by_cell.items()}
    found = list(itertools.islice(fillings(cells, rule), FILLINGS))
    if found:
        after = posteriors(cells, rule, found)
        numbers = [
            _under_rule(number, found[0].texts[cell], cells[cell], after[cell], config)
            for cell, number in by_cell.items()
        ]
    else:
        texts = {cell: number.value for cell, number in by_cell.items()}
        broken = {cell for condition in rule for cell in condition.broken(texts)}
        numbers = [
            replace(number, reason="does not fit") if cell in broken else number
            for cell, number in by_cell.items()
        ]
    return replace(page, numbers=tuple(numbers))


def _candidates(number: Number, sudoku_size: int | None) -> dict[str, float]:
    """Return the probabilities of a number's texts, and of that it must not be there."""
    candidates = {EMPTY: MISREAD, number.value: number.probability}
    form = re.sub("[0-9]", "0", number.value)
    if form == "0":
        (digit,) = number.digits
        shares = digit.probabilities / digit.probabilities.sum()
        candidates |= {str(k): float(share) for k, share in enumerate(shares)}
    else:  # the boxes of the digits stay
        same = (other for other in number.alternatives if re.sub("[0-9]", "0", other[0]) == form)
        candidates |= dict(same)
    if sudoku_size is None:
        return candidates
    values = {EMPTY, *map(str, range(1, sudoku_size + 1))}
    return {text: p for text, p in candidates.items() if text in values}


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
    digits = number.digits
    if text != number.value:
        accepted = after[text] >= config.min_digit_probability
        digits = tuple(
            replace(digit, digit=int(character), probability=after[text], accepted=accepted)
            for digit, character in zip(digits, filter(str.isdigit, text), strict=True)
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
