"""The endpoints that read: small PNGs on the event loop, everything else in threads."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import DataError
from tenfold.reading.crops import Layout, find_digits, stack_images
from tenfold.reading.reader import Reader, Reading
from tenfold.serving.micro_batcher import MicroBatcher
from tenfold.serving.query import parse_query
from tenfold.serving.queue import WorkQueue
from tenfold.serving.requests import (
    SMALL_BODY_BYTES,
    content_length,
    is_small_png,
    parse_body,
    receive_body,
)
from tenfold.serving.responses import decode_picture, picture_result, read_items, response_body

T = TypeVar("T")


async def run_job(
    queue: WorkQueue,
    request: Request,
    job: Callable[[bytes], T],
    small_job: Callable[[bytes], Awaitable[T]],
    is_small: Callable[[bytes], bool] = lambda _: True,
) -> T:
    """Receive a body and compute the response to it.

    Args:
        queue: runs the job.
        request: whose body is received.
        job: computes the response in a thread.
        small_job: computes the response to a small body on the event loop.
        is_small: whether a body of at most `SMALL_BODY_BYTES` is small.

    Raises:
        HTTPException: the body is too long (413) or the queue is full (503).
        ClientDisconnect: the client went away.
    """
    length = content_length(request)
    if length is None or length > SMALL_BODY_BYTES:
        with queue.admit("large"):
            body = await receive_body(request)
            return await queue.run_in_thread(partial(job, body))
    body = await receive_body(request)
    if is_small(body):
        with queue.admit("small"):
            return await small_job(body)
    with queue.admit("large"):
        return await queue.run_in_thread(partial(job, body))


class ReadEndpoints:
    """POST /v1/read and /v1/read/batch."""

    def __init__(self, classifier: OnnxClassifier, queue: WorkQueue) -> None:
        self._reader, self._queue = Reader(classifier), queue
        self._batcher = MicroBatcher(classifier)
        self._model = classifier.config.name

    async def read(self, request: Request) -> Response:
        """Read the digits in a picture, in several pictures, or in strokes."""
        return await self._respond(request, batch=False)

    async def read_batch(self, request: Request) -> Response:
        """Read the digits in many pictures. Each that cannot be read has an error of its own."""
        return await self._respond(request, batch=True)

    async def _respond(self, request: Request, *, batch: bool) -> Response:
        options = parse_query(request.scope["query_string"])
        content_type = request.headers.get("content-type", "")

        def job(body: bytes) -> bytes:
            items = parse_body(content_type, body)
            results = read_items(self._reader, items, options.layout, explain=options.explain)
            return response_body(self._model, results, batch=batch)

        async def small_job(png: bytes) -> bytes:
            (item,) = parse_body(content_type, png)
            outcome = await self._read_small_png(png, options.layout or "line")
            results = [picture_result(item.name, outcome, explain=options.explain)]
            return response_body(self._model, results, batch=batch)

        body = await run_job(self._queue, request, job, small_job, is_small_png)
        return Response(body, media_type="application/json")

    async def _read_small_png(self, png: bytes, layout: Layout) -> list[Reading] | DataError:
        try:
            regions = await self._queue.run_on_loop(
                lambda: find_digits(decode_picture(png), layout)
            )
        except DataError as error:
            return error
        if not regions:
            return []
        probabilities = await self._batcher.classify(stack_images(regions))
        return [r for crops in self._reader.resolve(regions, *probabilities) for r in crops]
