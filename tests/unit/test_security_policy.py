"""SECURITY.md promises what is tested."""

import ast
import re
from pathlib import Path

from tenfold.bundle import runtime

ROOT = Path(__file__).parents[2]
POLICY = (ROOT / "SECURITY.md").read_text()


def test_every_promise_names_a_test_that_exists() -> None:
    rows = [
        line for line in POLICY.splitlines() if line.startswith("| ") and "promise |" not in line
    ]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", row)
        assert named, row
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            functions = {
                n.name
                for n in ast.walk(tree)
                if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, f"{path}::{name}"


def test_the_limits_are_the_code_s() -> None:
    assert f"share {runtime.MEMORY_BYTES // 2**20} MiB" in POLICY
    assert f"may take {runtime.TRIAL_SECONDS} s" in POLICY
