"""Mix good and hostile requests to `tenfold serve`; print latencies, memory and status codes.

python benchmarks/serving_hostile.py --seconds 300 --out benchmarks/records/serving-hostile.json

Digits come at a constant rate, timed from when they were due: alone, then beside callers who send
nothing, read nothing, leave early, or send what is a lot of work or not allowed. At the end the
service is stopped under this load. Needs Linux's /proc.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measurement import save
from serving import Service, running

DIGITS_PER_SECOND = 50
WARM_UP_S = 5
ALONE_S = 15
TIMEOUT_S = 120


def post(body: bytes, kind: str = "image/png", path: str = "/v1/read", more: str = "") -> bytes:
    """Return a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def post_png(pixels: np.ndarray) -> bytes:
    """Return a request with a picture."""
    return post(cv2.imencode(".png", pixels)[1].tobytes())


def pictures() -> dict[str, bytes]:
    """Return pictures that are a lot of work, as requests."""
    random = np.random.default_rng(0)
    bars = np.full((1500, 1500), 255, np.uint8)
    bars[:, ::4] = 0
    specks = np.where(random.random((1500, 1500)) < 0.02, 0, 255).astype(np.uint8)  # noqa: PLR2004
    noise = random.integers(0, 256, (2000, 2000), dtype=np.uint8)
    return {"bars": post_png(bars), "specks": post_png(specks), "noise": post_png(noise)}


def wrong_requests() -> dict[str, bytes]:
    """Return requests that are to be refused, by what is wrong with them."""
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": [0] * 784}
    json_values: dict[str, dict[str, Any]] = {
        "strokes": {"strokes": [[[1, 2]] * 100_000]},
        "images": {"images": [base64.b64encode(bytes(1000)).decode()] * 500},
        "outputs": {"inputs": [tensor], "outputs": [{"name": "digits"}] * 40_000},
        "strings": {"inputs": [tensor | {"data": ["x" * 900_000]}]},
    }
    requests = {
        "deep": post(b"[" * 10**6, "application/json"),
        "host": b"GET /v1/model HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "origin": post(b"", "text/plain", more="Origin: https://evil.example\r\n"),
        "form": post(b"--x\r\n" * 50_000, "multipart/form-data; boundary=x"),
    }
    for name, value in json_values.items():
        path = "/v2/models/field/infer" if "inputs" in value else "/v1/read"
        requests[name] = post(json.dumps(value).encode(), "application/json", path)
    return requests


class Load:
    """Callers of one service, until it stops."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.latencies_ms: list[float] = []
        self.stopping = False

    async def exchange(self, kind: str, request: bytes) -> None:
        """Send a request on a connection of its own, and read the response."""
        writer, outcome = None, "refused connection"
        with suppress(OSError, TimeoutError, IndexError):
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                outcome = "lost"
                with suppress(ConnectionError):  # the response may have come all the same
                    writer.write(request)
                outcome = (await reader.readline()).split()[1].decode()
        self.statuses[kind][outcome] += 1
        if writer:
            writer.close()

    async def leave(self, request: bytes, after_s: float) -> None:
        """Send, and leave without having read a byte."""
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1024)
            writer.write(request)
            await asyncio.sleep(after_s)
            writer.transport.abort()

    async def repeat(self, caller: Callable[[], Awaitable[None]], pause_s: float) -> None:
        """Let a caller come again and again."""
        while not self.stopping:
            await caller()
            await asyncio.sleep(pause_s)

    async def send_digits(self, request: bytes) -> None:
        """Send digits at a constant rate; keep the milliseconds from when each was due."""

        async def send(due: float) -> None:
            await self.exchange("digit", request)
            self.latencies_ms.append(1000 * (time.perf_counter() - due))

        tasks, due = set(), time.perf_counter()
        while not self.stopping:
            await asyncio.sleep(due - time.perf_counter())
            tasks.add(asyncio.create_task(send(due)))
            due += 1 / DIGITS_PER_SECOND
        await asyncio.gather(*tasks)

    def hostile_callers(self) -> Iterator[Awaitable[None]]:
        """Yield the callers beside those who send digits."""
        unsent = post(b"")[:-5] + b"9000\r\n\r\n"
        unread = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        for request, count in ((unsent, 40), (unsent[:40], 20), (unread, 3)):
            yield from (self.repeat(partial(self.leave, request, 30), 1) for _ in range(count))
        yield from (self.repeat(partial(self.leave, one, 0.3), 2) for one in pictures().values())
        for name, request in (pictures() | wrong_requests()).items():
            yield self.repeat(partial(self.exchange, name, request), 0.5)


def memory_mib(process: int) -> list[int]:
    """Return the resident memory of a process and of its descendants."""
    family, pages = [process], []
    while family:
        one = family.pop(0)
        pages.append(int(Path(f"/proc/{one}/statm").read_text().split()[1]))
        paths = Path(f"/proc/{one}/task").glob("*/children")
        family += [int(child) for path in paths for child in path.read_text().split()]
    return [count * os.sysconf("SC_PAGE_SIZE") // 2**20 for count in pages]


def summary(latencies_ms: list[float]) -> dict[str, float]:
    """Return the number of latencies and their quantiles."""
    p50, p99, worst = np.percentile(latencies_ms, (50, 99, 100)).round(1).tolist()
    return {"requests": len(latencies_ms), "p50_ms": p50, "p99_ms": p99, "worst_ms": worst}


async def measure(service: Service, seconds: int) -> dict[str, Any]:
    """Send digits alone, then the mix, stop the service, and return the figures."""
    load, memory = Load(service.port), []
    callers = list(load.hostile_callers())  # making requests would delay the digits
    digit = np.pad(np.full((18, 3), 255, np.uint8), ((5, 5), (13, 12)))
    digits = asyncio.create_task(load.send_digits(post_png(digit)))
    await asyncio.sleep(WARM_UP_S + ALONE_S)
    alone = summary(load.latencies_ms[WARM_UP_S * DIGITS_PER_SECOND :])
    load.latencies_ms.clear()
    _hostile = [asyncio.ensure_future(one) for one in callers]  # `asyncio.run` ends them
    for _ in range(seconds):
        await asyncio.sleep(1)
        with suppress(OSError):  # a process has just been killed
            memory.append(memory_mib(service.process.pid))
    mixed, statuses = summary(load.latencies_ms), deepcopy(load.statuses)
    stopped = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(service.process.wait, 60)
    stopping_s = round(time.monotonic() - stopped, 1)
    load.stopping = True
    await digits
    return {
        "load_average": os.getloadavg(),
        "digits_alone": alone,
        "digits": mixed,
        "statuses": statuses,
        "memory_mib_every_10_s": memory[::10],
        "sigterm": {"seconds": stopping_s, "exit_code": code},
        "digits_lost": load.statuses["digit"]["lost"],
    }


def main() -> None:
    """Measure, print the figures and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with running() as service:
        figures = asyncio.run(measure(service, options.seconds))
    print(json.dumps(figures, indent=1))
    save(options.out, **figures)
    raise SystemExit(any("500" in counts for counts in figures["statuses"].values()))


if __name__ == "__main__":
    main()
