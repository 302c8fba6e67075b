"""Which origins and hosts may be named: those that a browser sends."""

import pytest

from tenfold.errors import TenfoldError
from tenfold.serving.callers import parse_host, parse_origin


@pytest.mark.parametrize(
    "origin", ["*", "https://a.example", "http://a.example:8080", "http://[::1]:8000"]
)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "a.example",
        "https://",
        "https://a.example/",
        "https://A.example",
        "https://a.example:443",
        "http://a.example:80",
        "https://me@a.example",
        "file://a",
        "https://a.example?",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(TenfoldError, match="an origin is"):
        parse_origin(origin)


@pytest.mark.parametrize(
    ("name", "host"), [("A.Example", "a.example"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1")]
)
def test_a_host_is_a_name_or_an_address(name: str, host: str) -> None:
    assert parse_host(name) == host


@pytest.mark.parametrize("name", ["", "a:80", "http://a", "a/b", "[::1]", "me@a"])
def test_a_host_has_no_scheme_port_or_path(name: str) -> None:
    with pytest.raises(TenfoldError, match="--allowed-host"):
        parse_host(name)
