"""The paths that read: what is small goes the quick way, all else through threads."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import DataError
from tenfold.reading.reader import Reader, Slot, find_digits, images_of
from tenfold.serving.micro_batcher import Gatherer
from tenfold.serving.query import Asked, asked_of
from tenfold.serving.queue import Queue
from tenfold.serving.requests import SMALL_BODY, announced, is_small, receive, unpack
from tenfold.serving.responses import answer, decoded, read_all, result

T = TypeVar("T")


async def computed(
    queue: Queue,
    request: Request,
    job: Callable[[bytes], T],
    quick: Callable[[bytes], Callable[[], Awaitable[T]] | None],
) -> T:
    """Receive a body and compute what is asked of it.

    Args:
        queue: where it waits.
        request: whose body it is.
        job: computes the answer, in a thread.
        quick: returns how a small body is answered sooner, if it can be.

    Raises:
        Refusal: the body is too long, or too many wait.
        ClientDisconnect: it never came.
    """
    length = announced(request)
    if length is None or length > SMALL_BODY:
        with queue.place("large"):
            body = await receive(request)
            return await queue.in_thread(partial(job, body))
    body = await receive(request)
    soon = quick(body)
    if soon is not None:
        with queue.place("small"):
            return await soon()
    with queue.place("large"):
        return await queue.in_thread(partial(job, body))


class ReadingRoute:
    """POST /v1/read and /v1/read/batch."""

    def __init__(self, session: OnnxClassifier, queue: Queue) -> None:
        self._reader, self._queue = Reader(session), queue
        self._gatherer = Gatherer(session)
        self._name = session.config.name

    async def read(self, request: Request) -> Response:
        """Read the digits in a picture, in several, or in strokes."""
        return await self._read(request, batch=False)

    async def read_batch(self, request: Request) -> Response:
        """Read the digits in many pictures; each that cannot be read has its own error."""
        return await self._read(request, batch=True)

    async def _read(self, request: Request, *, batch: bool) -> Response:
        asked = asked_of(request.scope["query_string"])
        kind = request.headers.get("content-type", "")

        def large(body: bytes) -> bytes:
            sent = unpack(kind, body)
            results = read_all(self._reader, sent, asked.layout, explain=asked.explain)
            return answer(self._name, results, alone_must_do=not batch)

        def quick(body: bytes) -> Callable[[], Awaitable[bytes]] | None:
            return partial(self._small, kind, body, asked) if is_small(body) else None

        found = await computed(self._queue, request, large, quick)
        return Response(found, media_type="application/json")

    async def _small(self, kind: str, body: bytes, asked: Asked) -> bytes:
        (sent,) = unpack(kind, body)

        def find() -> list[Slot] | DataError:
            try:
                return find_digits(decoded(body), asked.layout or "line")
            except DataError as error:
                return error

        slots = await self._queue.in_turn(find)
        if isinstance(slots, DataError):
            results = [result(sent.name, slots, explain=False)]
        else:
            ways = []
            if slots:
                opinions = await self._gatherer.opinions(images_of(slots))
                ways = self._reader.settled(slots, *opinions)
            readings = [reading for way in ways for reading in way]
            results = [result(sent.name, readings, explain=asked.explain)]
        return answer(self._name, results, alone_must_do=True)
