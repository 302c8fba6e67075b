"""The wheel and the sdist: built, installed in an empty environment, and used there."""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "number.jpg"
UV = Path(sys.executable).with_name("uv")
MOST_MEGABYTES = 450
GLIBC_OF_ONNXRUNTIME = 28  # its wheels are manylinux_2_28

pytestmark = pytest.mark.network


def run(*command: str | Path, **options: object) -> str:
    """Run a command; return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and from it a wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and its base dependencies in an empty environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (wheel,) = built.glob("*.whl")
    run(UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", wheel)
    return folder


def test_one_wheel_serves_every_python(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    tag = "py3-none-" if shutil.which("cc") else "py3-none-any"
    assert f"-{tag}" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    compiled = [name for name in names if name.endswith((".so", ".dylib", ".dll"))]
    assert bool(compiled) == bool(shutil.which("cc"))
    assert not [name for name in compiled if "cpython" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel looks at Linux wheels")
def test_the_compiled_wheel_may_be_called_manylinux(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    if "-any." in wheel.name:
        pytest.skip("no C compiler")
    shown = run(UV, "tool", "run", "auditwheel==6.8.2", "show", wheel)
    (version,) = re.findall(r'platform tag: "manylinux_2_(\d+)_', " ".join(shown.split()))
    assert int(version) <= GLIBC_OF_ONNXRUNTIME
    assert "repair" not in shown  # no library would have to be copied into it


def test_the_release_builds_one_wheel_a_platform() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    (tool,) = re.findall(r"cibuildwheel==\S+", workflow)
    for architecture in ("x86_64", "aarch64"):
        options = ("--print-build-identifiers", "--platform", "linux", "--archs", architecture)
        printed = run(UV, "tool", "run", tool, *options, ROOT)
        assert printed.split() == [f"cp311-manylinux_{architecture}"]


def test_the_sdist_has_what_the_kernels_are_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    listed = run("tar", "tzf", sdist)
    assert "src/tenfold/model/kernels/kernels.c" in listed
    assert "benchmarks/" not in listed


def test_the_base_installation_is_small_and_has_no_torch(installed: Path) -> None:
    files = [path for path in installed.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) <= MOST_MEGABYTES * 10**6
    assert not list(installed.rglob("site-packages/torch"))


def test_it_reads_a_picture(installed: Path, tmp_path: Path) -> None:
    printed = run(installed / "bin" / "tenfold", "read", PICTURE, cwd=tmp_path, env={})
    assert printed.splitlines()[0].split()[:2] == [str(PICTURE), "6915034"]


def test_it_passes_the_release_s_smoke_test(installed: Path, tmp_path: Path) -> None:
    printed = run(installed / "bin" / "python", ROOT / "tests" / "smoke.py", cwd=tmp_path, env={})
    assert str(installed) in printed
