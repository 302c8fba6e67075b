"""Bulk reading: what comes out is what `Reader` says of each picture, once, whatever happens."""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet
from typer.testing import CliRunner

from tenfold.bundle.format import SHIPPED
from tenfold.cli import app
from tenfold.errors import DataError, RunError
from tenfold.reading import partitions as partitions_module
from tenfold.reading.constraints import ANYTHING, Constraints
from tenfold.reading.parallel import parallel_map
from tenfold.reading.parquet import ReadingRequest, write_readings
from tenfold.reading.partitions import partition_inputs, pictures_in
from tenfold.reading.reader import Reader
from tenfold.rendering.strokes import draw_digit


@pytest.fixture(scope="module")
def drawings() -> list[bytes]:
    random = np.random.default_rng(5)
    pictures = [255 - draw_digit(index % 10, random) for index in range(12)]
    return [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]


@pytest.fixture(scope="module")
def inputs(drawings: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay a folder, a Parquet file of two row groups, and a tar, each of the same pictures."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "pictures").mkdir()
    for index, drawing in enumerate(drawings):
        (folder / f"pictures/{index:02}.png").write_bytes(drawing)
    table = pa.table({"image": drawings, "other": drawings})
    parquet.write_table(table, folder / "a.parquet", row_group_size=7)
    with tarfile.open(folder / "a.tar", "w") as tar:
        for index, drawing in enumerate(drawings):
            for name, data in ((f"{index:02}.png", drawing), (f"{index:02}.cls", b"3")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return folder


@pytest.fixture(scope="module")
def request_() -> ReadingRequest:
    return ReadingRequest.of(SHIPPED, "single", ANYTHING, None)


def in_this_process(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int
) -> Iterator[Any]:
    assert workers > 0
    return map(function, items)


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.dataset(out, format="parquet").to_table().to_pylist()
    return found


def test_every_kind_of_partition_gives_the_same_pictures(
    inputs: Path, drawings: list[bytes]
) -> None:
    names = [str(inputs / name) for name in ("a.parquet", "a.tar")]
    names += [str(inputs / f"pictures/{index:02}.png") for index in range(12)]
    partitions = partition_inputs(names, "numbers")
    assert [(s.kind, s.group) for s in partitions] == [
        ("parquet", 0),
        ("parquet", 1),
        ("tar", 0),
        ("files", 0),
    ]
    found = [pair for partition in partitions for pair in pictures_in(partition)]
    assert len({name for name, _ in found}) == 36
    contents = [p.read_bytes() if isinstance(p, Path) else p for _, p in found]
    assert contents == drawings * 3
    assert found[7][0] == f"{inputs / 'a.parquet'}#7"
    assert found[12][0] == f"{inputs / 'a.tar'}/00.png"


def test_readings_are_those_of_the_reader(
    inputs: Path, drawings: list[bytes], request_: ReadingRequest, tmp_path: Path
) -> None:
    out = tmp_path / "readings.parquet"
    partitions = partition_inputs([str(inputs / "a.parquet"), str(inputs / "a.tar")], "numbers")
    assert list(write_readings(out, partitions, request_, map)) == [0, 1, 2, 3]
    expected = [n for page in Reader.load().read_all(drawings, "single") for n in page.numbers]
    assert len(expected) == len(drawings)
    found = rows(out)
    for row, number in zip(found, expected * 2, strict=True):
        fields = number.to_dict()
        for column in ("text", "accepted", "reason", "box", "row", "column"):
            assert row[column] == fields[column], column
        for one, other in ((row, fields), (row["digits"][0], fields["digits"][0])):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
        for key in ("digit", "box", "runner_up"):
            assert row["digits"][0][key] == fields["digits"][0][key]
        assert row["error"] is None


def test_a_picture_that_cannot_be_read_has_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    blank = cv2.imencode(".png", np.full((40, 40), 255, np.uint8))[1].tobytes()
    parquet.write_table(pa.table({"image": [b"no picture", None, blank]}), path)
    numbers = ReadingRequest.of(SHIPPED, "numbers", ANYTHING, None)
    list(write_readings(tmp_path / "out", partition_inputs([str(path)], "numbers"), numbers, map))
    found = rows(tmp_path / "out")
    assert [row["file"] for row in found] == [f"{path}#{n}" for n in range(3)]
    assert [bool(row["error"]) for row in found] == [True, True, False]


def test_interrupted_anywhere_it_goes_on_and_reads_nothing_twice(
    inputs: Path, request_: ReadingRequest, tmp_path: Path
) -> None:
    partitions = partition_inputs([str(inputs / "a.parquet"), str(inputs / "a.tar")], "numbers")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    list(write_readings(whole, partitions, request_, map))
    asked: list[int] = []

    def noted(read: Callable[[Any], Any], missing: Iterable[Any]) -> Iterator[Any]:
        for numbered in reversed(list(missing)):  # parts come in any order
            asked.append(numbered[0])
            yield read(numbered)

    for _ in partitions:
        progress = write_readings(broken, partitions, request_, noted)
        next(progress)
        next(progress)
        progress.close()  # type: ignore[attr-defined]  # a generator
    assert asked == [2, 1, 0]
    assert list(write_readings(broken, partitions, request_, noted)) == [3]
    assert rows(broken) == rows(whole)


def test_a_temporary_file_of_a_killed_process_is_no_obstacle(
    inputs: Path, request_: ReadingRequest, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "._plan.json.123.tmp").write_bytes(b"{")
    partitions = partition_inputs([str(inputs / "a.tar")], "numbers")
    assert list(write_readings(out, partitions, request_, map))[-1] > 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".hidden").write_bytes(b"")
    with pytest.raises(DataError, match="contains something else"):
        list(write_readings(tmp_path / "other", partitions, request_, map))


def test_another_plan_is_refused(inputs: Path, request_: ReadingRequest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    partitions = partition_inputs([str(inputs / "a.tar")], "numbers")
    list(write_readings(out, partitions, request_, map))
    of = ReadingRequest.of
    others = [
        of(SHIPPED, "numbers", ANYTHING, None),
        of(SHIPPED, "single", ANYTHING, 0.5),
        of(SHIPPED, "single", Constraints(length=3), None),
    ]
    for changed, request in (
        *((partitions, other) for other in others),
        (partitions * 2, request_),
    ):
        with pytest.raises(DataError, match=r"--out .*: contains something else, or readings of"):
            next(write_readings(out, changed, request, map))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(DataError, match="name another folder"):
        next(write_readings(tmp_path / "mine", partitions, request_, map))
    assert not (tmp_path / "mine/_plan.json").exists()


def test_processes_read_what_one_reads(
    inputs: Path, request_: ReadingRequest, tmp_path: Path
) -> None:
    partitions = partition_inputs([str(inputs / "a.parquet"), str(inputs / "a.tar")], "numbers")
    list(write_readings(tmp_path / "one", partitions, request_, map))
    with parallel_map(2, None, "bulk") as run:
        assert list(write_readings(tmp_path / "two", partitions, request_, run)) == [0, 1, 2, 3]
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_the_command(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(partitions_module.PICTURES_PER_PARTITION, "single", 5)
    monkeypatch.setattr("tenfold.reading.parallel.run_in_processes", in_this_process)
    words = ["read", str(inputs), "--single", "--out", str(tmp_path / "out")]
    for _ in range(2):  # the second finds everything there
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert "36 rows in 6 files" in result.stderr.replace("\n", "")
    for more in (["--on", "ray"], ["--out", "x", "--csv"]):
        refused = CliRunner().invoke(app, ["read", str(inputs), *more])
        assert "--on needs --out" in str(refused.exception) or "--out excludes" in str(
            refused.exception
        )


def test_a_truncated_archive_is_a_row_and_the_end_of_the_command(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.reading.parallel.run_in_processes", in_this_process)
    archive = tmp_path / "cut.tar"
    archive.write_bytes((inputs / "a.tar").read_bytes()[: 4 * 1024])
    words = ["read", str(archive), str(inputs / "a.tar"), "--single", "--out", str(tmp_path / "o")]
    for _ in range(2):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, DataError)
        assert "rows with an error: 1; the first is: " in str(result.exception)
        assert f"{archive}: damaged, what follows is not read" in str(result.exception)
    found = rows(tmp_path / "o")
    assert [row["file"] for row in found if row["error"]] == [str(archive)]
    assert 12 + 1 < len(found) < 24


def test_the_first_error_names_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenfold.reading.parallel.run_in_processes", in_this_process)
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"image": [b"no picture"]}), path)
    result = CliRunner().invoke(app, ["read", str(path), "--out", str(tmp_path / "o")])
    assert f"rows with an error: 1; the first is: {path}#0: picture: " in str(result.exception)


def test_names_that_are_no_text_are_escaped(drawings: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("x\udcff.png", "\x1b[2J.png"):
            member = tarfile.TarInfo(name)
            member.size = len(drawings[0])
            tar.addfile(member, io.BytesIO(drawings[0]))
    single = ReadingRequest.of(SHIPPED, "single", ANYTHING, None)
    list(write_readings(tmp_path / "out", partition_inputs([str(path)], "numbers"), single, map))
    names = [row["file"] for row in rows(tmp_path / "out")]
    assert names == [rf"{path}/x\udcff.png", rf"{path}/\x1b[2J.png"]


def test_a_second_process_in_one_folder_is_refused(
    inputs: Path, request_: ReadingRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.folder_lock.LOCK_TIMEOUT_SECONDS", 0.0)
    partitions = partition_inputs([str(inputs / "a.tar")], "numbers")
    first = write_readings(tmp_path / "out", partitions, request_, map)
    next(first)
    with pytest.raises(RunError, match="out: another process is at work there"):
        next(write_readings(tmp_path / "out", partitions, request_, map))
    assert list(first) == [1]
    assert list(write_readings(tmp_path / "out", partitions, request_, map)) == [1]
