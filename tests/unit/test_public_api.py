"""The public surface: its names, and how little it costs to import."""

import subprocess
import sys
import time

import pytest

import tenfold

HEAVY = ("torch", "matplotlib", "scipy", "pydantic", "PIL", "requests", "safetensors", "numpy")


def test_the_public_names_are_these() -> None:
    assert tenfold.__all__ == [
        "Bundle",
        "Constraints",
        "Digit",
        "DigitClassifier",
        "DigitNetwork",
        "Digits",
        "Execution",
        "NetworkConfig",
        "Number",
        "Page",
        "Reader",
        "Recipe",
        "Run",
        "Schedule",
        "Stage",
        "TenfoldError",
        "file_pages",
        "load_digits",
        "load_recipe",
        "resume",
        "train",
    ]


@pytest.mark.parametrize("name", tenfold.__all__)
def test_every_public_name_is_there_and_knows_its_name(name: str) -> None:
    assert getattr(tenfold, name).__name__ == name
    assert name in dir(tenfold)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'tenfold' has no attribute 'tran'"):
        tenfold.tran  # type: ignore[attr-defined]  # noqa: B018


def run(code: str) -> tuple[str, float]:
    """Run code in a fresh interpreter; return its output and its wall time."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, time.perf_counter() - begun


def test_importing_loads_nothing_heavy_and_is_fast() -> None:
    code = f"import sys, tenfold; print([m for m in {HEAVY} if m in sys.modules])"
    output, seconds = min((run(code) for _ in range(3)), key=lambda result: result[1])
    assert output == "[]\n"
    assert seconds < 3 * 0.3


def test_help_is_fast_without_torch() -> None:
    code = (
        "import sys; sys.argv = ['tenfold', '--help']\n"
        "from tenfold.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'matplotlib', 'scipy', 'numpy') if m in sys.modules])"
    )
    output, seconds = min((run(code) for _ in range(3)), key=lambda result: result[1])
    assert "Usage: tenfold" in output
    assert output.endswith("[]\n")
    assert seconds < 3 * 0.7


def test_the_service_needs_no_module_of_the_extra_train() -> None:
    code = (
        "import sys\n"
        "from tenfold.cli import app\n"
        "from tenfold.serving import server\n"
        "from tenfold.serving.app import Settings, create_app\n"
        "create_app(Settings())\n"
        "from tenfold.errors import EXTRA_OF_MODULE\n"
        "heavy = [m for m, extra in EXTRA_OF_MODULE.items() if extra == 'train']\n"
        "print([m for m in heavy if m in sys.modules], 'torch' in heavy)"
    )
    assert run(code)[0] == "[] True\n"


def test_the_static_page_needs_no_module_of_the_extra_serve() -> None:
    code = (
        "import sys\n"
        "import tenfold.serving.web\n"
        "from tenfold.errors import EXTRA_OF_MODULE\n"
        "heavy = [m for m, extra in EXTRA_OF_MODULE.items() if extra == 'serve']\n"
        "print([m for m in heavy if m in sys.modules], 'starlette' in heavy)"
    )
    assert run(code)[0] == "[] True\n"
