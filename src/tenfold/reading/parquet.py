"""Millions of pictures into a folder of Parquet files, a part a shard, each input exactly once.

`_plan.json` says what is read, and how: another plan is refused. A part appears whole, and one
that is there is not made again.
"""

import functools
import hashlib
import io
import json
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2

from tenfold.bundle.format import CONFIG_FILE, MODEL_FILE, find_bundle
from tenfold.errors import DataError, MissingExtraError, TenfoldError
from tenfold.files import is_temporary, write_atomically
from tenfold.reading.crops import Layout
from tenfold.reading.partitions import Partition, in_chunks, pictures_in
from tenfold.reading.reader import Reader, Reading

_AHEAD = 2  # shards a worker that wait for it
_TOGETHER = 2_000  # pictures whose readings are held before they are compressed


@dataclass(frozen=True)
class ReadingRequest:
    """How pictures are to be read, on any machine: the bundle travels along."""

    layout: Layout
    rejection_threshold: float | None
    bundle: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, model: Path, layout: Layout, rejection_threshold: float | None) -> "ReadingRequest":
        """Read the bundle.

        Raises:
            BundleError: see `Reader.load`.
        """
        Reader.load(model, rejection_threshold)
        bundle = find_bundle(model)
        files = ((name, (bundle / name).read_bytes()) for name in (CONFIG_FILE, MODEL_FILE))
        return cls(layout, rejection_threshold, tuple(files))


NumberedPartition = tuple[int, Partition]
# Makes parts of shards, in any order; ends or raises when nothing is left to do.
Work = Callable[[Sequence[NumberedPartition], ReadingRequest], Iterator[tuple[int, bytes]]]


def write_readings(
    out: Path, shards: Sequence[Partition], request: ReadingRequest, work: Work
) -> Iterator[int]:
    """Read shards into the folder `out`; yield the parts that are there, at first and as they come.

    Interrupted at any point, calling it again goes on: what has been read is kept.

    Raises:
        DataError: `out` holds something else, or a shard is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("--out", "bulk") from error
    _settle(out, shards, request)
    paths = {number: out / f"part-{number:05}.parquet" for number in range(len(shards))}
    missing = [(number, shards[number]) for number, path in paths.items() if not path.exists()]
    done = len(shards) - len(missing)
    yield done
    for number, part in work(missing, request):
        write_atomically(paths[number], part)
        done += 1
        yield done


def _settle(out: Path, shards: Sequence[Partition], request: ReadingRequest) -> None:
    """Write the plan, or compare it with the one that is there."""
    described = [[shard.to_dict() for shard in shards], request.layout, request.rejection_threshold]
    digest = hashlib.sha256(json.dumps(described).encode())
    for name, contents in request.bundle:
        digest.update(name.encode() + contents)
    plan = {"format": 1, "shards": len(shards), "sha256": digest.hexdigest()}
    path = out / "_plan.json"
    try:
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) == plan:
            return
        if out.exists() and (not out.is_dir() or not all(map(is_temporary, out.iterdir()))):
            raise DataError(
                f"--out {out}: holds something else, or readings of other inputs or settings; "
                "name another folder"
            )
        write_atomically(path, json.dumps(plan) + "\n")
    except (OSError, ValueError) as error:
        raise DataError(f"--out {out}: cannot be used ({error}); name another folder") from error


def read_partition(shard: Partition, request: ReadingRequest) -> bytes:
    """Read all pictures of a shard; return a Parquet file, a row a digit.

    A picture without digits, or one that cannot be read, has a row too: every name is there.

    Raises:
        DataError: the shard is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    reader = _reader(request)
    buffer = io.BytesIO()
    schema = _schema()
    with parquet.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for chunk in in_chunks(pictures_in(shard), _TOGETHER):
            outcomes = reader.outcomes((picture for _, picture in chunk), request.layout)
            named = zip((name for name, _ in chunk), outcomes, strict=True)
            rows = list(chain.from_iterable(_rows(*pair) for pair in named))
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return buffer.getvalue()


def _rows(name: str, outcome: list[Reading] | DataError) -> list[dict[str, Any]]:
    if isinstance(outcome, DataError):
        return [{"file": name, "error": str(outcome)}]
    rows = [{"file": name} | reading.to_dict(i) for i, reading in enumerate(outcome)]
    return rows or [{"file": name}]


def _schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    small = pa.int32()
    columns = [("file", pa.string()), ("index", small), ("box", pa.list_(small))]
    columns += [("digit", pa.int8()), ("probability", pa.float32()), ("runner_up", pa.int8())]
    columns += [("rejected", pa.bool_()), ("reason", pa.string())]
    columns += [("row", small), ("column", small), ("error", pa.string())]
    return pa.schema(columns)


@functools.lru_cache(maxsize=1)
def _reader(request: ReadingRequest) -> Reader:
    """Return this process's reader."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="tenfold-") as name:
        bundle = Path(name)
        for file, contents in request.bundle:
            (bundle / file).write_bytes(contents)
        return Reader.load(bundle, request.rejection_threshold)


def in_processes(workers: int) -> Work:
    """Return the work of this machine: a shard a process."""

    def work(
        shards: Sequence[NumberedPartition], request: ReadingRequest
    ) -> Iterator[tuple[int, bytes]]:
        waiting = iter(shards)
        running: dict[Future[bytes], int] = {}
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
        try:
            while True:
                for number, shard in islice(waiting, workers * _AHEAD - len(running)):
                    running[pool.submit(read_partition, shard, request)] = number
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise TenfoldError("a reading process died; the same command continues") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return work


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
