"""Build the optional C kernels; without a compiler nothing is lost but speed."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "tenfold.model._kernels",
            ["src/tenfold/model/_kernels.c"],
            extra_compile_args=[
                "-O2",  # vectors are written out; -O3 takes five times as long to compile
                "-g0",
                "-fopenmp",  # compile only: the runtime is the one that torch has loaded
                "-ffp-contract=off",  # the same bits on every instruction set
                "-fno-math-errno",  # sqrt as one instruction
                "-Wno-psabi",  # vectors are only passed to inlined functions
            ],
            optional=True,
        )
    ]
)
