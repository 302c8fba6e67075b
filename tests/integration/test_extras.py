"""What the base installation does, and what a command says whose extra is missing."""

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
import sys
from tenfold.errors import EXTRA_OF_MODULE
sys.modules |= dict.fromkeys(EXTRA_OF_MODULE)  # None: an import of it fails as if it were missing
from tenfold.cli import main
sys.argv = ["tenfold", *sys.argv[1:]]
main()
"""


def base_only(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that has no module of any extra."""
    command = [sys.executable, "-c", BASE_ONLY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    done = base_only("read", str(ROOT / "docs" / "images" / "number.jpg"))
    assert done.stderr == ""
    assert "6915034" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
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
    ],
    ids=str,
)
def test_a_missing_extra_is_named_in_one_line(arguments: list[str], extra: str) -> None:
    done = base_only(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"pip install 'tenfold[{extra}]'" in done.stderr
