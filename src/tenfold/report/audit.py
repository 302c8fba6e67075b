"""The page of an audit: pictures of the labels that are likely wrong."""

import base64
import json
from pathlib import Path
from typing import Any

from tenfold.errors import RunError
from tenfold.files import write_atomically
from tenfold.report.page import picture, render

SHOWN = 300


def write_audit(result: dict[str, Any], page: Path) -> Path:
    """Write what `tenfold.studies.audit.audit` returned, as a page and beside it as JSON.

    Raises:
        RunError: it cannot be written.
    """
    suspects = [
        {**suspect, "source": picture(base64.b64decode(suspect["image"]))}
        for suspect in result["suspects"][:SHOWN]
    ]
    try:
        write_atomically(page.with_suffix(".json"), json.dumps(result) + "\n")
        return write_atomically(page, render("audit.html", audit=result, suspects=suspects))
    except OSError as error:
        raise RunError(f"{page}: cannot be written ({error.strerror}); use --out") from error
