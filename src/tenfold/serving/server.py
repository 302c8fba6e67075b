"""The service as processes that listen."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.supervisors import multiprocess

from tenfold.errors import TenfoldError
from tenfold.serving.app import Settings, create_app
from tenfold.serving.protocol import Protocol

KEEP_ALIVE = 30  # seconds that a connection may stay quiet
GRACE = 30  # seconds for what is under way when the service is to stop
_SWITCH = 0.0005  # seconds after which a thread that has a result may ask for Python's lock
_BACKLOG = 1024  # connections that the system keeps for us


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, 0 being any free port.

    Raises:
        TenfoldError: it cannot be.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise TenfoldError(
            f"{host}:{port}: cannot listen there ({reason}); see --host and --port"
        ) from error


def serve(
    settings: Settings, host: str, port: int, workers: int, announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what is under way and return.

    Args:
        settings: of the application.
        host: an address of this machine.
        port: 0 is any free one.
        workers: processes that share the port.
        announce: told the URL once the port is ours.

    Raises:
        BundleError, RunError: see `create_app`.
        TenfoldError: the port cannot be had.
    """
    app = create_app(settings)  # also where only workers serve: an error is told here, once
    bound = listen(host, port)
    # What uvicorn hears while it serves, it raises again when it is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    name = f"[{host}]" if ":" in host else host
    announce(f"http://{name}:{bound.getsockname()[1]}")
    if workers == 1:
        _Server(_config(partial(_settled, app))).run([bound])
        return
    multiprocess.Process = _Process  # type: ignore[misc]  # by this name workers are made
    _Workers(_config(partial(_worker, settings), workers), [bound]).run()


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in whoever stands at the door, close it, and see all of them off."""
        self.lifespan.state["draining"] = True
        waiting = [connection for bound in sockets or () for connection in _at_the_door(bound)]
        for server in self.servers:  # at once: who came now would be cut off
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state)


def _at_the_door(bound: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that the system has made and nobody has taken yet."""
    with suppress(BlockingIOError):
        while True:
            yield bound.accept()[0]


class _Process(multiprocess.Process):
    @property
    def server(self) -> Server:
        """Make a server of our kind."""
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Workers(multiprocess.Multiprocess):
    def terminate_all(self) -> None:
        for bound in self.sockets:  # or connections would wait for nobody
            bound.close()
        super().terminate_all()


def _worker(settings: Settings) -> ASGIApp:
    return _settled(create_app(settings))


def _settled(app: ASGIApp) -> ASGIApp:
    """Prepare this process for a long life."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # callers' mistakes are not ours
    sys.setswitchinterval(_SWITCH)
    gc.collect()
    gc.freeze()  # what is loaded stays; looking through it would be a pause
    return app


def _config(factory: Callable[[], ASGIApp], workers: int = 1) -> Config:
    return Config(
        factory,
        factory=True,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=workers,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
