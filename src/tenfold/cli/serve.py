"""`tenfold serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import ModelOption
from tenfold.errors import MissingExtraError, TenfoldError

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def serve(  # noqa: PLR0913 - a command line
    *,
    model: ModelOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Show this run's report too.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Callers must bear the token in this file [default: that in TENFOLD_TOKEN]."
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let pages of this origin call; may be repeated."),
    ] = None,
) -> None:
    """Serve a page to draw on, and digits read over HTTP."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    token = _token(token_file)
    try:
        from tenfold.serving import server
        from tenfold.serving.app import Settings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "tenfold":
            raise
        raise MissingExtraError("tenfold serve", "serve") from error
    from tenfold.bundle.format import SHIPPED

    def announce(url: str) -> None:
        typer.echo(f"tenfold serve: {url}")
        if token is None and host not in _LOOPBACK:
            typer.echo(
                "tenfold: anyone who reaches this machine may call; see --token-file", err=True
            )

    settings = Settings(model or SHIPPED, token, tuple(cors or ()), report)
    server.serve(settings, host, port, workers, announce)


def _token(file: Path | None) -> str | None:
    """Return the token that callers must bear.

    Raises:
        TenfoldError: the file cannot be read, or holds none.
    """
    if file is None:
        token, source = os.environ.get("TENFOLD_TOKEN"), "TENFOLD_TOKEN"
    else:
        source = str(file)
        try:
            token = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise TenfoldError(f"{file}: cannot be read ({reason})") from error
    if token is None:
        return None
    token = token.strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise TenfoldError(f"{source}: a token is one word of printable ASCII characters")
    return token
