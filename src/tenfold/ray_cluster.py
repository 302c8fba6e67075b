"""Ray clusters: one of our own on this machine, or one to join."""

import contextlib
import importlib.util
import logging
import os
import re
import secrets
import socket
import sys
from collections.abc import Iterator
from typing import Any

from tenfold.cpu import available_cores
from tenfold.errors import MissingExtraError, TenfoldError

_JOINED = re.compile(r"(ray://)?(?P<host>[^/:\s]+):(?P<port>\d+)")
_PATIENCE_SECONDS = 5.0  # for a machine to answer


@contextlib.contextmanager
def connected(on: str) -> Iterator[Any]:
    """Start or join a Ray cluster for the length of a `with`; yields the module `ray`.

    A cluster that is started here listens on loopback only and asks for a random token, because
    whoever may talk to a cluster may run code on it. A joined one keeps its own rules. Its token
    comes from where Ray looks for it (`RAY_AUTH_MODE`, `RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH`).

    Args:
        on: `ray` starts one with this machine's cores; `HOST:PORT` joins the cluster that this
            machine is a node of; `ray://HOST:PORT` is a client of one elsewhere.

    Raises:
        MissingExtraError: Ray is not installed.
        TenfoldError: `on` is none of these, or no answer from there.
    """
    where = None if on == "ray" else _checked(on)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a warning less
    settings: dict[str, Any] = {"address": where}
    if where is None:
        # Read when Ray is imported. The second keeps Ray from exchanging loopback for this
        # machine's outer address, and with it from listening on every interface.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        settings = {
            "address": "local",
            "num_cpus": available_cores(),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
        }
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--on {on}", "ray") from error
    try:
        ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises bare ones, too
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TenfoldError(
            f"--on {on}: no Ray cluster could be started or joined ({first})"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_cluster(on: str) -> None:
    """Refuse a cluster that cannot be joined, before anything is written; see `connected`.

    Raises:
        MissingExtraError: Ray is not installed.
        TenfoldError: `on` is none of these, or no answer from there.
    """
    if on != "ray":
        _checked(on)
    if "ray" not in sys.modules and importlib.util.find_spec("ray") is None:
        raise MissingExtraError(f"--on {on}", "ray")


def _checked(on: str) -> str:
    """Return the address, once something listens there: Ray itself would try for minutes."""
    found = _JOINED.fullmatch(on)
    if not found:
        raise TenfoldError(f"--on {on}: use ray, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((found["host"], int(found["port"])), _PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise TenfoldError(f"--on {on}: no answer from there ({error})") from error
    return on
