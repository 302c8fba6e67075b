"""Every exception that tenfold raises on purpose.

    TenfoldError            what the user can mend; the command line exits with 2
    ├── DataError           a data set, an IDX file or an image folder is not what it should be
    │   └── ChecksumError   a file's bytes are not the expected ones
    ├── RecipeError         a recipe has an unknown key, a wrong type or an impossible value
    ├── RunError            a run folder is missing, incomplete, or belongs to another recipe
    ├── BundleError         a bundle is missing, damaged or of a newer format
    └── MissingExtraError   a command needs an optional dependency that is not installed

A message is one line that names the file, the field and the fix.
"""

# The extra that brings a module: the command line turns a failed import into one line.
EXTRA_OF_MODULE = {
    **dict.fromkeys(("filelock", "jinja2", "matplotlib", "onnx", "platformdirs", "pooch"), "train"),
    **dict.fromkeys(("safetensors", "scipy", "tomli_w", "torch"), "train"),
    **dict.fromkeys(("fastapi", "httptools", "prometheus_client"), "serve"),
    **dict.fromkeys(("python_multipart", "starlette", "uvicorn", "uvloop"), "serve"),
    "optuna": "tune",
    "cleanlab": "audit",
    "pyarrow": "bulk",
    "ray": "ray",
    "sklearn": "sets",
    "tensorboard": "track",
}


class TenfoldError(Exception):
    """Base of every error that the user can mend."""


class DataError(TenfoldError):
    """A data set, an IDX file or an image folder is not what it should be."""


class ChecksumError(DataError):
    """A file's bytes are not the expected ones."""

    def __init__(self, path: object, expected: str, actual: str) -> None:
        super().__init__(
            f"{path}: expected SHA-256 {expected}, found {actual}; "
            "delete the file and run `tenfold data fetch`"
        )
        self.expected = expected
        self.actual = actual


class RecipeError(TenfoldError):
    """A recipe has an unknown key, a wrong type or an impossible value."""


class RunError(TenfoldError):
    """A run folder is missing, incomplete, or belongs to another recipe."""


class BundleError(TenfoldError):
    """A bundle is missing, damaged or of a newer format."""


class MissingExtraError(TenfoldError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'tenfold[{extra}]'")
