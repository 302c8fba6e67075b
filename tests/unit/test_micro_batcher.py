"""Images of many requests, classified in one batch."""

import asyncio
import threading
from typing import cast

import numpy as np
import numpy.typing as npt

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.serving.micro_batcher import MicroBatcher, Probabilities


class SlowClassifier:
    """Records the sizes of its batches, waits until it is released, and can fail."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.released = threading.Event()
        self.broken = False

    def probabilities(self, images: npt.NDArray[np.uint8]) -> Probabilities:
        self.released.wait(5)
        self.calls.append(len(images))
        if self.broken:
            raise RuntimeError("broken")
        return images[:, 0, :10].astype(np.float32)


def image(value: int, count: int = 1) -> npt.NDArray[np.uint8]:
    return np.full((count, 28, 28), value, np.uint8)


async def test_images_that_arrive_during_a_batch_form_the_next_one() -> None:
    slow = SlowClassifier()
    batcher = MicroBatcher(cast("OnnxClassifier", slow))
    tasks = [asyncio.ensure_future(batcher.probabilities(image(k, k))) for k in range(1, 6)]
    await asyncio.sleep(0.01)
    tasks[2].cancel()
    slow.released.set()
    rest = tasks[:2] + tasks[3:]
    found = await asyncio.wait_for(asyncio.gather(*rest), 5)
    assert slow.calls == [1, 2 + 3 + 4 + 5]
    for k, p in zip((1, 2, 4, 5), found, strict=True):
        assert p.shape == (k, 10)
        assert (p == k).all()


async def test_an_error_reaches_its_whole_batch_and_not_the_next() -> None:
    slow = SlowClassifier()
    slow.released.set()
    batcher = MicroBatcher(cast("OnnxClassifier", slow))
    slow.broken = True
    failed = await asyncio.gather(
        *(batcher.probabilities(image(k)) for k in range(3)), return_exceptions=True
    )
    assert [str(error) for error in failed] == ["broken"] * 3
    slow.broken = False
    p = await batcher.probabilities(image(7))
    assert (p == 7).all()
