"""What the service answers instead of a reading."""


class Refusal(Exception):  # noqa: N818 - nothing is wrong here: the caller can mend it
    """A request that is not served: a status, one line, and perhaps headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def busy() -> Refusal:
    """Return what is said while too much waits already."""
    return Refusal(503, "too many requests wait already; try again", {"Retry-After": "1"})
