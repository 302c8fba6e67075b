"""Input partitions: picture files, row groups of Parquet files, tar files as of WebDataset."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.data.decoding import SUFFIXES
from tenfold.errors import DataError
from tenfold.reading.bulk import batched

FILES_PER_PARTITION = 4_096
CONTAINER_SUFFIXES = frozenset({".parquet", ".tar"})
_ROWS_IN_MEMORY = 512  # of a Parquet file


@dataclass(frozen=True)
class Partition:
    """Pictures that are read together.

    Attributes:
        kind: files, parquet or tar.
        paths: of the picture files, or the path of the container.
        group: the row group of a Parquet file.
    """

    kind: Literal["files", "parquet", "tar"]
    paths: tuple[str, ...]
    group: int = 0


def partition_inputs(names: Sequence[str]) -> list[Partition]:
    """Divide files into partitions, in their order, containers first.

    Raises:
        DataError: a Parquet file cannot be read.
    """
    partitions: list[Partition] = []
    pictures = []
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix == ".tar":
            partitions.append(Partition("tar", (name,)))
        elif suffix == ".parquet":
            groups = range(_count_row_groups(name))
            partitions += [Partition("parquet", (name,), group) for group in groups]
        else:
            pictures.append(name)
    return partitions + [
        Partition("files", paths) for paths in batched(pictures, FILES_PER_PARTITION)
    ]


def pictures_in(partition: Partition) -> Iterator[tuple[str, bytes | Path]]:
    """Yield each picture of a partition, undecoded, with a unique name.

    Raises:
        DataError: the container is damaged, or has no column of pictures.
    """
    if partition.kind == "files":
        yield from ((path, Path(path)) for path in partition.paths)
        return
    (path,) = partition.paths
    try:
        if partition.kind == "tar":
            yield from _pictures_in_tar(path)
        else:
            yield from _pictures_in_parquet(path, partition.group)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:  # Arrow's are ValueErrors
        raise DataError(f"{path}: cannot be read ({error})") from error


def _pictures_in_tar(path: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                file = tar.extractfile(member)
                if file is not None:
                    yield f"{path}/{member.name}", file.read()


def _pictures_in_parquet(path: str, group: int) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        column = _picture_column(path, file.schema_arrow)
        row = sum(file.metadata.row_group(g).num_rows for g in range(group))
        for batch in file.iter_batches(_ROWS_IN_MEMORY, row_groups=[group], columns=[column]):
            for value in batch.column(0).to_pylist():
                picture = value["bytes"] if isinstance(value, dict) else value
                yield f"{path}#{row}", picture or b""
                row += 1


def _picture_column(path: str, schema: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Find the column of bytes, or of structures with bytes as in Hugging Face's data sets."""
    import pyarrow as pa

    def has_bytes(kind: Any) -> bool:  # noqa: ANN401
        if pa.types.is_struct(kind):
            return any(f.name == "bytes" and has_bytes(f.type) for f in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    columns = [str(field.name) for field in schema if has_bytes(field.type)]
    if "image" in columns:
        return "image"
    if len(columns) == 1:
        return columns[0]
    raise DataError(f"{path}: {len(columns)} columns of bytes; name that of the pictures `image`")


def _count_row_groups(path: str) -> int:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return int(file.num_row_groups)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
