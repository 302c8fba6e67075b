"""Text from outside, such as a file's name, on its way to a terminal, a table or a file."""

import re

# Control characters (ESC moves a terminal's cursor), line separators, marks that reverse what
# follows, and surrogates: bytes of a file name that are not UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def escape(text: str) -> str:
    r"""Return one line of text that can be encoded and shown: ESC becomes ``\x1b``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_utf8(text: str) -> bool:
    """Whether text has no bytes that are not UTF-8, as the names of files may have."""
    return text.isascii() or text.encode(errors="ignore").decode() == text


def csv_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: text that begins so gets a quote."""
    text = escape(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def text_of_csv_cell(cell: str) -> str:
    """Return the text of which `csv_cell` has made a cell: without the quote before a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
