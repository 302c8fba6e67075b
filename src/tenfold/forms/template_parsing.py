"""Reading `form.toml`, and what is wrong with one."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tenfold.errors import TemplateError
from tenfold.forms.template import Template
from tenfold.untrusted import Fault, describe_fault, describe_faults, line_of, read_toml


def load_template(path: str | Path) -> Template:
    """Read a form's template; its `blank` becomes a path that can be opened.

    Raises:
        TemplateError: not TOML, a key or value that is not allowed, or the blank form is missing.
    """
    path = Path(path)
    text, document = read_toml(path, TemplateError, "draw one with `tenfold forms new`")
    template = parse_template(document, path, text)
    if template.blank is None:
        return template
    blank = path.parent / template.blank
    if not blank.is_file():
        line = line_of(text, ("blank",))
        raise TemplateError(f"{path}:{line}: blank: there is no file {blank}")
    return template.model_copy(update={"blank": blank})


def parse_template(document: dict[str, Any], path: Path, text: str = "") -> Template:
    """Return the template that a document describes.

    Args:
        document: as TOML or JSON has it.
        path: of its file, for messages.
        text: the TOML, in which the line of a fault is looked for.

    Raises:
        TemplateError: a key or value is not allowed.
    """
    try:
        return _validate(document)
    except ValidationError as error:
        location, message = _at_its_key(describe_fault(error, Template))
        line = line_of(text, location)
        place = ".".join(map(str, location))
        raise TemplateError(f"{path}{f':{line}' if line else ''}: {place}: {message}") from error


def template_faults(document: dict[str, Any]) -> list[Fault]:
    """Return what is wrong with a document that should be a template: faults with their places.

    What fields have to do with each other is looked at when each of them is right by itself.
    """
    try:
        _validate(document)
    except ValidationError as error:
        faults = [_at_its_key(fault) for fault in describe_faults(error, Template)]
        # Of a list whose items are all wrong, pydantic also says that it is empty.
        parents = {place[:depth] for place, _ in faults for depth in range(len(place))}
        return [(place, text) for place, text in faults if place not in parents]
    return []


def _validate(document: dict[str, Any]) -> Template:
    # Strict: a "2" or a true where an integer belongs is a mistake, not an integer.
    return Template.model_validate_json(json.dumps(document, default=str), strict=True)


def _at_its_key(fault: Fault) -> Fault:
    """Return a fault at the key that it names.

    What several keys have to do with each other is checked in their table, and names the key.
    """
    location, message = fault
    if named := re.match(r"([a-z_0-9.]+): (.*?)( \(found .*\))?$", message):
        keys = (int(key) if key.isdecimal() else key for key in named[1].split("."))
        return (*location, *keys), named[2]
    return location, message
