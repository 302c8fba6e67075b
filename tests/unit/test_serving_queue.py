"""The queue, and images gathered from many requests."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.serving import queue as queue_module
from tenfold.serving.errors import Refusal
from tenfold.serving.micro_batcher import Gatherer, Opinions
from tenfold.serving.queue import Queue


def test_small_jobs_are_done_in_turn_with_a_look_at_the_loop_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    clock = [0.0]
    monkeypatch.setattr(queue_module, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def job(number: int) -> Callable[[], int]:
        def done() -> int:
            clock[0] += 0.003
            seen.append(number)
            asyncio.get_running_loop().call_soon(seen.append, "loop")
            return number

        return done

    async def main() -> None:
        queue = Queue()
        numbers = await asyncio.gather(*(queue.in_turn(job(k)) for k in range(4)))
        assert numbers == [0, 1, 2, 3]

    asyncio.run(main())
    assert [entry for entry in seen if entry != "loop"] == [0, 1, 2, 3]
    assert seen.index("loop") == 2  # others are heard after 5 ms of work


def test_a_job_s_error_is_its_own() -> None:
    async def main() -> list[Any]:
        queue = Queue()
        jobs: list[Callable[[], float]] = [lambda: 1 / 1, lambda: 1 / 0, lambda: 1 / 2]
        return await asyncio.gather(*map(queue.in_turn, jobs), return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert (first, third) == (1.0, 0.5)
    assert isinstance(second, ZeroDivisionError)


def test_who_has_gone_is_passed_over() -> None:
    done: list[int] = []

    async def main() -> None:
        queue = Queue()
        jobs = [asyncio.ensure_future(queue.in_turn(lambda k=k: done.append(k))) for k in range(3)]  # type: ignore[misc]
        await asyncio.sleep(0)
        jobs[1].cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    asyncio.run(main())
    assert done == [0, 2]


@pytest.mark.parametrize("size", ["small", "large"])
def test_places_are_bounded_and_given_back(size: Any) -> None:
    queue = Queue(small=2, large=2)
    with queue.place(size), queue.place(size):
        assert queue.waiting == 2
        with pytest.raises(Refusal) as caught, queue.place(size):
            pass
        assert caught.value.status == 503
        with queue.place("large" if size == "small" else "small"):
            assert queue.waiting == 3
    with pytest.raises(KeyError), queue.place(size):
        raise KeyError
    assert queue.waiting == 0


class Slow:
    """A session that counts its calls, and can be held up."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.open = threading.Event()
        self.broken = False

    def classify(self, images: npt.NDArray[np.uint8]) -> Opinions:
        self.open.wait(5)
        self.calls.append(len(images))
        if self.broken:
            raise RuntimeError("broken")
        p = images[:, 0, :10].astype(np.float32)
        return p, p[:, None]


def image(value: int, count: int = 1) -> npt.NDArray[np.uint8]:
    return np.full((count, 28, 28), value, np.uint8)


def test_what_comes_meanwhile_is_classified_together_and_given_back_to_whom_it_belongs() -> None:
    slow = Slow()

    async def main() -> list[Opinions]:
        gatherer = Gatherer(cast("OnnxClassifier", slow))
        tasks = [asyncio.ensure_future(gatherer.opinions(image(k, k))) for k in range(1, 6)]
        await asyncio.sleep(0.01)
        tasks[2].cancel()
        slow.open.set()
        rest = tasks[:2] + tasks[3:]
        return await asyncio.wait_for(asyncio.gather(*rest), 5)

    found = asyncio.run(main())
    assert slow.calls == [1, 2 + 3 + 4 + 5]
    for k, (p, members) in zip((1, 2, 4, 5), found, strict=True):
        assert p.shape == (k, 10)
        assert members.shape == (k, 1, 10)
        assert (p == k).all()
        assert (members == k).all()


def test_an_error_reaches_all_who_wait_and_the_next_are_served() -> None:
    slow = Slow()
    slow.open.set()

    async def main() -> None:
        gatherer = Gatherer(cast("OnnxClassifier", slow))
        slow.broken = True
        failed = await asyncio.gather(
            *(gatherer.opinions(image(k)) for k in range(3)), return_exceptions=True
        )
        assert [str(error) for error in failed] == ["broken"] * 3
        slow.broken = False
        p, _ = await gatherer.opinions(image(7))
        assert (p == 7).all()

    asyncio.run(main())
