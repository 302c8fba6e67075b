"""Which origins and hosts may be named for `tenfold serve`: those that a browser sends."""

import pytest

from tenfold.errors import TenfoldError
from tenfold.serving.callers import parse_host, parse_origin

ORIGINS = [
    *("*", "https://a.example", "http://a.example:8080", "http://[::1]:8000", "http://localhost"),
    *("chrome-extension://abcdef", "https://a.example:80"),
]
NO_ORIGINS = [
    *("", "null", "a.example", "https://", "https://a.example/", "https://A.example"),
    *("https://a.example:443", "http://a.example:80", "http://[::1]:80", "https://me@a.example"),
    *("https://a.example?", "https://*.example", "https://a.example:abc", "https://a.example:"),
    *("https://a.example:0443", "https://m\u00fcnchen.example", "file://"),
]
NO_HOSTS = ["", "a:80", "http://a", "a/b", "[::1]", "me@a", "*", "*.a.example", "a b", "\u00e4.b"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    assert parse_origin(origin) == origin


@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(TenfoldError, match="an origin is"):
        parse_origin(origin)


@pytest.mark.parametrize(
    ("name", "host"), [("A.Example", "a.example"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1")]
)
def test_a_host_is_a_name_or_an_address(name: str, host: str) -> None:
    assert parse_host(name) == host


@pytest.mark.parametrize("name", NO_HOSTS)
def test_another_host_is_refused(name: str) -> None:
    with pytest.raises(TenfoldError, match="--allowed-host"):
        parse_host(name)
