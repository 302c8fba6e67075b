"""Build the optional C kernels; without a compiler nothing is lost but speed.

They are plain shared libraries: they include no Python.h, and Python loads them with ctypes. So one
wheel serves every Python version of a platform: py3-none-PLATFORM.
"""

import copy
import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

LIBRARY_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
INSTRUCTION_SETS = {
    "generic": [],
    "avx2": ["-mavx2"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512"],
}
if platform.machine().lower() not in {"x86_64", "amd64"}:
    INSTRUCTION_SETS = {"generic": []}


class BuildKernels(build_ext):
    """Build shared libraries that know nothing of Python."""

    def finalize_options(self) -> None:
        """Compile for all instruction sets at the same time."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extension(self, ext: Extension) -> None:
        """Compile; an editable installation keeps a library newer than its source."""
        built = Path("src", self.get_ext_filename(ext.name))
        made_of = [Path(__file__), *map(Path, ext.sources)]
        if (
            self.editable_mode
            and built.exists()
            and built.stat().st_mtime > max(path.stat().st_mtime for path in made_of)
        ):
            self.copy_file(str(built), self.get_ext_fullpath(ext.name))
        else:
            # All are compiled at once from one source: each needs an object file of its own.
            apart = copy.copy(self)
            apart.build_temp = str(Path(self.build_temp, ext.name))
            build_ext.build_extension(apart, ext)

    def get_ext_filename(self, fullname: str) -> str:
        """Return the library's path, without the version of Python in its name."""
        return str(Path(*fullname.split("."))) + LIBRARY_SUFFIX

    def get_export_symbols(self, _: Extension) -> list[str]:
        """Return what is exported on Windows: no module's init function."""
        return ["tenfold_run"]

    def get_libraries(self, ext: Extension) -> list[str]:
        """Return what is linked: not Python's library."""
        return list(ext.libraries)


class PlatformWheel(bdist_wheel):
    """Name the wheel after what is in it."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the wheel's tag: any platform if no kernel could be compiled."""
        built = any(Path(self.bdist_dir).rglob(f"*{LIBRARY_SUFFIX}"))
        return "py3", "none", super().get_tag()[2] if built else "any"


setup(
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": PlatformWheel},
    ext_modules=[
        Extension(
            f"tenfold.model.kernels.kernels_{name}",
            ["src/tenfold/model/kernels/kernels.c"],
            extra_compile_args=[
                "-O2",  # enough: vectors are written out
                "-g0",
                "-fopenmp",  # compile only: the runtime is the one that torch has loaded
                "-ffp-contract=off",  # the same bits on every instruction set
                "-fno-math-errno",  # sqrt as one instruction
                "-Wno-psabi",  # vectors are only passed to inlined functions
                *flags,
            ],
            optional=True,
        )
        for name, flags in INSTRUCTION_SETS.items()
    ],
)
