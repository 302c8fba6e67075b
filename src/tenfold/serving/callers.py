"""Who may call: hosts, origins and tokens."""

import hmac
import re
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import Scope

from tenfold.errors import TenfoldError

ANY_ORIGIN = "*"
NAME, IPV6 = r"[a-z0-9._-]+", r"[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*"
ORIGIN = rf"[a-z][a-z0-9+.-]*://({NAME}|\[{IPV6}\])(:[1-9][0-9]{{0,4}})?"
WITH_USUAL_PORT = r"http://.*:80|https://.*:443"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def parse_origin(origin: str) -> str:
    """Return an origin as browsers send it, or `*`.

    Raises:
        TenfoldError: no browser sends it, or many pages have it, as `null`.
    """
    if origin != ANY_ORIGIN and (
        not re.fullmatch(ORIGIN, origin) or re.fullmatch(WITH_USUAL_PORT, origin)
    ):
        raise TenfoldError(
            f"--cors {origin}: an origin is https://NAME or http://NAME:PORT in lower case, "
            "without a path or the usual port; or *"
        )
    return origin


def parse_host(name: str) -> str:
    """Return the name of a host in lower case.

    Raises:
        TenfoldError: no browser sends it.
    """
    if not re.fullmatch(rf"{NAME}|{IPV6}", name.lower()):
        raise TenfoldError(
            f"--allowed-host {name}: give a name or an address, without scheme, port and *"
        )
    return name.lower()


class Callers:
    """Decides who may call.

    A browser sends requests of any page that its user has opened. It states the page's origin, and
    in `Host` the name that the page used: with a name that first led to the page's own server and
    then to this machine, a page of another site looks like one of this service.

    Args:
        hosts: names that requests may use for this service; empty allows any.
        origins: whose pages may call, besides the service's own.
        token: the bearer token that requests must have, if any.
        public: paths that need no token.
    """

    def __init__(
        self,
        hosts: frozenset[str],
        origins: frozenset[str],
        token: str | None,
        public: frozenset[str],
    ) -> None:
        self._hosts, self._origins, self._public = hosts, origins, public
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def check_origin(self, scope: Scope) -> None:
        """Check where a request comes from.

        Raises:
            HTTPException: it uses another name for this service (421), or comes from a page of
                another site (403).
        """
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and _hostname(host) not in self._hosts:
            raise HTTPException(421, "this Host is not served; see --allowed-host")
        if self._is_foreign(scope["method"], host, headers):
            raise HTTPException(403, "pages of other sites may not call; see --cors")

    def check_token(self, scope: Scope) -> None:
        """Check the token.

        Raises:
            HTTPException: it is missing or wrong (401).
        """
        if self._authorization is None or scope["path"] in self._public:
            return
        given = next((value for key, value in scope["headers"] if key == b"authorization"), b"")
        if not hmac.compare_digest(given, self._authorization):
            raise HTTPException(
                401, "a token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )

    def _is_foreign(self, method: str, host: str, headers: dict[bytes, bytes]) -> bool:
        origin = headers.get(b"origin")
        if origin is not None:
            text = origin.decode("latin-1")
            is_own = text.partition("://")[2] == host
            return not is_own and text not in self._origins and ANY_ORIGIN not in self._origins
        # A link on another site may lead to the page, but nothing of it may be embedded there.
        is_link = method == "GET" and headers.get(b"sec-fetch-dest") == b"document"
        return headers.get(b"sec-fetch-site") == b"cross-site" and not is_link


def _hostname(host: str) -> str | None:
    """Return the name in a `Host` header, in lower case and without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
