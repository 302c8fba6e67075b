"""On a full disk a command ends with one line and whole files; with room it continues.

The disk is a small tmpfs, so the errors are the operating system's own. `kill_points.py --full`
plays one that is full from any write on.
"""

import errno
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tenfold.bundle.format import SHIPPED
from tenfold.serving import web

from .drawn_pictures import Tenfold, drawn, save
from .kill_points import COMMANDS, SET, SPACE

pytestmark = pytest.mark.processes

DISK_KB = 16 * 1024
FILLER = "filler"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Mount a small disk, where the system lets this user do so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(words, capture_output=True, check=False)
    if not mounted or mounted.returncode:
        assert os.environ.get("CI") != "true" or os.geteuid(), "root cannot mount a disk"
        pytest.skip("no disk may be mounted")
    monkeypatch.chdir(tmp_path)  # nobody works on the disk when it is unmounted
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave(room_kb: int, disk: Path) -> None:
    """Fill the disk but for some room."""
    filler = disk / FILLER
    filler.unlink(missing_ok=True)
    with filler.open("wb", buffering=0) as file:
        try:
            for _ in range(DISK_KB):
                file.write(bytes(1024))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - what is expected
        file.truncate(max(0, file.tell() - 1024 * room_kb))


def assert_all_whole(folder: Path) -> None:
    """Assert that no file is temporary, and that those with an inner structure have it."""
    for path in folder.rglob("*"):
        assert path.suffix != ".tmp"
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".safetensors":
            assert load_file(path)
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")


def assert_told_and_continued(
    words: tuple[str, ...], rooms_kb: tuple[int, ...], disk: Path, tenfold: Tenfold
) -> None:
    """Run a command with more and more room, each time too little; then with enough."""
    for room_kb in rooms_kb:
        leave(room_kb, disk)
        ended = tenfold(*words)
        assert ended.code == 2, ended.err
        *before, last = ended.err.splitlines()
        assert re.fullmatch(r"tenfold: .*No space left on device.*; make room, .*", last)
        assert not [line for line in before if "Traceback" in line or "tenfold: " in line]
        assert_all_whole(disk)
    (disk / FILLER).unlink()
    ended = tenfold(*words)
    assert ended.code == 0, ended.err
    assert_all_whole(disk)


@pytest.mark.parametrize(
    ("command", "rooms_kb"),
    [
        ("train", (0, 120, 1000)),
        ("repeat", (16, 400)),
        pytest.param("sweep", (16,), marks=pytest.mark.slow),
    ],
)
def test_training(command: str, rooms_kb: tuple[int, ...], disk: Path, tenfold: Tenfold) -> None:
    Path("space.toml").write_text(SPACE)
    words = (*COMMANDS[command], *SET, "--threads", "1", "--out", str(disk / "run"))
    assert_told_and_continued(words, rooms_kb, disk, tenfold)
    assert list(disk.rglob("report.html")) or list(disk.rglob("sweep.html"))


def test_reading(disk: Path, tenfold: Tenfold) -> None:
    save(Path("pictures/number.png"), drawn("4071"))
    words = ("read", "pictures", "--out", str(disk / "readings"))
    assert_told_and_continued(words, (0, 4), disk, tenfold)
    assert sorted(path.name for path in (disk / "readings").iterdir()) == [
        ".lock",
        "_plan.json",
        "part-00000.parquet",
    ]


@pytest.mark.parametrize("format_", ["onnx", "bundle", "web"])
def test_exporting(
    format_: str, disk: Path, tenfold: Tenfold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "fetch_runtime", list)
    words = ("export", str(SHIPPED), "--format", format_, "--out", str(disk / "exported"))
    assert_told_and_continued(words, (0, 120), disk, tenfold)
    assert [path.name for path in disk.iterdir()] == ["exported"]


def test_a_report(disk: Path, small_run: Path, tenfold: Tenfold) -> None:
    words = ("report", str(small_run), "--out", str(disk / "report.html"))
    assert_told_and_continued(words, (16,), disk, tenfold)
