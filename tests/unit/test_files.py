"""Files appear whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.files import write_atomically


@pytest.mark.parametrize("data", [b"\x00\xff", "größer\n", ""])
def test_what_is_written_can_be_read(data: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    assert write_atomically(path, data) == path
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode())
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "a longer text than the next")
    write_atomically(path, "short")
    assert path.read_text() == "short"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
from tenfold.files import write_atomically
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(pathlib.Path(sys.argv[1]), "new")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_RENAME, str(path)], check=False
    )
    assert killed.returncode == -9
    assert path.read_text() == "old"
    assert [file.suffix for file in tmp_path.iterdir() if file != path] == [".tmp"]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file"):
        write_atomically(tmp_path / "file" / "below", "text")
