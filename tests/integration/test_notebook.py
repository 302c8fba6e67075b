"""The notebook: its code runs from the first cell to the last."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tenfold

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
SMOKE = ('SHARE = 0.05\nDATA = "mnist"\n', 'SHARE = 0.001\nDATA = "synthetic"\n')


def test_it_is_a_notebook_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["accelerator"] == "GPU"  # what Colab proposes
    identifiers = [cell["id"] for cell in CELLS]
    assert len(set(identifiers)) == len(identifiers)
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_what_its_cells_use_of_the_package_is_there() -> None:
    used = [
        node.attr
        for node in ast.walk(ast.parse("\n\n".join(CODE)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "tenfold"
    ]
    assert used
    assert [name for name in used if not hasattr(tenfold, name)] == []


@pytest.mark.slow
def test_its_cells_run(tmp_path: Path) -> None:
    sources = [source.replace(*SMOKE) for source in CODE]
    assert sources != CODE
    done = subprocess.run(
        [sys.executable, "-W", "ignore:.*non-interactive:UserWarning", "-c", "\n\n".join(sources)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for method in range(1, 6):
        assert re.search(rf"^report-{method}\S+ +\d+\.\d\d %", done.stdout, re.MULTILINE)
    assert len(list(tmp_path.glob("runs/*/evaluation.json"))) == 5
    assert re.search(r"^shipped: ", done.stdout, re.MULTILINE)
