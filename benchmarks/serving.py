"""Measure `tenfold serve` under load: latency, throughput, overload, memory and shutdown.

python benchmarks/serving.py --out benchmarks/records/serving.json        # about 14 minutes
python benchmarks/serving.py --seconds 5 --minutes 0.2                    # a short trial

One worker gets one of MNIST's test digits in each request, as a PNG of 28×28, over loopback. wrk
(a Debian package) saturates it. The constant rate has a client of its own, which counts from the
time that a request was due: a stall counts for every request that it delays.
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

from tenfold.data.decoding import decode
from tenfold.data.sources import load_digits
from tenfold.reading.reader import Reader
from tenfold.reading.single_digit import crop_digit
from tenfold.serving.responses import page_result, response_body

REQUESTS_PER_SECOND = 200  # of the constant rate
CLIENTS = 64  # that saturate
SINGLE = "?single"  # as a page sends that has one digit drawn
REPEATS = 7  # the fastest counts


class Service:
    """`tenfold serve` on a free port."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tenfold", "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = self.process.stdout.readline() if self.process.stdout else ""
        port = re.search(r":(\d+)$", address)
        if port is None:
            raise RuntimeError("the service did not start")
        self.port = int(port[1])

    @property
    def memory(self) -> float:
        """Return the resident memory in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running() -> Iterator[Service]:
    """Run a service."""
    service = Service()
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


def wrk(service: Service, picture: Path, clients: int, seconds: float, query: str = SINGLE) -> Any:  # noqa: ANN401 - JSON
    """Send as fast as `clients` keep-alive clients can; return counts and latencies."""
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
    load = json.loads(done.stdout.splitlines()[-1])
    return load | {"read_per_second": round(load["read"] / load["seconds"], 1)}


async def client(
    port: int, request: bytes, due: "asyncio.Queue[float]", latencies_ms: list[float]
) -> None:
    """Send a request whenever one is due; add the milliseconds from then to the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (when := await due.get()) >= 0:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head  # noqa: S101
        await reader.readexactly(int(length[1]))
        assert head.startswith(b"HTTP/1.1 200 "), head  # noqa: S101
        latencies_ms.append(1000 * (time.perf_counter() - when))
    writer.close()


async def send_at_constant_rate(port: int, request: bytes, seconds: float) -> list[float]:
    """Send requests at even intervals; return their latencies in ms."""
    due: asyncio.Queue[float] = asyncio.Queue()
    latencies_ms: list[float] = []
    clients = [asyncio.create_task(client(port, request, due, latencies_ms)) for _ in range(16)]
    start = time.perf_counter()
    for number in range(int(REQUESTS_PER_SECOND * seconds)):
        when = start + number / REQUESTS_PER_SECOND
        await asyncio.sleep(when - time.perf_counter())
        due.put_nowait(when)
    for _ in clients:
        due.put_nowait(-1)
    await asyncio.gather(*clients)
    return latencies_ms


def latency_at_constant_rate(service: Service, body: bytes, seconds: float) -> dict[str, float]:
    """Return latencies at a constant rate."""
    head = (
        f"POST /v1/read{SINGLE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    asyncio.run(send_at_constant_rate(service.port, request, 1))
    latencies_ms = asyncio.run(send_at_constant_rate(service.port, request, seconds))
    p50, p99, worst = np.percentile(latencies_ms, (50, 99, 100)).round(3).tolist()
    return {
        "rate": REQUESTS_PER_SECOND,
        "requests": len(latencies_ms),
        "p50_ms": p50,
        "p99_ms": p99,
        "worst_ms": worst,
    }


def memory_over_time(service: Service, picture: Path, minutes: float) -> dict[str, Any]:
    """Return memory over time under saturation."""
    memory_mib: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(5):
            memory_mib.append(round(service.memory, 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    load = wrk(service, picture, CLIENTS, 60 * minutes)
    stop.set()
    watcher.join()
    return {"minutes": minutes, "mib_every_5_s": memory_mib, "load": load}


def stop_under_load(picture: Path) -> dict[str, Any]:
    """Stop a service under load; a request without a response is lost."""
    body = picture.read_bytes()
    statuses: list[int] = []
    lost: list[str] = []
    with running() as service:

        def send_until_closed() -> None:
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    return
                try:
                    while True:
                        connection.request(
                            "POST", f"/v1/read{SINGLE}", body, {"Content-Type": "image/png"}
                        )
                        response = connection.getresponse()
                        response.read()
                        statuses.append(response.status)
                        if response.will_close:
                            break
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))

        threads = [threading.Thread(target=send_until_closed) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        code = service.stop()
        for thread in threads:
            thread.join()
    return {
        "answered": len(statuses),
        "others": sum(status != http.HTTPStatus.OK for status in statuses),
        "lost": lost,
        "exit_code": code,
    }


def time_by_phase(bodies: list[bytes]) -> dict[str, float]:
    """Return the microseconds of processor time that each phase of a request takes."""
    cv2.setNumThreads(1)
    reader = Reader.load()
    pixels = [decode(body) for body in bodies]
    images = np.stack([crop_digit(one).image for one in pixels])
    pages = [reader.read(one) for one in pixels]

    def microseconds(work: Callable[[], object], count: int) -> float:
        best = float("inf")
        for _ in range(REPEATS):
            start = time.process_time()
            work()
            best = min(best, time.process_time() - start)
        return round(1e6 * best / count, 1)

    n = len(bodies)
    figures = {
        "decode": microseconds(lambda: [decode(body) for body in bodies], n),
        "read_numbers": microseconds(lambda: [reader.read(one) for one in pixels], n),
        "crop_single": microseconds(lambda: [crop_digit(one) for one in pixels], n),
        "respond": microseconds(
            lambda: [
                response_body("field", [page_result(None, page, explain=False)], batch=False)
                for page in pages
            ],
            n,
        ),
    }
    for batch in (1, 2, 4, 8, 16, 32, 64):
        starts = range(0, len(images) - batch + 1, batch)
        figures[f"classify_{batch}"] = microseconds(
            lambda starts=starts, batch=batch: [  # type: ignore[misc]
                reader.classifier.probabilities(images[start : start + batch]) for start in starts
            ],
            batch * len(starts),
        )
    return figures


def main() -> None:
    """Measure, print the figures and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--minutes", type=float, default=10, help="for which memory is watched")
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

    note("processor_microseconds", time_by_phase(bodies))
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "digit.png"
        picture.write_bytes(bodies[0])
        with running() as service:
            note("steady", latency_at_constant_rate(service, bodies[0], seconds))
            note("saturated", wrk(service, picture, CLIENTS, seconds))
            note("saturated_numbers", wrk(service, picture, CLIENTS, seconds, ""))
            note("overload", wrk(service, picture, 4 * CLIENTS, seconds))
            note("after_overload", latency_at_constant_rate(service, bodies[0], min(seconds, 10)))
            note("memory", memory_over_time(service, picture, options.minutes))
            note("exit_code", service.stop())
        note("stopped_under_load", stop_under_load(picture))
    save(options.out, **record)


if __name__ == "__main__":
    main()
