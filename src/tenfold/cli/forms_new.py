"""`tenfold forms new`."""

from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import announced


def forms_new(
    *,
    blank: Annotated[Path, typer.Argument(help="The unfilled form: a PDF or a picture.")],
    out: Annotated[Path, typer.Option(help="The template, a TOML file.")] = Path("form.toml"),
    edit: Annotated[
        bool, typer.Option("--edit", help="Change the template that is there.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free port.")] = 8002,
) -> None:
    """Draw the fields of a form on its picture, name them, and write the template.

    The page is for this machine alone. It writes the template when you press Save.
    """
    from tenfold.forms.blank import read_blank
    from tenfold.forms.template_file import TemplateFile
    from tenfold.serving.forms_new import create_template_app
    from tenfold.serving.server import serve_app
    from tenfold.text import escape

    pages = read_blank(blank)
    file = TemplateFile(out, blank, pages, edit=edit)
    if file.former_blank is not None:
        new, former = escape(str(blank)), escape(str(file.former_blank))
        typer.echo(
            f"tenfold: {escape(str(out))}: Save makes {new} its blank form, in place of {former}; "
            "look whether the boxes are still in place",
            err=True,
        )
    serve_app(create_template_app(file, pages), port, announced("tenfold forms new"))
