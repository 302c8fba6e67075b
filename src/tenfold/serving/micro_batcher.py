"""Images of many requests, classified together while the event loop goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from tenfold.bundle.runtime import OnnxClassifier

Opinions = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class Gatherer:
    """Classifies in one thread, outside Python's lock, whatever came since it last began.

    Nothing waits for company: the first image begins a batch of its own, those that come
    meanwhile make up the next.
    """

    def __init__(self, session: OnnxClassifier) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(1, "tenfold-onnx")
        self._waiting: list[tuple[npt.NDArray[np.uint8], asyncio.Future[Opinions]]] = []
        self._busy = False

    async def opinions(self, images_nhw: npt.NDArray[np.uint8]) -> Opinions:
        """Return `OnnxClassifier.classify` of uint8 images [n, 28, 28]."""
        done: asyncio.Future[Opinions] = asyncio.get_running_loop().create_future()
        self._waiting.append((images_nhw, done))
        if not self._busy:
            self._begin()
        return await done

    def _begin(self) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = True
        images = np.concatenate([images for images, _ in batch])
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._thread, self._session.classify, images)
        running.add_done_callback(lambda found: self._end(batch, found))

    def _end(
        self,
        batch: list[tuple[npt.NDArray[np.uint8], asyncio.Future[Opinions]]],
        found: asyncio.Future[Opinions],
    ) -> None:
        self._busy = False
        if self._waiting:
            self._begin()
        start = 0
        for images, done in batch:
            chosen = slice(start, start + len(images))
            start += len(images)
            if done.cancelled():
                continue
            if error := found.exception():
                done.set_exception(error)
            else:
                p, members = found.result()
                done.set_result((p[chosen], members[chosen]))
