"""Images of concurrent requests, classified in one batch while the event loop goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from tenfold.bundle.runtime import OnnxClassifier

Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]


class MicroBatcher:
    """Classifies in one thread, which runs ONNX Runtime outside Python's lock.

    No image waits for others. The first one starts a batch of its own; those that arrive while it
    runs form the next batch.
    """

    def __init__(self, classifier: OnnxClassifier) -> None:
        self._classifier = classifier
        self._thread = ThreadPoolExecutor(1, "tenfold-onnx")
        self._pending: list[tuple[Images, asyncio.Future[Probabilities]]] = []
        self._running = False

    async def probabilities(self, images_nhw: Images) -> Probabilities:
        """Return `OnnxClassifier.probabilities` of images uint8[n, 28, 28]: float32[n, 10]."""
        result: asyncio.Future[Probabilities] = asyncio.get_running_loop().create_future()
        self._pending.append((images_nhw, result))
        if not self._running:
            self._start_batch()
        return await result

    def _start_batch(self) -> None:
        batch, self._pending = self._pending, []
        self._running = True
        images = np.concatenate([images for images, _ in batch])
        loop = asyncio.get_running_loop()
        run = loop.run_in_executor(self._thread, self._classifier.probabilities, images)
        run.add_done_callback(lambda done: self._finish_batch(batch, done))

    def _finish_batch(
        self,
        batch: list[tuple[Images, asyncio.Future[Probabilities]]],
        done: asyncio.Future[Probabilities],
    ) -> None:
        self._running = False
        if self._pending:
            self._start_batch()
        start = 0
        for images, result in batch:
            rows = slice(start, start + len(images))
            start += len(images)
            if result.cancelled():
                continue
            if error := done.exception():
                result.set_exception(error)
            else:
                result.set_result(done.result()[rows])
