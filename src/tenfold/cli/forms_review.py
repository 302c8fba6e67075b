"""`tenfold forms review`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import announced


def forms_review(
    *,
    table: Annotated[Path, typer.Argument(help="A table that `tenfold forms read` wrote.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free port.")] = 8001,
) -> None:
    """Show the doubtful fields of a table to a person, and write what the person enters.

    The most doubtful field comes first. The page is for this machine alone; several people may
    review a table in several windows. The table is written when all is reviewed, and on Ctrl-C.
    """
    from tenfold.folder_lock import exclusive
    from tenfold.forms.review import ReviewSession
    from tenfold.forms.review_folder import find_review
    from tenfold.forms.reviewed_table import write_reviewed_table
    from tenfold.serving.forms_review import create_review_app
    from tenfold.serving.server import serve_app

    folder = find_review(table)
    with exclusive(folder):
        session = ReviewSession(folder)
        write_table = partial(write_reviewed_table, table, session)
        write_table()  # what was reviewed before
        app = create_review_app(session, write_table)
        try:
            serve_app(app, port, announced("tenfold forms review"))
        finally:
            write_table()
            typer.echo(f"{session.progress()}\n{table}")
