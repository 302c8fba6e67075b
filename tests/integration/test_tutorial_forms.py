"""The tutorial of forms, carried out on rendered forms."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rendered_forms.forms import FormRenderer
from rendered_forms.layout import layout_of

import tenfold
from tenfold.data.digits import Digits
from tenfold.data.folder import load_folder

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "mark-sheet"
SEED, COPIES = 216, 4


def commands() -> list[list[str]]:
    """Return the commands of the tutorial that read and review."""
    text = (DOCS / "tutorial-forms.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [line.split()[1:] for line in lines if re.match(r"tenfold forms (read|review)", line)]
    assert [words[1] for words in found] == ["read", "review"]
    return found


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(tenfold.__file__).parents[1])}
    command = [sys.executable, "-m", "tenfold", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def reviewing(words: list[str], folder: Path) -> Iterator[str]:
    with start([*words, "--port", "0"], folder) as process:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def post(address: str, path: str, **content: Any) -> dict[str, Any]:
    body = json.dumps({"who": "Ann", **content}).encode()
    request = urllib.request.Request(
        f"{address}/api/{path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_the_example_is_the_form_that_is_rendered() -> None:
    template = layout_of(SEED, 0).template()
    example = tomllib.loads((EXAMPLE / "form.toml").read_text())
    for field in example["fields"]:
        field.setdefault("page", 1)
    assert example == template | {"name": "mark sheet"}


@pytest.mark.processes
def test_from_scans_to_the_reviewed_table(mnist_test: Digits, tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    shutil.copytree(EXAMPLE, folder)
    (folder / "scans").mkdir()
    renderer = FormRenderer(mnist_test, SEED)
    truth = {}
    for copy in range(COPIES):
        filled = renderer.render(0, copy)
        Image.fromarray(filled.pixels).save(folder / "scans" / f"{copy}.png")
        truth[f"scans/{copy}.png"] = filled.values
    read, review = commands()
    process = start(read, folder)
    process.communicate(timeout=300)
    assert process.returncode == 0
    reviewed = set()
    with reviewing(review, folder) as address:
        while found := post(address, "fields", count=8)["fields"]:
            for field in found:
                key = field["document"], field["field"]
                post(address, "reviews", document=key[0], field=key[1], value=truth[key[0]][key[1]])
                reviewed.add(key)
        assert post(address, "table")["table"] == "marks.csv"
    with (folder / "marks.csv").open(newline="") as file:
        rows = {row["document"]: row for row in csv.DictReader(file)}
    fields = {(document, name) for document, values in truth.items() for name in values}
    right = {key for key in fields if rows[key[0]][key[1]] == truth[key[0]][key[1]]}
    assert rows.keys() == truth.keys()
    assert reviewed <= right
    assert len(right) >= 0.95 * len(fields)
    assert len(reviewed) <= 0.4 * len(fields)
    corrections = folder / "marks.csv.review" / "corrections"
    if corrections.is_dir() and any(corrections.iterdir()):
        images, _ = load_folder(corrections)
        assert images.shape[1:] == (28, 28)
