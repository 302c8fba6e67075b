"""Load on `tenfold serve`: latency, throughput, overload, memory, stopping, and where time goes.

python benchmarks/serving.py --out benchmarks/records/serving.json        # about 14 minutes
python benchmarks/serving.py --seconds 5 --minutes 0.2                    # a short trial

One worker, one of MNIST's test digits as a PNG of 28×28 a request, over loopback. wrk (a package of
Debian's) saturates; the constant rate has a client of its own that counts from when a request
was due, so that a stall is every request's that it held up.
"""

import argparse
import asyncio
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measurement import save
from PIL import Image

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.decoding import decode
from tenfold.data.sources import load_digits
from tenfold.reading.crops import find_digits, stack_images
from tenfold.reading.reader import Reader
from tenfold.serving.responses import picture_result, response_body

RATE = 200  # requests a second
CLIENTS = 64
# As it would be if each request were classified on the event loop, alone.
ALONE = """
from tenfold.serving.micro_batcher import MicroBatcher
async def classify(self, images): return self._classifier.classify(images)
MicroBatcher.classify = classify
"""


class Service:
    """`tenfold serve` on a free port."""

    def __init__(self, prelude: str = "") -> None:
        code = f"{prelude}\nfrom tenfold.cli import main\nmain()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout  # noqa: S101
        found = re.search(r":(\d+)$", self.process.stdout.readline())
        assert found, "it did not start"  # noqa: S101
        self.port = int(found[1])

    @property
    def memory(self) -> float:
        """Return what it holds, in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> int:
        """End it by SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(prelude: str = "") -> Iterator[Service]:
    """Run a service, warmed up by its caller."""
    service = Service(prelude)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


def wrk(service: Service, picture: Path, clients: int, seconds: float, query: str = "") -> Any:  # noqa: ANN401 - JSON
    """Send as fast as `clients` keep-alive clients can; return what came back."""
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"),
            *("-s", str(Path(__file__).with_suffix(".lua"))),
            f"http://127.0.0.1:{service.port}/v1/read{query}",
        ],
        env=os.environ | {"PICTURE": str(picture)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return told | {"read_per_second": round(told["read"] / told["seconds"], 1)}


async def client(port: int, request: bytes, due: "asyncio.Queue[float]", late: list[float]) -> None:
    """Send a request whenever one is due; note milliseconds from then to its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (when := await due.get()) >= 0:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head  # noqa: S101
        await reader.readexactly(int(length[1]))
        assert head.startswith(b"HTTP/1.1 200 "), head  # noqa: S101
        late.append(1000 * (time.perf_counter() - when))
    writer.close()


async def constant(port: int, request: bytes, seconds: float) -> list[float]:
    """Send `RATE` requests a second, evenly; return their latencies in ms."""
    due: asyncio.Queue[float] = asyncio.Queue()
    late: list[float] = []
    clients = [asyncio.create_task(client(port, request, due, late)) for _ in range(16)]
    begun = time.perf_counter()
    for number in range(int(RATE * seconds)):
        when = begun + number / RATE
        await asyncio.sleep(when - time.perf_counter())
        due.put_nowait(when)
    for _ in clients:
        due.put_nowait(-1)
    await asyncio.gather(*clients)
    return late


def steady(service: Service, body: bytes, seconds: float) -> dict[str, float]:
    """Return latencies at a constant rate."""
    head = (
        f"POST /v1/read HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    asyncio.run(constant(service.port, request, 1))
    late = asyncio.run(constant(service.port, request, seconds))
    p50, p99, worst = np.percentile(late, (50, 99, 100)).round(3).tolist()
    return {"rate": RATE, "requests": len(late), "p50_ms": p50, "p99_ms": p99, "worst_ms": worst}


def lasting(service: Service, picture: Path, minutes: float) -> dict[str, Any]:
    """Return memory over time under saturation."""
    held: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(5):
            held.append(round(service.memory, 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    told = wrk(service, picture, CLIENTS, 60 * minutes)
    stop.set()
    watcher.join()
    return {"minutes": minutes, "mib_every_5_s": held, "load": told}


def stopped(picture: Path) -> dict[str, Any]:
    """Stop a service under load: a request that was sent and not answered is lost."""
    body, answers, lost = picture.read_bytes(), [], []
    with running() as service:

        def hammer() -> None:
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    return
                try:
                    while True:
                        connection.request("POST", "/v1/read", body, {"Content-Type": "image/png"})
                        response = connection.getresponse()
                        response.read()
                        answers.append(response.status)
                        if response.will_close:
                            break
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))

        threads = [threading.Thread(target=hammer) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        code = service.stop()
        for thread in threads:
            thread.join()
    return {
        "answered": len(answers),
        "others": sum(status != http.HTTPStatus.OK for status in answers),
        "lost": lost,
        "exit_code": code,
    }


def parts(bodies: list[bytes]) -> dict[str, float]:
    """Return the microseconds of processor time that each part of a request takes."""
    cv2.setNumThreads(1)
    classifier = OnnxClassifier.load()
    reader = Reader(classifier)
    pixels = [decode(body) for body in bodies]
    slots = [find_digits(one, "line") for one in pixels]
    images = np.concatenate([stack_images(some) for some in slots])
    readings = [reader.read(one) for one in pixels]

    def microseconds(work: Callable[[], object], count: int) -> float:
        best = float("inf")
        for _ in range(7):
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
        return round(1e6 * best / count, 1)

    n = len(bodies)
    figures = {
        "decode": microseconds(lambda: [decode(body) for body in bodies], n),
        "find_line": microseconds(lambda: [find_digits(one, "line") for one in pixels], n),
        "find_single": microseconds(lambda: [find_digits(one, "single") for one in pixels], n),
        "say": microseconds(
            lambda: [
                response_body("field", [picture_result(None, r, explain=False)], batch=False)
                for r in readings
            ],
            n,
        ),
    }
    for batch in (1, 2, 4, 8, 16, 32, 64):
        starts = range(0, len(images) - batch + 1, batch)
        figures[f"classify_{batch}"] = microseconds(
            lambda starts=starts, batch=batch: [  # type: ignore[misc]
                classifier.classify(images[start : start + batch]) for start in starts
            ],
            batch * len(starts),
        )
    return figures


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--minutes", type=float, default=10, help="of watching memory")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bodies = []
    for pixels in load_digits("mnist", "test").images[:128].numpy():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        bodies.append(file.getvalue())
    seconds = options.seconds
    record: dict[str, Any] = {"load_average_before": os.getloadavg()}

    def note(name: str, value: Any) -> None:  # noqa: ANN401 - JSON
        record[name] = value
        print(name, json.dumps(value), flush=True)

    note("processor_microseconds", parts(bodies))
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "digit.png"
        picture.write_bytes(bodies[0])
        with running(ALONE) as service:
            wrk(service, picture, CLIENTS, 2)
            note("saturated_classified_alone", wrk(service, picture, CLIENTS, seconds))
        with running() as service:
            note("steady", steady(service, bodies[0], seconds))
            note("saturated", wrk(service, picture, CLIENTS, seconds))
            note("saturated_single", wrk(service, picture, CLIENTS, seconds, "?single"))
            note("overload", wrk(service, picture, 4 * CLIENTS, seconds))
            note("after_overload", steady(service, bodies[0], min(seconds, 10)))
            note("lasting", lasting(service, picture, options.minutes))
            note("exit_code", service.stop())
        note("stopped_under_load", stopped(picture))
    save(options.out, **record)


if __name__ == "__main__":
    main()
