"""The files of the page, as the service and the static site use them."""

from pathlib import Path

PAGE_FOLDER = Path(__file__).parents[1] / "page"
FORMS_FOLDER = PAGE_FOLDER / "forms"  # pages of other commands, in a folder each
# Of the page's files. Windows may know others: the registry decides what `mimetypes` says.
MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


def page_files(folder: Path = PAGE_FOLDER) -> dict[str, bytes]:
    """Return the files of the page by their path in its folder, `index.html` last."""
    paths = [path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES]
    if folder == PAGE_FOLDER:
        paths = [path for path in paths if FORMS_FOLDER not in path.parents]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}
    return files | {"index.html": files.pop("index.html")}
