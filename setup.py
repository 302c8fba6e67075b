"""Build the optional C kernels; without a compiler nothing is lost but speed."""

import platform

from setuptools import Extension, setup

INSTRUCTION_SETS = {
    "generic": [],
    "avx2": ["-mavx2"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512"],
}
if platform.machine().lower() not in {"x86_64", "amd64"}:
    INSTRUCTION_SETS = {"generic": []}

setup(
    ext_modules=[
        Extension(
            f"tenfold.model.kernels.kernels_{name}",
            ["src/tenfold/model/kernels/kernels.c"],
            extra_compile_args=[
                "-O2",  # vectors are written out; -O3 takes five times as long to compile
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
    ]
)
