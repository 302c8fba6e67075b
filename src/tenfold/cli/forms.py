"""`tenfold forms`: from filled forms to a table."""

import typer

from tenfold.cli.forms_new import forms_new
from tenfold.cli.forms_read import forms_read
from tenfold.cli.forms_review import forms_review

forms_app = typer.Typer(help="Read filled forms into a table.", no_args_is_help=True)
forms_app.command("new")(forms_new)
forms_app.command("read")(forms_read)
forms_app.command("review")(forms_review)
