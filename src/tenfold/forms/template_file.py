"""Writing `form.toml`: a new file, or one that was opened to be edited."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from tenfold.errors import TemplateError, WriteError
from tenfold.files import write_atomically
from tenfold.forms.blank import BlankPage
from tenfold.forms.template import PageOfForm, Template
from tenfold.forms.template_parsing import parse_template
from tenfold.untrusted import MAX_TOML_BYTES, read_bytes, read_toml

MAX_LINE = 100  # characters; an array that is longer has a line for each value


class TemplateFile:
    """A template while a person works on it.

    Args:
        path: of the TOML file.
        blank: of the unfilled form.
        pages: of the unfilled form.
        edit: whether the file is there and is to be changed; otherwise it must not be there.

    Attributes:
        document: what the file holds, or what a new one begins with. Its `blank` is the form that
            was given; a file without this key stays without it.
        former_blank: the `blank` of a file to be changed, if it is another form than was given.

    Raises:
        TemplateError: the file to be changed is missing, is no template or has another number of
            pages; or a new one is there already.
    """

    def __init__(self, path: Path, blank: Path, pages: list[BlankPage], *, edit: bool) -> None:
        self.path = path
        self.former_blank: Path | None = None
        self._content: bytes | None = None
        if edit:
            self._content = read_bytes(path, TemplateError, "leave --edit out for a new one")
            text, document = read_toml(path, TemplateError)
            template = parse_template(document, path, text)
            if len(template.pages) != len(pages):
                has = f"has {len(pages)} pages; {path} has {len(template.pages)}"
                raise TemplateError(f"{blank}: {has}")
            self.document = _document(template) | {"pages": _tables(template.pages)}
            if template.blank is not None and not _is_same(path.parent / template.blank, blank):
                self.former_blank = template.blank
                self.document["blank"] = os.path.relpath(blank, path.parent)
            return
        self._refuse_another_s()
        self.document = {
            "name": re.sub(r"[-_\s]+", " ", blank.stem)[:100].strip() or "form",
            "registration": "blank",
            "blank": os.path.relpath(blank, path.parent),
            "pages": _tables(pages),
            "fields": [],
        }

    @property
    def is_written(self) -> bool:
        """Whether there is a file."""
        return self._content is not None

    def write(self, document: dict[str, Any]) -> Template:
        """Write a document, if the file is as this object left it; return its template.

        Raises:
            TemplateError: a key or value is not allowed, it is too long, or somebody else has
                written the file.
            WriteError: it cannot be written.
        """
        template = parse_template(document, self.path)
        content = template_toml(_document(template)).encode()
        if len(content) > MAX_TOML_BYTES:
            raise TemplateError(f"{self.path}: would have {len(content):,} bytes, above the limit")
        self._refuse_another_s()
        write_atomically(self.path, content)
        self._content = content
        return template

    def _refuse_another_s(self) -> None:
        """Refuse to write over what somebody else has written."""
        if self._content is None and os.path.lexists(self.path):
            raise TemplateError(f"{self.path}: is there already; change it with --edit")
        if self._content is not None:
            try:
                unchanged = self.path.read_bytes() == self._content
            except FileNotFoundError:
                return
            except OSError as error:
                raise WriteError(f"{self.path}: {error.strerror}") from error
            if not unchanged:
                raise TemplateError(f"{self.path}: was changed by somebody else; open it again")


def _is_same(former: Path, blank: Path) -> bool:
    """Return whether two paths are one file; a file that has gone is another one."""
    try:
        return former.samefile(blank)
    except OSError:
        return False


def _document(template: Template) -> dict[str, Any]:
    """Return the keys that were set, in the order of the class."""
    return template.model_dump(mode="json", exclude_unset=True)


def _tables(pages: Sequence[BlankPage | PageOfForm]) -> list[dict[str, float]]:
    return [{"width_mm": page.width_mm, "height_mm": page.height_mm} for page in pages]


def template_toml(document: dict[str, Any]) -> str:
    """Return the TOML of a template; a short array is one line."""

    def on_one_line(array: re.Match[str]) -> str:
        values = [line.strip().removesuffix(",") for line in array[2].strip().split("\n")]
        line = f"{array[1]}[{', '.join(values)}]"
        return line if len(line) <= MAX_LINE else array[0]

    tables = {key: value for key, value in document.items() if key not in {"pages", "fields"}}
    text = tomli_w.dumps(tables)
    for key in ("pages", "fields"):
        text += "".join(f"\n[[{key}]]\n{tomli_w.dumps(table)}" for table in document.get(key, ()))
    # A line break within a string is written as \n, so that only arrays have several lines.
    return re.sub(r"^(\w+ = )\[\n((?: {4}.*,\n)+)\]", on_one_line, text, flags=re.MULTILINE)
