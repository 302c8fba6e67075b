"""What the base installation does, and what a command says whose extra is missing."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tenfold.errors import EXTRA_OF_MODULE

ROOT = Path(__file__).parents[2]
# Distributions whose module has another name.
MODULES = {
    "pillow-heif": "pillow_heif",
    "prometheus-client": "prometheus_client",
    "python-multipart": "python_multipart",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "tomli-w": "tomli_w",
}
BASE_ONLY = """
import contextlib, io, json, sys
from tenfold.errors import EXTRA_OF_MODULE
sys.modules |= dict.fromkeys(EXTRA_OF_MODULE)  # None: an import of it fails as if it were missing

def run(words):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tenfold"]:
        del sys.modules[name]  # no module of one command is found by the next
    from tenfold.cli import main
    sys.argv = ["tenfold", *words]
    code = 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.redirect_stderr(io.StringIO()) as error:
            try:
                main()
            except SystemExit as leaving:
                code = leaving.code
    return code, out.getvalue(), error.getvalue()

print(json.dumps([run(words) for words in json.loads(sys.argv[1])]))
"""
WITHOUT_EXTRA = [
    (["train", "smoke"], "train"),
    (["repeat", "smoke"], "train"),
    (["evaluate"], "train"),
    (["report", "runs/x"], "train"),
    (["export", "field", "--batch", "1"], "train"),
    (["export", "field", "--format", "bundle"], "train"),
    (["data", "fetch", "mnist"], "train"),
    (["audit"], "train"),
    (["bench", "train"], "train"),
    (["serve"], "serve"),
    (["forms", "new", "blank.pdf"], "forms"),
    (["forms", "read", "form.toml", "scan.png", "--out", "x.csv"], "forms"),
    (["sweep", "smoke", "--space", "space.toml", "--trials", "1"], "sweep"),
    (["read", "docs/images/number.jpg", "--out", "x.parquet"], "bulk"),
]


def base_only(*commands: list[str]) -> list[tuple[int, str, str]]:
    """Run commands in a process that has no module of any extra: code, output and errors of each.

    One process runs them all, as it starts far more slowly than they end.
    """
    command = [sys.executable, "-c", BASE_ONLY, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [(code, out, error) for code, out, error in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def ended() -> dict[str, tuple[int, str, str]]:
    """Run every command that lacks an extra."""
    ends = base_only(*(words for words, _ in WITHOUT_EXTRA))
    return {str(words): end for (words, _), end in zip(WITHOUT_EXTRA, ends, strict=True)}


def test_every_module_of_an_extra_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {}
    for extra, requirements in project["optional-dependencies"].items():
        for requirement in requirements:
            name = next(part for part in re.split(r"[\[>=; ]", requirement) if part)
            if name != "tenfold":
                listed[MODULES.get(name, name)] = extra
    # Starlette comes with FastAPI, and is imported by its own name.
    assert listed | {"starlette": "serve"} == EXTRA_OF_MODULE


def test_the_base_installation_reads() -> None:
    ((code, output, errors),) = base_only(["read", str(ROOT / "docs" / "images" / "number.jpg")])
    assert errors == ""
    assert "6915034" in output
    assert code == 0


@pytest.mark.parametrize(("arguments", "extra"), WITHOUT_EXTRA, ids=str)
def test_a_missing_extra_is_named_in_one_line(
    arguments: list[str], extra: str, ended: dict[str, tuple[int, str, str]]
) -> None:
    code, output, errors = ended[str(arguments)]
    assert code == 2
    assert output == ""
    assert errors.count("\n") == 1
    assert f"pip install 'tenfold[{extra}]'" in errors
