"""Millions of pictures into a folder of Parquet files, each input partition exactly once.

`_plan.json` identifies the inputs and settings; a folder with another plan is refused. A file
appears whole, and an existing file is not written again: an interrupted command can be repeated.
"""

import functools
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from tenfold.bundle.format import reading_files
from tenfold.data.file_pages import FilePage
from tenfold.errors import DataError
from tenfold.files import is_temporary, write_atomically, writing
from tenfold.folder_lock import LOCK_NAME, exclusive
from tenfold.reading.bulk import batched, with_names
from tenfold.reading.constraints import Constraints
from tenfold.reading.page import Page
from tenfold.reading.parallel import ParallelMap
from tenfold.reading.partitions import Partition, pages_in
from tenfold.reading.reader import Layout, Reader
from tenfold.text import escape

PLAN_FILE = "_plan.json"
ROWS_PER_ROW_GROUP = 2_000


@dataclass(frozen=True)
class ReadingRequest:
    """How pictures are read, on any machine: it contains the bundle's files."""

    layout: Layout
    constraints: Constraints
    min_probability: float | None
    bundle: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(
        cls, model: Path, layout: Layout, constraints: Constraints, min_probability: float | None
    ) -> "ReadingRequest":
        """Read the bundle.

        Raises:
            BundleError: see `Reader.load`.
        """
        Reader.load(model, min_probability)
        bundle = tuple((file.name, file.read_bytes()) for file in reading_files(model))
        return cls(layout, constraints, min_probability, bundle)


def write_readings(
    out: Path,
    partitions: Sequence[Partition],
    request: ReadingRequest,
    run: ParallelMap[tuple[int, Partition], tuple[int, bytes]],
) -> Iterator[int]:
    """Read partitions into the folder `out`; yield the number of files there, first and after each.

    Interrupted at any point, the same call continues: existing files are kept.

    Raises:
        DataError: `out` contains something else, or an input cannot be read.
        RunError: another process works in `out`.
        WriteError: `out` cannot be written.
    """
    plan = _plan(partitions, request)
    _check_folder(out, plan)  # before a lock is put there
    with exclusive(out):
        _check_folder(out, plan)
        if not (out / PLAN_FILE).exists():
            write_atomically(out / PLAN_FILE, plan)
        paths = [out / f"part-{number:05}.parquet" for number in range(len(partitions))]
        missing = [(n, partitions[n]) for n, path in enumerate(paths) if not path.exists()]
        done = len(partitions) - len(missing)
        yield done
        for number, file in run(functools.partial(_read_numbered, request), missing):
            write_atomically(paths[number], file)
            done += 1
            yield done


def _plan(partitions: Sequence[Partition], request: ReadingRequest) -> str:
    """Return what identifies inputs and settings."""
    settings = [
        list(map(asdict, partitions)),
        request.layout,
        request.constraints.to_dict(),
        request.min_probability,
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for name, contents in request.bundle:
        digest.update(name.encode() + contents)
    plan = {"format": 5, "partitions": len(partitions), "sha256": digest.hexdigest()}
    return json.dumps(plan) + "\n"


def _check_folder(out: Path, plan: str) -> None:
    """Refuse a folder with another plan, or with anything but what a killed process leaves.

    Raises:
        DataError: it has.
        WriteError: it cannot be listed.
    """
    path = out / PLAN_FILE
    with writing(f"--out {out}"):
        if path.is_file() and path.read_bytes() == plan.encode():
            return
        if out.exists() and not all(
            is_temporary(entry) or entry.name == LOCK_NAME for entry in out.iterdir()
        ):
            raise DataError(
                f"--out {out}: contains something else, or readings of other inputs or settings; "
                "name another folder"
            )


def read_partition(partition: Partition, request: ReadingRequest) -> bytes:
    """Read all pages of a partition; return a Parquet file with a row a number.

    A page without numbers, a page that cannot be read and a damaged container have a row too.

    Raises:
        DataError: see `pages_in`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    reader = _load_reader(request)
    buffer = io.BytesIO()
    schema = _schema()
    read = functools.partial(
        reader.outcomes, layout=request.layout, constraints=request.constraints
    )
    pages = ((_place(name, page), page) for name, page in pages_in(partition))
    rows = (row for place, outcome in with_names(read, pages) for row in _rows(place, outcome))
    with parquet.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for batch in batched(rows, ROWS_PER_ROW_GROUP):
            writer.write_table(pa.Table.from_pylist(list(batch), schema=schema))
    return buffer.getvalue()


def _place(name: str, page: FilePage | DataError) -> dict[str, Any]:
    """Return the first columns of a page's rows."""
    return {"file": escape(name), "page": page.number if isinstance(page, FilePage) else 1}


def _rows(place: dict[str, Any], outcome: Page | DataError) -> list[dict[str, Any]]:
    if isinstance(outcome, DataError):
        return [place | {"error": escape(str(outcome))}]
    rows, columns = outcome.grid or (None, None)
    place = place | {"rows": rows, "columns": columns}
    return [place | number.to_dict() for number in outcome.numbers] or [place]


def _schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    integer, box = pa.int32(), pa.list_(pa.int32())
    digit = [("digit", pa.int8()), ("probability", pa.float32()), ("box", box)]
    digit += [("runner_up", pa.int8())]
    columns = [("file", pa.string()), ("page", integer), ("rows", integer), ("columns", integer)]
    columns += [("text", pa.string()), ("box", box)]
    columns += [("probability", pa.float32()), ("accepted", pa.bool_()), ("reason", pa.string())]
    columns += [
        ("printed", pa.float32()),
        ("row", integer),
        ("column", integer),
        ("digits", pa.list_(pa.struct(digit))),
    ]
    return pa.schema([*columns, ("error", pa.string())])


@functools.lru_cache(maxsize=1)
def _load_reader(request: ReadingRequest) -> Reader:
    """Return this process's reader."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        for file, contents in request.bundle:
            Path(name, file).write_bytes(contents)
        return Reader.load(name, request.min_probability)


def _read_numbered(request: ReadingRequest, numbered: tuple[int, Partition]) -> tuple[int, bytes]:
    number, partition = numbered
    return number, read_partition(partition, request)
