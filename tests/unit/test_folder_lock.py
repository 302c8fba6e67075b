"""One process at a time works in a folder, and nothing in it leads out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold import folder_lock
from tenfold.errors import RunError, WriteError
from tenfold.folder_lock import LOCK_NAME, exclusive

HOLDER = """
import pathlib, sys
from tenfold.folder_lock import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.processes
def test_a_second_process_is_told_and_a_killed_one_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "LOCK_TIMEOUT_SECONDS", 0.1)
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(RunError, match="there; wait until it ends, or stop it"),
            exclusive(tmp_path),
        ):
            pass
        holder.kill()
    monkeypatch.setattr(folder_lock, "LOCK_TIMEOUT_SECONDS", 10)
    with exclusive(tmp_path):
        pass


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".checkpoint.12.tmp").write_text("half")
    (tmp_path / "deep" / "checkpoint").write_text("whole")
    with exclusive(tmp_path):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["checkpoint"]


def test_another_s_unfinished_files_stay(tmp_path: Path) -> None:
    run = tmp_path / "seed-0"
    unfinished = run / "members" / ".checkpoint.12.tmp"
    with exclusive(run):
        unfinished.parent.mkdir()
        unfinished.write_text("half")
        with exclusive(tmp_path):
            assert unfinished.exists()
    with exclusive(run):
        assert not unfinished.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs links")
@pytest.mark.parametrize("name", [LOCK_NAME, "members", ".weights.12.tmp"])
def test_a_folder_with_a_link_is_not_even_locked(name: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).symlink_to(target)
    refused = f"{folder / name}: is a link or a device"
    with pytest.raises(WriteError, match=refused), exclusive(folder):
        pass
    assert target.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="its name is not UTF-8"), exclusive(tmp_path / "\udcff"):
        pass
    assert list(tmp_path.iterdir()) == []
