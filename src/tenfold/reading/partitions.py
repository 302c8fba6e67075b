"""Input partitions: files, pages of documents, row groups of Parquet files, tar files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.data.file_pages import FilePage, file_pages, page_counts
from tenfold.errors import DataError
from tenfold.processes import memory_limit
from tenfold.reading.reader import Layout
from tenfold.reading.tar import MAX_PICTURE_BYTES, pictures_in_tar

# Of files. Pages take longer than digits: little is to be read again, and all cores have work.
PICTURES_PER_PARTITION: dict[Layout, int] = {
    "single": 4_096,
    "numbers": 128,
    "grid": 32,
    "table": 32,
}
PAGES_PER_PARTITION = 25  # of a document that has more
MAX_ROW_GROUP_BYTES = 200 * 2**20
_PARQUET_BUFFER_BYTES = 2**20
_COPIES_OF_A_PAGE = 3  # decompressed, as values of Arrow, as values of Python


@dataclass(frozen=True)
class Partition:
    """Pictures that are read together.

    Attributes:
        kind: files, pages of a document, parquet or tar.
        paths: of the picture files, or the path of the document or the container.
        group: the row group of a Parquet file, or which `PAGES_PER_PARTITION` pages of a document.
        page_count: of the document.
    """

    kind: Literal["files", "pages", "parquet", "tar"]
    paths: tuple[str, ...]
    group: int = 0
    page_count: int = 1


def partition_inputs(names: Sequence[str], layout: Layout) -> list[Partition]:
    """Divide files into partitions, in their order, containers first.

    Args:
        names: of the files.
        layout: see `Reader.read`.

    Raises:
        DataError: a Parquet file cannot be read, or is too large; see `_row_groups`.
    """
    partitions: list[Partition] = []
    pictures = []
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix == ".tar":
            partitions.append(Partition("tar", (name,)))
        elif suffix == ".parquet":
            partitions += [Partition("parquet", (name,), group) for group in _row_groups(name)]
        else:
            pictures.append(name)
    files = []
    for name, count in zip(pictures, page_counts(pictures), strict=True):
        if count > PAGES_PER_PARTITION:
            groups = range(-(-count // PAGES_PER_PARTITION))
            partitions += [Partition("pages", (name,), group, count) for group in groups]
        else:
            files.append((name, count))
    together = _together(files, PICTURES_PER_PARTITION[layout])
    return partitions + [Partition("files", names) for names in together]


def _together(files: Iterable[tuple[str, int]], at_most: int) -> Iterator[tuple[str, ...]]:
    """Divide the names of files, given with their numbers of pages, by the sum of the pages."""
    names: list[str] = []
    pages = 0
    for name, count in files:
        names.append(name)
        pages += count
        if pages >= at_most:
            yield tuple(names)
            names, pages = [], 0
    if names:
        yield tuple(names)


def pages_in(partition: Partition) -> Iterator[tuple[str, FilePage | DataError]]:
    """Yield each page of a partition, undecoded, with its file's name.

    A picture that is too large is an error in its place. A damaged container is an error with the
    container's name, after the pictures before the damage.

    Raises:
        DataError: the container cannot be read, or has no column of pictures.
    """
    if partition.kind == "pages":
        (name,) = partition.paths
        first = 1 + partition.group * PAGES_PER_PARTITION
        for number in range(first, min(first + PAGES_PER_PARTITION, partition.page_count + 1)):
            yield name, FilePage(Path(name), number, partition.page_count)
        return
    for name, picture in pictures_in(partition):
        if isinstance(picture, DataError):
            yield name, picture
        else:
            yield from ((name, page) for page in file_pages(picture))


def pictures_in(partition: Partition) -> Iterator[tuple[str, bytes | Path | DataError]]:
    """Yield each file of a partition, as `pages_in` does its pages, but not of a document's pages.

    Raises:
        DataError: see `pages_in`.
    """
    if partition.kind == "files":
        yield from ((path, Path(path)) for path in partition.paths)
        return
    (path,) = partition.paths
    try:
        if partition.kind == "tar":
            yield from pictures_in_tar(path)
        else:
            yield from _pictures_in_parquet(path, partition.group)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _pictures_in_parquet(path: str, group: int) -> Iterator[tuple[str, bytes | DataError]]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        # A page at a time, and a row: the values of a dictionary may be few, long and frequent.
        with ParquetFile(path, buffer_size=_PARQUET_BUFFER_BYTES) as file:
            column = _picture_column(path, file.schema_arrow)
            row = sum(file.metadata.row_group(g).num_rows for g in range(group))
            batches = file.iter_batches(1, row_groups=[group], columns=[column])
            while (picture := _next_value(batches)) is not None:
                yield f"{path}#{row}", _limited(picture)
                row += 1
    except (pa.ArrowException, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "it needs too much memory" if isinstance(error, MemoryError) else error
        message = f"{path}: row group {group} is damaged, what follows is not read ({reason})"
        yield path, DataError(message)


def _next_value(batches: Iterator[Any]) -> bytes | None:
    """Return the picture of the next batch of one row, empty if it is null; None at the end.

    A page may be larger than the file's metadata say.
    """
    with memory_limit(_COPIES_OF_A_PAGE * MAX_ROW_GROUP_BYTES):
        if (batch := next(batches, None)) is None:
            return None
        (value,) = batch.column(0).to_pylist()
    picture: bytes | None = value["bytes"] if isinstance(value, dict) else value
    return picture or b""


def _limited(picture: bytes) -> bytes | DataError:
    if len(picture) > MAX_PICTURE_BYTES:
        return DataError(f"picture: {len(picture):,} bytes, above {MAX_PICTURE_BYTES:,}")
    return picture


def _picture_column(path: str, schema: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Find the column of bytes, or the field `bytes` of structures as in Hugging Face's data sets.

    Returns:
        its path in the file, such as `image` or `image.bytes`.
    """
    from pyarrow import types

    found = {}
    for column in schema:
        fields = {str(column.name): column}
        if types.is_struct(column.type):
            fields = {f"{column.name}.bytes": f for f in column.type if f.name == "bytes"}
        for path_in_file, field in fields.items():
            if types.is_binary(field.type) or types.is_large_binary(field.type):
                found[str(column.name)] = path_in_file
    if "image" in found:
        return found["image"]
    if len(found) == 1:
        return found.popitem()[1]
    raise DataError(f"{path}: {len(found)} columns of bytes; name that of the pictures `image`")


def _row_groups(path: str) -> range:
    """Return the numbers of a file's row groups, none of which needs too much memory.

    Raises:
        DataError: not a Parquet file, one without pictures, or a row group is too large.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _picture_column(path, file.schema_arrow)
            # Of all columns: asking for one of a damaged file ends the process, by an exception
            # that pyarrow does not catch.
            groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
            sizes = [group.total_byte_size for group in groups]
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
    for number, size in enumerate(sizes):
        if size > MAX_ROW_GROUP_BYTES:
            raise DataError(
                f"{path}: row group {number} has {size:,} bytes, above "
                f"{MAX_ROW_GROUP_BYTES:,}; write it with fewer rows in a row group"
            )
    return range(len(sizes))
