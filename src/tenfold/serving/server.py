"""The service as processes that listen on a port."""

import asyncio
import errno
import gc
import logging
import multiprocessing
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config, Server

from tenfold.cpu import available_cores
from tenfold.errors import TenfoldError
from tenfold.processes import end_with_parent
from tenfold.serving.app import Settings, create_app
from tenfold.serving.protocol import Protocol
from tenfold.serving.reader_pool import ReaderPool

KEEP_ALIVE_S = 30
SHUTDOWN_TIMEOUT_S = 25
KILL_AFTER_S = 3  # a worker that has not ended so long after `SHUTDOWN_TIMEOUT_S`
CHECK_WORKERS_S = 0.5
MAX_FAILED_STARTS = 5  # of workers, one after the other
# How soon a thread that has a result may take Python's lock; the default is ten times as long.
THREAD_SWITCH_S = 0.0005
MAX_UNACCEPTED_CONNECTIONS = 1024
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
        fix = "name another --port" if error.errno == errno.EADDRINUSE else "see --host and --port"
        raise TenfoldError(f"{host}:{port}: cannot listen there ({reason}); {fix}") from error


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
        TenfoldError: see `listen`; or the workers cannot start.
    """
    pool = ReaderPool(settings.model, available_cores())
    app = create_app(settings, run_large=pool.run)  # even if only workers serve, for its errors
    listening = listen(host, port)
    # uvicorn raises the signals that it caught again once it has stopped.
    _exit_on_signals()
    announce(_url(host, listening))
    if workers == 1:
        _run(app, pool, listening)
    else:
        del app, pool  # the workers have their own
        _supervise(settings, listening, workers)


def serve_app(app: ASGIApp, port: int, announce: Callable[[str], None]) -> None:
    """Serve an application without readers to this machine; otherwise as `serve`.

    Raises:
        TenfoldError: see `listen`.
    """
    host = "127.0.0.1"
    listening = listen(host, port)
    _exit_on_signals()
    announce(_url(host, listening))
    _run_server(app, listening)


def _url(host: str, listening: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"


def _exit_on_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))


def _run(
    app: ASGIApp,
    pool: ReaderPool,
    listening: socket.socket,
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Serve in this process; call `on_start` once SIGTERM lets it finish what it accepted."""
    pool.start()
    try:
        _run_server(app, listening, on_start)
    finally:
        pool.close()


def _run_server(
    app: ASGIApp, listening: socket.socket, on_start: Callable[[], None] = lambda: None
) -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # clients' mistakes are not logged
    sys.setswitchinterval(THREAD_SWITCH_S)
    gc.collect()
    gc.freeze()  # later collections skip what is loaded now
    config = Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=MAX_UNACCEPTED_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    _Server(config, on_start).run([listening])


class _Server(Server):
    def __init__(self, config: Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        self._on_start()

    async def on_tick(self, counter: int) -> bool:
        """Check the connections' deadlines; uvicorn calls this ten times a second."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, Protocol)  # noqa: S101 - the configured one
            connection.check_deadlines(now)
        return await super().on_tick(counter)

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


@dataclass(frozen=True)
class _Worker:
    """A worker process, and the pipe into which it puts why it could not start, or None."""

    process: BaseProcess
    started: "Connection[Any, Any]"

    def error(self) -> str | None:
        """Return why the worker ended before it served; None if it did serve."""
        try:
            error: str | None = self.started.recv()
        except EOFError:
            return f"exit code {self.process.exitcode}"
        return error


def _supervise(settings: Settings, listening: socket.socket, workers: int) -> None:
    """Keep worker processes running until SIGTERM or Ctrl-C, then let them finish.

    Raises:
        TenfoldError: workers cannot start.
    """
    stopping = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    readers = max(1, available_cores() // workers)
    running = [_start_worker(settings, listening, readers) for _ in range(workers)]
    failed_starts = 0
    while not stopping.wait(CHECK_WORKERS_S):
        for place, worker in enumerate(running):
            if worker.process.is_alive():
                continue
            error = worker.error()
            failed_starts = 0 if error is None else failed_starts + 1
            if failed_starts == MAX_FAILED_STARTS:
                _stop_workers(running, listening)
                raise TenfoldError(f"--workers: {failed_starts} could not start: {error}")
            running[place] = _start_worker(settings, listening, readers)
    _stop_workers(running, listening)


def _start_worker(settings: Settings, listening: socket.socket, readers: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    started, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_worker, args=(settings, listening, readers, theirs))
    process.start()
    theirs.close()
    return _Worker(process, started)


def _stop_workers(running: list[_Worker], listening: socket.socket) -> None:
    """Let the workers finish their requests, and kill those that do not."""
    listening.close()  # otherwise connections would wait in vain
    end = time.monotonic() + SHUTDOWN_TIMEOUT_S + KILL_AFTER_S
    for worker in sorted(running, key=lambda worker: not worker.started.poll()):
        # One that starts would lose the connections that wait, if it were stopped now.
        worker.started.poll(max(0, end - time.monotonic()))
        worker.process.terminate()
    for worker in running:
        worker.process.join(max(0, end - time.monotonic()))
        worker.process.kill()


def _run_worker(
    settings: Settings,
    listening: socket.socket,
    readers: int,
    started: "Connection[Any, Any]",
) -> None:
    """Serve in a process that `_supervise` started."""
    end_with_parent()
    _exit_on_signals()
    pool = ReaderPool(settings.model, readers)
    try:
        app = create_app(settings, run_large=pool.run)
    except TenfoldError as error:
        for number in STOP_SIGNALS:  # an exception while Python ends would print a traceback
            signal.signal(number, signal.SIG_DFL)
        started.send(str(error))
        return
    _run(app, pool, listening, on_start=lambda: started.send(None))
