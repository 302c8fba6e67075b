"""Where millions of pictures lie: files, Parquet files with a column of pictures, tar files.

They are read shard by shard: some thousand files, a row group, a tar (as WebDataset makes them).
"""

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from tenfold.data.decoding import SUFFIXES
from tenfold.errors import DataError

FILES = 4_096  # picture files to a shard
CONTAINERS = frozenset({".parquet", ".tar"})

T = TypeVar("T")

_ROWS = 512  # of a Parquet file that are in memory at a time


@dataclass(frozen=True)
class Partition:
    """Pictures that are read together.

    Attributes:
        kind: files, parquet or tar.
        paths: of picture files; of a container, its own.
        group: which row group of a Parquet file.
    """

    kind: Literal["files", "parquet", "tar"]
    paths: tuple[str, ...]
    group: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return this for JSON."""
        return asdict(self)


def partition_inputs(names: Sequence[str]) -> list[Partition]:
    """Part files into shards, in their order: containers by themselves, pictures by thousands.

    Raises:
        DataError: a Parquet file cannot be read.
    """
    shards: list[Partition] = []
    pictures = []
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix == ".tar":
            shards.append(Partition("tar", (name,)))
        elif suffix == ".parquet":
            shards += [Partition("parquet", (name,), group) for group in range(_groups(name))]
        else:
            pictures.append(name)
    return shards + [Partition("files", paths) for paths in in_chunks(pictures, FILES)]


def pictures_in(shard: Partition) -> Iterator[tuple[str, bytes | Path]]:
    """Yield each picture of a shard, undecoded, with a name that no other has.

    Raises:
        DataError: the container is damaged, or has no column of pictures.
    """
    if shard.kind == "files":
        yield from ((path, Path(path)) for path in shard.paths)
        return
    read = _in_parquet if shard.kind == "parquet" else _in_tar
    try:
        yield from read(shard.paths[0], shard.group)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:  # Arrow's are ValueErrors
        raise DataError(f"{shard.paths[0]}: cannot be read ({error})") from error


def _in_tar(path: str, _group: int) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                file = tar.extractfile(member)
                if file is not None:
                    yield f"{path}/{member.name}", file.read()


def _in_parquet(path: str, group: int) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        column = _column(path, file.schema_arrow)
        before = sum(file.metadata.row_group(g).num_rows for g in range(group))
        for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column]):
            for value in batch.column(0).to_pylist():
                picture = value["bytes"] if isinstance(value, dict) else value
                yield f"{path}#{before}", picture or b""
                before += 1


def _column(path: str, schema: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Find the pictures: bytes, or a structure with bytes as Hugging Face's data sets have."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:  # noqa: ANN401
        if pa.types.is_struct(kind):
            return any(f.name == "bytes" and holds_bytes(f.type) for f in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [field.name for field in schema if holds_bytes(field.type)]
    if "image" in found or len(found) == 1:
        return "image" if "image" in found else str(found[0])
    raise DataError(f"{path}: {len(found)} columns of bytes; name that of the pictures `image`")


def in_chunks(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield `size` items at a time, at last what is left."""
    waiting = iter(items)
    while chunk := tuple(islice(waiting, size)):
        yield chunk


def _groups(path: str) -> int:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return int(file.num_row_groups)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no Parquet file ({error})") from error
