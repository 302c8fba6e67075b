"""Files and functions are small enough to be read at one go: the first of the project's rules."""

import ast
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[2] / "src" / "tenfold").rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50


def test_no_file_and_no_function_is_long() -> None:
    assert SOURCES
    long = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if (lines := text.count("\n")) > MAX_FILE_LINES:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.body[0].lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno}: {node.name}: {lines} lines")
    assert not long
