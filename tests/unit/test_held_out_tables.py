"""Held-out tables: the texts are those of the cells that are drawn."""

import numpy as np
import pytest

from tenfold.data.digits import Digits
from tenfold.rendering.held_out_tables import HELD_OUT_TABLES, held_out_tables


@pytest.mark.parametrize("name", HELD_OUT_TABLES)
def test_tables_are_of_their_kind(name: str, tiny_digits: Digits) -> None:
    kind = HELD_OUT_TABLES[name]
    characters: set[str] = set()
    for pixels, rows in held_out_tables(name, tiny_digits, 3):
        assert pixels.dtype == np.uint8
        assert kind.rows[0] <= len(rows) <= kind.rows[1]
        assert kind.columns[0] <= len(rows[0]) <= kind.columns[1]
        assert {len(row) for row in rows} == {len(rows[0])}
        texts = [text for row in rows for text in row]
        characters |= set("".join(texts))
        assert max(sum(map(str.isdigit, text)) for text in texts) <= kind.max_digits
        assert 0 < np.mean([text == "" for text in texts]) < 0.6
    assert characters <= set("0123456789.-/:")
    assert characters.isdisjoint(".-/:") != kind.marked


def test_a_picture_depends_on_its_index_alone(tiny_digits: Digits) -> None:
    few = list(held_out_tables("scanned grids", tiny_digits, 2))
    more = list(held_out_tables("scanned grids", tiny_digits, 3))
    for (pixels, rows), (again, same) in zip(few, more, strict=False):
        np.testing.assert_array_equal(pixels, again)
        assert rows == same
