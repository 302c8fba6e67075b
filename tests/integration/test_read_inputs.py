"""What `tenfold read` makes of its arguments: folders, standard input, and what it cannot read."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .drawn_pictures import Tenfold, drawn, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture in a folder and one below."""
    save(tmp_path / "pictures/number.png", drawn("4071"))
    save(tmp_path / "pictures/below/eight.png", drawn("8"))
    return tmp_path / "pictures"


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder be closed, also to root."""
    scandir, stat, open_path = os.scandir, os.stat, Path.open

    def fault() -> PermissionError:
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def scan(path: str) -> Any:
        if str(path) == str(folder):
            raise fault()
        return scandir(path)

    def state(path: Any, *arguments: Any, **more: Any) -> Any:
        if str(path).startswith(f"{folder}{os.sep}"):
            raise fault()
        return stat(path, *arguments, **more)

    def opened(path: Path, *arguments: Any, **more: Any) -> Any:
        if path == folder:
            raise fault()
        return open_path(path, *arguments, **more)

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr(os, "stat", state)
    monkeypatch.setattr(Path, "open", opened)


def test_a_folder_that_cannot_be_opened_is_an_error(
    tenfold: Tenfold, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, folder / "below")
    ended = tenfold("read", folder, "--json")
    assert (ended.code, ended.read) == (2, {"number.png": "4071"})
    assert ended.err == f"tenfold: {folder / 'below'}: cannot be read (Permission denied)\n"
    ended = tenfold("read", folder / "below")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_a_link_to_nothing_is_an_error_and_one_to_a_folder_is_not_followed(
    tenfold: Tenfold, folder: Path
) -> None:
    (folder / "gone.png").symlink_to(folder / "absent.png")
    (folder / "again").symlink_to(folder / "below")
    (folder / "again.png").symlink_to(folder / "below")
    os.mkfifo(folder / "pipe.png")
    ended = tenfold("read", folder, "--json")
    assert (ended.code, ended.read) == (2, {"number.png": "4071", "eight.png": "8"})
    assert len(ended.rows) == 3
    assert ended.err == f"tenfold: {folder / 'gone.png'}: no such image\n"


def test_a_container_is_read_with_out(tenfold: Tenfold, folder: Path) -> None:
    (folder / "a.tar").touch()
    ended = tenfold("read", folder / "*.*", "--json")
    assert (ended.code, ended.read) == (2, {"number.png": "4071"})
    line = f"{folder / 'a.tar'}: is read with --out FOLDER, as it holds many pictures"
    assert ended.err == f"tenfold: {line}\n"


# Standard input and output


def shell(command: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `tenfold ARGUMENTS…`, which a line of the shell gives its input and output."""
    words = [sys.executable, "-m", "tenfold", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'"$@" {command}', "sh", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("< /dev/null", "standard input: is empty"),
        ("<&-", "standard input: is closed; name a file"),
        (
            "< /dev/zero",
            "standard input: has more than 134,217,728 bytes; write it to a file and name that",
        ),
        (">&-", "standard output: is closed; open it, such as with > /dev/null"),
    ],
)
def test_standard_input_and_output_that_are_none(command: str, line: str) -> None:
    done = shell(command, "read", "-")
    assert (done.returncode, done.stderr) == (2, f"tenfold: {line}\n")


def test_files_beside_a_closed_standard_input_are_read(folder: Path) -> None:
    done = shell("<&-", "read", folder / "number.png", "-", "--json")
    closed, number = map(json.loads, done.stdout.splitlines())
    assert (closed["file"], closed["error"]) == ("-", "standard input: is closed; name a file")
    assert (number["error"], [n["text"] for n in number["numbers"]]) == (None, ["4071"])
    assert done.returncode == 2
