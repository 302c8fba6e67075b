"""The service as processes that listen on a port."""

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

KEEP_ALIVE_S = 30
SHUTDOWN_TIMEOUT_S = 30
# How soon a thread that has a result may take Python's lock; the default is ten times as long.
THREAD_SWITCH_S = 0.0005
MAX_UNACCEPTED_CONNECTIONS = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    Raises:
        TenfoldError: the address or the port is not available.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family, backlog=MAX_UNACCEPTED_CONNECTIONS)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise TenfoldError(
            f"{host}:{port}: cannot listen there ({reason}); see --host and --port"
        ) from error


def serve(
    settings: Settings, host: str, port: int, workers: int, announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C, finish the current requests and return.

    Args:
        settings: the application's.
        host: an address of this machine.
        port: 0 is any free one.
        workers: processes that share the port.
        announce: called with the URL once the socket listens.

    Raises:
        BundleError, RunError: see `create_app`.
        TenfoldError: see `listen`.
    """
    app = create_app(settings)  # even if only workers serve: errors are raised here, once
    listening = listen(host, port)
    # uvicorn raises the signals that it caught again once it has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    name = f"[{host}]" if ":" in host else host
    announce(f"http://{name}:{listening.getsockname()[1]}")
    if workers == 1:
        _Server(_config(partial(_prepare_process, app))).run([listening])
        return
    multiprocess.Process = _Process  # type: ignore[misc]  # uvicorn makes workers of this name
    _Supervisor(_config(partial(_create_worker_app, settings), workers), [listening]).run()


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the connections that wait, stop listening, and finish all requests."""
        self.lifespan.state["draining"] = True
        accepted = [connection for bound in sockets or () for connection in _accept_waiting(bound)]
        for server in self.servers:  # at once: a connection made from now on would be cut off
            server.close()
        loop = asyncio.get_running_loop()
        for connection in accepted:
            await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state)


def _accept_waiting(bound: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that the system has made and uvicorn has not accepted yet."""
    with suppress(BlockingIOError):
        while True:
            yield bound.accept()[0]


class _Process(multiprocess.Process):
    @property
    def server(self) -> Server:
        """Return a `_Server` instead of uvicorn's."""
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Supervisor(multiprocess.Multiprocess):
    def terminate_all(self) -> None:
        for bound in self.sockets:  # otherwise connections would wait in vain
            bound.close()
        super().terminate_all()


def _create_worker_app(settings: Settings) -> ASGIApp:
    return _prepare_process(create_app(settings))


def _prepare_process(app: ASGIApp) -> ASGIApp:
    """Set up logging, thread switching and garbage collection for a long-lived process."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # clients' mistakes are not logged
    sys.setswitchinterval(THREAD_SWITCH_S)
    gc.collect()
    gc.freeze()  # later collections skip what is loaded now
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
        backlog=MAX_UNACCEPTED_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
