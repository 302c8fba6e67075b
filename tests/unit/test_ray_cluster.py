import socket
import sys
from unittest.mock import Mock

import pytest

from tenfold.errors import MissingExtraError, TenfoldError
from tenfold.ray_cluster import connected


@pytest.mark.parametrize("on", ["", "rai", "ray://", "somewhere", "http://host:1", "host:port"])
def test_an_address_of_another_form_is_refused(on: str) -> None:
    with (
        pytest.raises(TenfoldError, match=r"use ray, HOST:PORT or ray://HOST:PORT"),
        connected(on),
    ):
        pass


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_without_an_answer_is_refused_at_once(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # but nobody listens
        on = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TenfoldError, match=f"--on {on}: no answer from there"), connected(on):
            pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
    wanted = r"--on ray needs .* 'tenfold\[ray\]'"
    with pytest.raises(MissingExtraError, match=wanted), connected("ray"):
        pass


@pytest.mark.parametrize(("text", "shown"), [("", "TimeoutError"), ("a\nb", "a")])
def test_what_ray_raises_is_one_line(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", Mock(init=Mock(side_effect=TimeoutError(text))))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
    wanted = rf"could be started or joined \({shown}\)$"
    with pytest.raises(TenfoldError, match=wanted), connected("ray"):
        pass
