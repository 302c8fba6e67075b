"""The tables of `tenfold bench train`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.table import Table

MEASURED = ("images/s", "min–max", "of peak", "MB")


def result_tables(result: dict[str, Any]) -> Iterator[Table]:
    """Yield what `bench` returned as tables; "tenfold" divides its median by the row's.

    Start is what passes until the first step is done: imports, data, compiling.
    """
    hardware, rows = result["hardware"], result["rows"]
    yield _table(
        f"{hardware['cpu']}, {hardware['cores']} cores · {result['data']}, batch {result['batch']}",
        ("", *MEASURED, "start", "tenfold"),
        (
            [
                row["name"],
                *_cells(row),
                f"{row['start_seconds']:.1f} s",
                f"{rows[0]['images_per_second'] / row['images_per_second']:.2f}×",
            ]
            for row in rows
        ),
    )
    peak = {name.removesuffix("_gflops"): value for name, value in result["peak"].items() if value}
    yield _table(
        "",
        ("matrix multiply", "GFLOP/s"),
        ([name, f"{value:,.0f}"] for name, value in peak.items()),
    )
    if "sweep" in result:
        yield _table(
            "tenfold by batch size",
            ("batch", *MEASURED, "s / million images"),
            (
                [str(row["batch"]), *_cells(row), f"{row['seconds_per_million_images']:.0f}"]
                for row in result["sweep"]
            ),
        )
    for name, parts in result.get("phases", {}).items():
        total = sum(parts.values())
        yield _table(
            f"tenfold's step by {name}",
            ("", "ms", "share"),
            ([key, f"{ms:.2f}", f"{100 * ms / total:.0f} %"] for key, ms in parts.items()),
        )


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=index > 0)
    for row in rows:
        table.add_row(*row)
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    memory = row["peak_memory_mb"]
    return [
        f"{row['images_per_second']:,.0f}",
        f"{row['min']:,.0f}–{row['max']:,.0f}",
        f"{100 * row['peak_fraction']:.1f} %",
        f"{memory:,.0f}" if memory else "",
    ]
