"""`tenfold serve`."""

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tenfold.cli.output import ModelOption, warn_of_shipped_detector
from tenfold.errors import TenfoldError

MAX_TOKEN_CHARACTERS = 10_000


def serve(  # noqa: PLR0913 - a command line
    *,
    model: ModelOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free port.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Also show this run's report.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Require the bearer token in this file [default: the one in TENFOLD_TOKEN]."
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Allow requests from pages of this origin; may be repeated."
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Accept requests for this host name; may be repeated [default: on a loopback "
            "address localhost, 127.0.0.1 and ::1, otherwise any].",
        ),
    ] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Write a line of JSON for each request.")
    ] = False,
) -> None:
    """Serve a page to draw on, and an HTTP API that reads digits."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    token = _token(token_file)
    if report and token:
        raise TenfoldError("--report: goes without a token: browsers send none for a frame")
    from tenfold.bundle.format import SHIPPED
    from tenfold.serving import server
    from tenfold.serving.app import Settings
    from tenfold.serving.callers import LOOPBACK_HOSTS, parse_origin

    warn_of_shipped_detector(model)
    hosts = _hosts(host, allowed_host or ())
    origins = frozenset(map(parse_origin, cors or ()))
    settings = Settings(model or SHIPPED, token, hosts, origins, report, access_log=access_log)
    is_open = token is None and host not in LOOPBACK_HOSTS
    server.serve(settings, host, port, workers, partial(_announce, is_open=is_open))


def _announce(url: str, *, is_open: bool) -> None:
    typer.echo(f"tenfold serve: {url}")
    if is_open:
        typer.echo(
            "tenfold: anyone who reaches this machine may send requests; see --token-file", err=True
        )


def _hosts(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the names that requests may use for the service; empty for any."""
    from tenfold.serving.callers import LOOPBACK_HOSTS, parse_host

    hosts = frozenset(map(parse_host, allowed))
    return hosts | LOOPBACK_HOSTS if hosts or host in LOOPBACK_HOSTS else hosts


def _token(file: Path | None) -> str | None:
    """Return the token of a file, or of the environment, or None.

    Raises:
        TenfoldError: the file cannot be read, or the token is not one word.
    """
    if file is None:
        token, source = os.environ.get("TENFOLD_TOKEN"), "TENFOLD_TOKEN"
        if token is None:
            return None
    else:
        source = str(file)
        try:
            with file.open(encoding="utf-8") as text:  # a pipe is allowed, so its size is not known
                token = text.read(MAX_TOKEN_CHARACTERS + 1)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise TenfoldError(f"{file}: cannot be read ({reason})") from error
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TenfoldError(f"{file}: a token has at most {MAX_TOKEN_CHARACTERS} characters")
    token = token.strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise TenfoldError(f"{source}: a token is one word of printable ASCII characters")
    return token
