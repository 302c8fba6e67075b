"""Partitions: bounded memory, and what cannot be read is said."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_documents import pdf, plain, scanned
from pyarrow import parquet

from tenfold.data.file_pages import FilePage
from tenfold.errors import DataError
from tenfold.reading import partitions as partitions_module
from tenfold.reading.partitions import Partition, pages_in, partition_inputs, pictures_in


@pytest.fixture
def drawings() -> list[bytes]:
    """Make twelve pictures, which nobody decodes here."""
    random = np.random.default_rng(5)
    return [random.bytes(300) for _ in range(12)]


def test_hugging_face_pictures_and_large_columns_are_found(
    tmp_path: Path, drawings: list[bytes]
) -> None:
    for kind, values in (
        (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), [{"bytes": drawings[0]}]),
        (pa.large_binary(), [drawings[0]]),
    ):
        path = tmp_path / f"{kind.num_fields}.parquet"
        parquet.write_table(pa.table({"scan": pa.array(values, kind), "label": [1]}), path)
        assert [
            p for s in partition_inputs([str(path)], "numbers") for _, p in pictures_in(s)
        ] == drawings[:1]


def test_damaged_containers_are_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.tar"
    torn.write_bytes(b"x" * 700)
    ((name, error),) = pictures_in(Partition("tar", (str(torn),)))
    assert name == str(torn)
    assert str(error) == f"{torn}: damaged, what follows is not read (invalid header)"
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"torn\.parquet: not a Parquet file"):
        partition_inputs([str(tmp_path / "torn.parquet")], "numbers")
    vague = tmp_path / "vague.parquet"
    parquet.write_table(pa.table({"a": [b""], "b": [b""]}), vague)
    with pytest.raises(DataError, match=r"vague\.parquet: 2 columns of bytes; name .* `image`"):
        list(pictures_in(Partition("parquet", (str(vague),))))


def test_values_of_a_dictionary_are_not_laid_out_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    long = bytes(2_000_000)
    table = pa.table({"image": pa.DictionaryArray.from_arrays([0] * 300, [long])})
    parquet.write_table(table, path, compression="zstd", store_schema=False)
    before = pa.default_memory_pool().max_memory()
    count = sum(
        picture == long for _, picture in pictures_in(*partition_inputs([str(path)], "numbers"))
    )
    assert count == 300
    assert pa.default_memory_pool().max_memory() < max(before, 50_000_000)


def test_large_pictures_and_row_groups_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"image": [b"a" * 10, b"b" * 11]}), path)
    monkeypatch.setattr(partitions_module, "MAX_PICTURE_BYTES", 10)
    (_, small), (name, large) = pictures_in(*partition_inputs([str(path)], "numbers"))
    assert small == b"a" * 10
    assert (name, str(large)) == (f"{path}#1", "picture: 11 bytes, above 10")
    monkeypatch.setattr(partitions_module, "MAX_ROW_GROUP_BYTES", 20)
    with pytest.raises(DataError, match=r"a\.parquet: row group 0 has .* bytes"):
        partition_inputs([str(path)], "numbers")


READ_LIMITED = """
import json, sys
from tenfold.reading import partitions
partitions.MAX_ROW_GROUP_BYTES = 20_000_000
((name, error),) = partitions.pictures_in(*partitions.partition_inputs(sys.argv[1:], "numbers"))
print(json.dumps([name, str(error)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_page_that_is_larger_than_the_metadata_say_is_an_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"image": [bytes(200_000_000)]})
    parquet.write_table(
        table, path, compression="zstd", use_dictionary=False, write_statistics=False
    )
    sizes = parquet.read_metadata(path).row_group(0).total_byte_size
    contents = path.read_bytes()
    true, false = (varint(size, len(varint(sizes))) for size in (sizes, 1_000))
    assert contents.count(true) == 2  # of the column, and of the row group
    path.write_bytes(contents.replace(true, false))
    # In a process of its own: another may have freed memory that it can use again.
    command = [sys.executable, "-c", READ_LIMITED, str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed) == [
        str(path),
        f"{path}: row group 0 is damaged, what follows is not read (it needs too much memory)",
    ]


def varint(value: int, length: int = 1) -> bytes:
    """Encode an integer as Thrift does, in at least `length` bytes."""
    value *= 2
    encoded = bytearray()
    while value or len(encoded) < length:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded[-1] &= 127
    return bytes(encoded)


def test_a_damaged_row_group_is_an_error_after_the_pictures_before_it(
    tmp_path: Path, drawings: list[bytes]
) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(
        pa.table({"image": drawings}),
        path,
        compression="zstd",
        data_page_size=1,
        write_batch_size=1,
    )
    contents = bytearray(path.read_bytes())
    middle = len(contents) // 2
    contents[middle : middle + 400] = bytes(400)
    path.write_bytes(contents)
    found = list(pictures_in(*partition_inputs([str(path)], "numbers")))
    assert 1 < len(found) <= 12
    *whole, (name, error) = found
    assert [picture for _, picture in whole] == drawings[: len(whole)]
    assert name == str(path)
    assert "a.parquet: row group 0 is damaged, what follows is not read" in str(error)


def test_the_pages_of_a_long_document_are_divided(tmp_path: Path) -> None:
    long, short = tmp_path / "long.tif", tmp_path / "short.pdf"
    long.write_bytes(scanned(plain(*range(60)), "TIFF"))
    short.write_bytes(pdf([b"/MediaBox [0 0 9 9]"] * 25))
    partitions = partition_inputs([str(short), str(long)], "numbers")
    assert [(p.kind, p.paths, p.group) for p in partitions] == [
        *(("pages", (str(long),), group) for group in range(3)),
        ("files", (str(short),), 0),
    ]
    found = [[page for _, page in pages_in(partition)] for partition in partitions]
    assert [len(pages) for pages in found] == [25, 25, 10, 25]
    assert all(isinstance(page, FilePage) for pages in found for page in pages)
    numbers = [page.number for pages in found for page in pages if isinstance(page, FilePage)]
    assert numbers == [*range(1, 61), *range(1, 26)]
    assert {name for name, _ in pages_in(partitions[1])} == {str(long)}


def test_files_are_put_together_by_their_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(partitions_module.PICTURES_PER_PARTITION, "numbers", 5)
    names = []
    for index, pages in enumerate((1, 3, 1, 7, 1, 1)):
        path = tmp_path / f"{index}.tif"
        path.write_bytes(scanned(plain(*range(pages)), "TIFF"))
        names.append(str(path))
    partitions = partition_inputs(names, "numbers")
    assert [p.paths for p in partitions] == [(*names[:3],), (names[3],), (*names[4:],)]


def test_the_pages_of_documents_in_a_tar_are_read_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in (
            ("a.tif", scanned(plain(1, 2), "TIFF")),
            ("b.jp2", b"?"),
            ("c.txt", b""),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (partition,) = partition_inputs([str(tmp_path / "a.tar")], "numbers")
    found = [(Path(name).name, getattr(page, "number", 0)) for name, page in pages_in(partition)]
    assert found == [("a.tif", 1), ("a.tif", 2), ("b.jp2", 1)]
