"""Every exception that tenfold raises on purpose.

    TenfoldError            the user can mend it; the command line exits with 2
    ├── DataError           a data set, an IDX file or an image folder is not what it should be
    │   └── ChecksumError   a file has other bytes than expected
    ├── RecipeError         a recipe has an unknown key, a wrong type or an impossible value
    ├── TemplateError       the same of a form's template
    ├── ReviewError         the folder of a table's review is missing or damaged
    ├── RunError            a run folder is missing, incomplete, or belongs to another recipe
    ├── BundleError         a bundle is missing, damaged or of another format
    ├── WriteError          a file cannot be written: the disk is full, or a link is in its place
    └── MissingExtraError   an optional dependency is not installed

A message is one line that names the file, the field and the fix.
"""

# The extra that brings a module: the command line turns a failed import into one line.
EXTRA_OF_MODULE = {
    **dict.fromkeys(("filelock", "jinja2", "matplotlib", "onnx", "platformdirs"), "train"),
    **dict.fromkeys(("requests", "safetensors", "scipy", "skimage", "tomli_w", "torch"), "train"),
    **dict.fromkeys(("fastapi", "httptools", "prometheus_client"), "serve"),
    **dict.fromkeys(("python_multipart", "starlette", "uvicorn", "uvloop"), "serve"),
    "optuna": "sweep",
    "pillow_heif": "heic",
    "cleanlab": "audit",
    "openpyxl": "forms",
    "pyarrow": "bulk",
    "ray": "ray",
    "sklearn": "sets",
    "tensorboard": "track",
}
# A command that needs modules of several extras has an extra of its own.
EXTRA_OF_COMMAND = {"forms": "forms", "sweep": "sweep"}


class TenfoldError(Exception):
    """Base of every error that the user can mend."""


class DataError(TenfoldError):
    """A data set, an IDX file or an image folder is not what it should be."""


class ChecksumError(DataError):
    """A file has other bytes than expected.

    Args:
        file: path or name of the file.
        expected: SHA-256, 64 hexadecimal digits.
        actual: SHA-256 of what was found.
        advice: what became of the file, or what the user can do.
    """

    def __init__(self, file: object, expected: str, actual: str, advice: str) -> None:
        super().__init__(f"{file}: expected SHA-256 {expected}, found {actual}; {advice}")
        self.expected = expected
        self.actual = actual


class RecipeError(TenfoldError):
    """A recipe has an unknown key, a wrong type or an impossible value."""


class TemplateError(TenfoldError):
    """A form's template has an unknown key, a wrong type or an impossible value."""


class ReviewError(TenfoldError):
    """The folder in which a table is reviewed is missing, or a file in it is damaged."""


class RunError(TenfoldError):
    """A run folder is missing, incomplete, or belongs to another recipe."""


class BundleError(TenfoldError):
    """A bundle is missing, damaged or of another format."""


class WriteError(TenfoldError):
    """A file cannot be written: the disk is full, or a link is in its place."""


class MissingExtraError(TenfoldError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'tenfold[{extra}]'")
