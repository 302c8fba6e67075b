"""Tables of what readers accept and misread, for documents: see `selective.py`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tenfold.files import write_atomically

READERS = {
    "tenfold": "tenfold",
    "tenfold-0.1": "version 0.1",
    "rapidocr": "RapidOCR",
    "tesseract": "Tesseract",
    "mnist-cnn": "plain MNIST network",
}
SETS = {
    "optical": "UCI optical digits, 8 × 8 pixels",
    "font-digits": "digits in handwriting fonts",
    "documents": "MNIST test digits on paper, photographed (synthetic)",
    "font-letters": "letters in handwriting fonts",
    "blanks-and-scribbles": "papers that are blank or have scribbles, photographed (synthetic)",
    "all of one digit": "all of these",
    "document-numbers": "numbers of 1 to 8 MNIST test digits, photographed (synthetic)",
    "all numbers": "these, and 14 sets of number fields (synthetic)",
}
SIGNIFICANT = 0.01

Json = Any
Table = Iterator[str]


def tables(result: Mapping[str, Mapping[str, Json]]) -> dict[str, Table]:
    """Return the lines of each table by its name.

    Args:
        result: figures by set and reader, as a record has them under `sets`.
    """
    return {
        "accepted-wrong": table(result, "accepted_wrong", "accepted_wrong_paired"),
        "right": table(result, "right", "right_paired"),
        "area": table(result, "aurc", None),
        "cpu": table(result, "cpu_ms_per_picture", None),
        "readme": readme_table(result),
    }


def table(result: Mapping[str, Mapping[str, Json]], key: str, paired: str | None) -> Table:
    """Yield a line for each set, a column for each reader."""
    yield f"| pictures | n | {' | '.join(READERS.values())} |"
    yield "|---" * (2 + len(READERS)) + "|"
    for name, title in SETS.items():
        readers = result.get(name, {})
        if any(key in figures for figures in readers.values()):
            n = next(iter(readers.values()))["pictures"]
            cells = (cell(readers.get(reader, {}), key, paired) for reader in READERS)
            yield f"| {title} | {n:,} | {' | '.join(cells)} |"


def cell(figures: Json, key: str, paired: str | None) -> str:
    """Return one figure: a share with its interval, an area in %, or milliseconds."""
    if key not in figures:
        return "–"
    if key == "aurc":
        return f"{100 * figures[key]:.3f}"
    if key == "cpu_ms_per_picture":
        return f"{figures[key]:.1f}"
    low, high = figures[f"{key}_interval"]
    share = f"{100 * figures[key] / figures['pictures']:.2f} ({100 * low:.1f}–{100 * high:.1f})"
    alike = paired in figures and figures[paired]["p"] >= SIGNIFICANT
    return f"{share} =" if alike else share


def readme_table(result: Mapping[str, Mapping[str, Json]]) -> Table:
    """Yield what the shipped bundle reads right, and accepts and misreads."""
    yield "| pictures | n | right, % | accepted and wrong, % |"
    yield "|---" * 4 + "|"
    for name, title in SETS.items():
        if not name.startswith("all"):
            figures = result[name]["tenfold"]
            shares = (cell(figures, key, None) for key in ("right", "accepted_wrong"))
            yield f"| {title} | {figures['pictures']:,} | {' | '.join(shares)} |"


def write_tables(document: Path, result: Mapping[str, Mapping[str, Json]]) -> None:
    """Write each table between `<!-- NAME -->` and `<!-- end -->` of a document."""
    text = document.read_text(encoding="utf-8")
    for name, lines in tables(result).items():
        begin, end = f"<!-- {name} -->\n", "\n<!-- end -->"
        if begin in text:
            head, rest = text.split(begin, 1)
            _, tail = rest.split(end, 1)
            content = "\n".join(lines)
            text = f"{head}{begin}\n{content}\n{end}{tail}"
    write_atomically(document, text)
