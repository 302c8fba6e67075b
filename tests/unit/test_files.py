"""Files appear whole or not at all, and never through a link."""

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tenfold.errors import WriteError
from tenfold.files import (
    append_durably,
    drop_unfinished_line,
    is_temporary,
    mendable_in_one_line,
    new_folder,
    refuse_links,
    write_atomically,
)


def test_what_is_written_to_a_new_folder_is_named_by_that(tmp_path: Path) -> None:
    target = tmp_path / "new"

    def failing(folder: Path) -> None:
        raise WriteError(f"{folder / 'cells.onnx'}: cannot be written (No space left on device)")

    with pytest.raises(WriteError) as caught, new_folder(target) as folder:
        failing(folder)
    assert str(caught.value).startswith(f"--out {target}/cells.onnx: cannot be written")
    assert not list(tmp_path.iterdir())


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


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", (b"a" * 100_000, b"b" * 200_000)
    start = threading.Barrier(2)

    def write(content: bytes) -> None:
        for _ in range(40):
            start.wait(timeout=10)
            write_atomically(path, content)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, contents))
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_appended_is_synced_and_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "lines", []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    assert [append_durably(path, line) for line in (b"one\n", b"", b"three\n")] == [0, 4, 4]
    assert path.read_bytes() == b"one\nthree\n"
    assert synced == [4, 4, 10]
    with pytest.raises(WriteError, match="nowhere/lines: cannot be written"):
        append_durably(tmp_path / "nowhere" / "lines", b"")


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", b""),
        (b"half", b""),
        (b"one\n", b"one\n"),
        (b"one\n\ntwo\r\nha\rlf", b"one\n\ntwo\r\n"),
        (b"one\n" + b"\0" * 100_000, b"one\n"),
    ],
)
def test_only_the_unfinished_line_is_dropped(tmp_path: Path, content: bytes, whole: bytes) -> None:
    path = tmp_path / "lines"
    path.write_bytes(content)
    drop_unfinished_line(path)
    assert path.read_bytes() == whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteError, match=r"file: cannot be written \(Input/output error\)"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
from tenfold.errors import WriteError
from tenfold.files import mendable_in_one_line, refuse_links, write_atomically
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
    (left,) = (file for file in tmp_path.iterdir() if file != path)
    assert is_temporary(left)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"below: cannot be written \((File|Not)"):
        write_atomically(tmp_path / "file" / "below", "text")


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
def test_nothing_but_a_regular_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with contextlib.suppress(PermissionError):  # only root may make a device
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    for path in before.keys() - {target}:
        with pytest.raises(WriteError, match=f"{path}: is a link, a folder or a device; name anot"):
            write_atomically(path, "text")
    after = {path: path.lstat() for path in tmp_path.iterdir()}
    assert {p: (s.st_mode, s.st_ino) for p, s in before.items()} == {
        p: (s.st_mode, s.st_ino) for p, s in after.items()
    }
    assert target.read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    temporary = f".file.{os.getpid()}.{threading.get_native_id()}.tmp"
    (tmp_path / temporary).symlink_to(target)
    write_atomically(tmp_path / "file", "text")
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "target"]


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
@pytest.mark.parametrize("name", ["members", "members/00", "members/00/journal.jsonl", ".lock"])
@pytest.mark.parametrize("kind", ["folder", "file", "pipe"])
def test_a_folder_with_a_link_at_any_depth_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text("")
    (tmp_path / "run" / "bundle").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    refuse_links(tmp_path / "run")
    refuse_links(tmp_path / "link")  # the folder itself may be one
    refuse_links(tmp_path / "no such folder")
    bad = tmp_path / "run" / name
    bad.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(bad)
    else:
        bad.symlink_to(tmp_path if kind == "folder" else tmp_path / "file")
    with pytest.raises(WriteError, match=f"{bad}: is a link or a device"):
        refuse_links(tmp_path / "run")


def test_what_a_user_can_mend_is_one_line_and_other_errors_are_bugs() -> None:
    for number, advice in ((errno.ENOSPC, "make room"), (errno.EROFS, "name another path")):
        for file, start in (("file", "file: "), (None, "")):
            error = OSError(number, os.strerror(number), file)
            line = rf"^{start}{os.strerror(number)}; {advice}"
            with pytest.raises(WriteError, match=line), mendable_in_one_line():
                raise error
    with pytest.raises(FileNotFoundError), mendable_in_one_line():
        raise FileNotFoundError(errno.ENOENT, "No such file", "a file of the package")


def test_text_with_the_name_of_a_file_that_is_not_utf8_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "page", "x\udcff.png")
    assert (tmp_path / "page").read_text() == r"x\udcff.png"
