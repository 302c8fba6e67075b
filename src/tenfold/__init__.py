"""tenfold: handwritten digits, trained in seconds, measured honestly.

The public names stand in `__init__.pyi`, one import a line, where type checkers and editors look
for them. They are loaded when first used, so that `import tenfold` stays fast.
"""

import importlib
from pathlib import Path

_LINES = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
_MODULE_OF = {words[3]: words[1] for words in map(str.split, _LINES) if words[:1] == ["from"]}
__all__ = [*sorted(_MODULE_OF)]  # noqa: PLE0604 - names, though ruff cannot see that


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'tenfold' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
