"""Bodies that arrive: limits, and which one is given up when there are too many."""

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from tenfold.serving.bodies import BodyReceiver

KIB = 2**10


class Caller:
    """A caller who sends a body in pieces."""

    def __init__(self, **headers: str) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
        self.request = Request({"type": "http", "headers": pairs}, self._messages.get)

    async def send(self, size: int, *, more: bool = True) -> None:
        await self._messages.put({"type": "http.request", "body": bytes(size), "more_body": more})
        await asyncio.sleep(0.001)

    async def leave(self) -> None:
        await self._messages.put({"type": "http.disconnect"})


async def test_a_body_is_joined_from_its_pieces_and_bounded() -> None:
    bodies = BodyReceiver()
    for sizes, fits in (([0], True), ([10, 90], True), ([10, 90, 1], False)):
        caller = Caller()
        for number, size in enumerate(sizes):
            await caller.send(size, more=number < len(sizes) - 1)
        receiving = bodies.receive(caller.request, 100)
        if fits:
            assert len(await receiving) == sum(sizes)
        else:
            with pytest.raises(HTTPException) as caught:
                await receiving
            assert caught.value.status_code == 413
    with pytest.raises(HTTPException) as caught:
        await bodies.receive(Caller(**{"content-length": "101"}).request, 100)
    assert caught.value.status_code == 413
    gone = Caller()
    await gone.leave()
    with pytest.raises(ClientDisconnect):
        await bodies.receive(gone.request, 100)


async def test_the_oldest_body_is_given_up_when_too_much_is_arriving() -> None:
    bodies = BodyReceiver(max_arriving_bytes=100 * KIB)
    slow = [Caller() for _ in range(10)]
    slow_tasks = [asyncio.ensure_future(bodies.receive(c.request, KIB**2)) for c in slow]
    for caller in slow:
        await caller.send(9 * KIB)
    quick = Caller()
    receiving = asyncio.ensure_future(bodies.receive(quick.request, KIB**2))
    await quick.send(15 * KIB)
    await quick.send(5, more=False)
    assert len(await receiving) == 15 * KIB + 5
    with pytest.raises(HTTPException) as caught:
        await slow_tasks[0]
    assert caught.value.status_code == 503
    assert caught.value.headers == {"Retry-After": "1"}
    for caller, task in zip(slow[1:], slow_tasks[1:], strict=True):
        assert not task.done()
        await caller.send(0, more=False)
        assert len(await task) == 9 * KIB
