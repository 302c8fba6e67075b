"""The page of an audit: pictures of the labels that are likely wrong."""

from pathlib import Path

from tenfold.artifacts.studies import AuditResult
from tenfold.report.page import digit_uri, render, write_page

MAX_SHOWN = 300


def write_audit(audit: AuditResult, page: Path) -> Path:
    """Write the result of an audit as a page, and beside it as JSON.

    Raises:
        WriteError: it cannot be written.
    """
    suspects = [(suspect, digit_uri(suspect.image)) for suspect in audit.suspects[:MAX_SHOWN]]
    html = render("audit.html", audit=audit, suspects=suspects)
    return write_page(page, html, {page.with_suffix(".json"): audit.to_json()})
