"""The page of an audit: pictures of the labels that are likely wrong."""

from pathlib import Path
from typing import Any

from tenfold.errors import RunError
from tenfold.files import write_atomically
from tenfold.report.page import picture, render

SHOWN = 300


def write_audit(result: dict[str, Any], page: Path) -> Path:
    """Write the page of what `tenfold.training.audit.audit` returned.

    Raises:
        RunError: it cannot be written.
    """
    import base64

    suspects = [
        {**suspect, "source": picture(base64.b64decode(suspect["image"]))}
        for suspect in result["suspects"][:SHOWN]
    ]
    try:
        return write_atomically(page, render("audit.html", audit=result, suspects=suspects))
    except OSError as error:
        raise RunError(f"{page}: cannot be written ({error.strerror}); use --out") from error
