"""Build the optional C kernels: plain C, no torch headers; without a compiler nothing is lost but speed."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "tenfold.model._kernels",
            ["src/tenfold/model/_kernels.c"],
            extra_compile_args=["-O3", "-fopenmp", "-ffp-contract=off"],
            optional=True,
        )
    ]
)
