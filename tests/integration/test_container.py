"""The container file: its steps run without a container engine, in a folder instead of an image."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from .serve_process import wait_until

ROOT = Path(__file__).parents[2]
FOLDERS_OF_THE_IMAGE = ("/opt/tenfold", "/dist")
PORT_OF_THE_IMAGE = "8000"
# As `--read-only --tmpfs /tmp`. The shell's arguments are the command.
READ_ONLY = [
    "unshare", "--mount", "sh", "-c",
    'mount -o remount,bind,ro / && mount -t tmpfs tmpfs /tmp && exec "$@"', "sh",
]  # fmt: skip

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the instructions of the file: name and arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    split = [line.partition(" ") for line in lines if line]
    return [(name, " ".join(rest.split())) for name, _, rest in split]


def arguments(name: str) -> list[str]:
    """Return the arguments of every instruction of a name."""
    return [rest for found, rest in instructions() if found == name]


def exec_form(text: str) -> list[str]:
    """Return a command that is given as a JSON array: no shell runs it."""
    command: list[str] = json.loads(text[text.index("[") :])
    return command


def moved(text: str, root: Path) -> str:
    """Return a command with the image's folders below another folder."""
    for folder in FOLDERS_OF_THE_IMAGE:
        text = text.replace(folder, f"{root}{folder}")
    return text


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Do what COPY and RUN say; return the folder that stands for the image's root.

    It is not below /tmp, which the service finds empty.
    """
    root = Path(tempfile.mkdtemp(dir="/var/tmp"))
    source = root / "source"
    source.mkdir()
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CC": "false"}
    try:
        for name, rest in instructions():
            if name == "COPY" and not rest.startswith("--from"):
                *files, target = rest.split()
                for file in files:
                    copy(ROOT / file, source / target / (file if target == "./" else ""))
            elif name == "RUN":
                command = moved(rest, root)
                subprocess.run(command, shell=True, cwd=source, env=environment, check=True)
        yield root
    finally:
        shutil.rmtree(root)


def copy(file: Path, target: Path) -> None:
    """Copy a file or folder, without what was compiled here."""
    if file.is_dir():
        ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
        shutil.copytree(file, target, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copyfile(file, target)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_the_file_is_as_it_should_be() -> None:
    supported = SpecifierSet(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    versions = [re.findall(r"python:([\d.]+)-", image)[0] for image in arguments("FROM")]
    assert len(set(versions)) == 1
    assert versions[0] in supported
    (user,) = arguments("USER")
    assert all(int(part) >= 10_000 for part in user.split(":"))
    assert arguments("EXPOSE") == [PORT_OF_THE_IMAGE]
    assert exec_form(arguments("ENTRYPOINT")[0])[:2] == ["tenfold", "serve"]
    assert not arguments("ADD")
    assert all((ROOT / file).exists() for file in arguments("COPY")[0].split()[:-1])


@pytest.mark.network
def test_it_installs_no_more_than_serving_needs(image: Path) -> None:
    (packages,) = image.glob("opt/tenfold/lib/python*/site-packages")
    assert (packages / "fastapi").is_dir()
    assert not (packages / "torch").exists()
    assert not list((packages / "tenfold").rglob("*.so"))


@pytest.mark.network
def test_it_serves_from_a_read_only_root_and_stops(image: Path, digit: bytes) -> None:
    if subprocess.run([*READ_ONLY, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a read-only root needs the right to mount")
    port = str(free_port())
    environment = {"PATH": f"{image}/opt/tenfold/bin:{os.environ['PATH']}", "HOME": "/"}
    environment |= dict(line.split("=") for line in arguments("ENV")[1:])

    def command(instruction: str) -> list[str]:
        words = exec_form(arguments(instruction)[0])
        return [word.replace(PORT_OF_THE_IMAGE, port) for word in words]

    def is_healthy() -> bool:
        health = command("HEALTHCHECK")
        return not subprocess.run(
            health, env=environment, check=False, capture_output=True
        ).returncode

    assert not is_healthy()
    service = subprocess.Popen(
        [*READ_ONLY, *command("ENTRYPOINT"), "--allowed-host", "digits.example"],
        env=environment,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(is_healthy, 60)
        assert read(int(port), digit, "digits.example") == 200
        assert read(int(port), digit, "elsewhere.example") == 421
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=40)
        assert service.returncode == 0, log
    finally:
        service.kill()


def read(port: int, digit: bytes, host: str) -> int:
    """Have one digit read; return the status."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(client):
        headers = {"Content-Type": "image/png", "Host": host}
        client.request("POST", "/v1/read?single", digit, headers)
        response = client.getresponse()
        body = json.loads(response.read())
        if response.status == 200:
            assert len(body["numbers"][0]["text"]) == 1
        return response.status
