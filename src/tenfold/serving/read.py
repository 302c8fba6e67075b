"""The endpoints that read: small PNGs in this process, everything else in others."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tenfold.errors import DataError
from tenfold.reading.page import Page
from tenfold.reading.single_digit import crop_digit
from tenfold.serving.bodies import (
    JSON,
    MAX_BODY_BYTES,
    MAX_JSON_BYTES,
    SMALL_BODY_BYTES,
    BodyReceiver,
    media_type,
)
from tenfold.serving.micro_batcher import MicroBatcher
from tenfold.serving.query import ReadOptions, parse_query
from tenfold.serving.queue import WorkQueue
from tenfold.serving.reader_pool import load_reader
from tenfold.serving.requests import is_small_png, parse_body
from tenfold.serving.responses import decode_picture, page_result, read_items, response_body

T = TypeVar("T")

READ_THREADS = 2  # one computes in ONNX Runtime while the other has Python's lock


class RunLarge(Protocol):
    """Runs a job beside the event loop, and stops it when cancelled; see `ReaderPool.run`."""

    async def __call__(self, job: Callable[[bytes], T], body: bytes) -> T:
        """Return `job(body)`."""


class Worker:
    """Receives bodies, and computes the responses to them."""

    def __init__(self, queue: WorkQueue, run_large: RunLarge) -> None:
        self.queue = queue
        self._run_large, self._bodies = run_large, BodyReceiver()

    async def respond(
        self,
        request: Request,
        job: Callable[[bytes], T],
        small_job: Callable[[bytes], Awaitable[T]],
        *,
        is_small: Callable[[bytes], bool] = lambda _: True,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> T:
        """Receive a body and compute the response to it.

        Args:
            request: has the body.
            job: computes the response; can be pickled.
            small_job: computes the response to a small body in this process.
            is_small: whether a body of at most `SMALL_BODY_BYTES` is small.
            max_bytes: of the body, unless it is JSON.

        Raises:
            HTTPException: the body is too long (413), too many requests wait (503), or the job
                takes too long (422).
            ClientDisconnect: the client went away; the job is stopped.
        """
        if media_type(request.headers.get("content-type", "")) == JSON:
            max_bytes = min(max_bytes, MAX_JSON_BYTES)
        body = await self._bodies.receive(request, max_bytes)
        if len(body) <= SMALL_BODY_BYTES and is_small(body):
            with self.queue.admit("small"):
                return await small_job(body)
        with self.queue.admit("large"):
            return await _unless_gone(request, self._run_large(job, body))


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Await work, but cancel it when the client goes away."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())  # the body has come: it awaits the end
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        gone.cancel()
        working.cancel()
        await asyncio.wait({working})


def read_body(
    bundle: str | Path, content_type: str, options: ReadOptions, body: bytes, *, batch: bool
) -> bytes:
    """Compute the response to a reading request, in any process.

    Raises:
        HTTPException: see `parse_body` and `response_body`; or there are several pictures and
            it is no batch (422).
    """
    reader = load_reader(bundle)
    items = parse_body(content_type, body)
    if len(items) > 1 and not batch:
        raise HTTPException(422, f"{len(items)} pictures; send several to /v1/read/batch")
    results = read_items(reader, items, options)
    return response_body(reader.classifier.config.name, results, batch=batch)


def is_small(options: ReadOptions, body: bytes) -> bool:
    """Return whether a body is read in this process.

    It must be a small PNG. The cells of a grid or table are enlarged, and constraints have more
    readings of a number looked at: both may take long with a small picture, too. So may a page
    of a document.
    """
    takes_longer = options.layout in {"grid", "table"} or options.constraints.active
    return not takes_longer and options.page is None and is_small_png(body)


class ReadEndpoints:
    """POST /v1/read and /v1/read/batch."""

    def __init__(self, bundle: str | Path, worker: Worker) -> None:
        self._bundle, self._worker = bundle, worker
        self._reader = load_reader(bundle)
        self._batcher = MicroBatcher(self._reader.classifier)
        self._threads = ThreadPoolExecutor(READ_THREADS, "tenfold-read")
        self._model = self._reader.classifier.config.name

    async def read(self, request: Request) -> Response:
        """Read the numbers in a picture, or the digit that strokes draw."""
        return await self._respond(request, batch=False)

    async def read_batch(self, request: Request) -> Response:
        """Read the numbers in many pictures. Each that cannot be read has an error of its own."""
        return await self._respond(request, batch=True)

    async def _respond(self, request: Request, *, batch: bool) -> Response:
        options = parse_query(request.scope["query_string"])
        if batch and options.page:
            raise HTTPException(422, "page: not in a batch, of which all pages are read")
        content_type = request.headers.get("content-type", "")
        job = partial(read_body, self._bundle, content_type, options, batch=batch)

        async def small_job(png: bytes) -> bytes:
            (item,) = parse_body(content_type, png)
            outcome: Page | DataError
            try:
                outcome = await self._read_small_png(png, options)
            except DataError as error:
                outcome = error
            result = page_result(item.name, outcome, explain=options.explain)
            return response_body(self._model, [result], batch=batch)

        body = await self._worker.respond(
            request, job, small_job, is_small=partial(is_small, options)
        )
        return Response(body, media_type=JSON)

    async def _read_small_png(self, png: bytes, options: ReadOptions) -> Page:
        on_loop = self._worker.queue.run_on_loop
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        if options.layout != "single":
            pixels = await on_loop(lambda: decode_picture(png))
            return await in_thread(
                partial(self._reader.read, pixels, constraints=options.constraints)
            )
        crop = await on_loop(lambda: crop_digit(decode_picture(png)))
        probabilities = await self._batcher.probabilities(crop.image[None])
        finish = partial(self._reader.finish_single, crop, probabilities)
        takes_long = self._reader.may_ask_others(crop, probabilities)
        return await in_thread(finish) if takes_long else finish()
