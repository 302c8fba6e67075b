"""The page on a server of this machine, and a headless browser that draws on it."""

import base64
import contextlib
import functools
import http.server
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import tenfold
from tenfold.rendering.strokes import Points

_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]
TIMEOUT_MS = 120_000  # of a step; a machine may be busy


class _SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve static files, as `python -m http.server` does; gives the address."""
    handler = functools.partial(_SilentHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def serve(*arguments: object, token: str = "") -> Iterator[str]:
    """Run `tenfold serve`; gives the address."""
    command = [sys.executable, "-m", "tenfold", "serve", "--port", "0", *map(str, arguments)]
    source = str(Path(tenfold.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source}
    if token:
        environment["TENFOLD_TOKEN"] = token
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            yield found[0] + "/"
        finally:
            process.terminate()


@contextlib.contextmanager
def serve_forms(*arguments: object, last: str = "") -> Iterator[str]:
    """Run a command of `tenfold forms` that shows a page; gives the address.

    It ends as by Ctrl-C, without an error, and what it prints ends with `last`.
    """
    command = [sys.executable, "-m", "tenfold", "forms", *map(str, arguments), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(tenfold.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, process.returncode
    assert said.endswith(last)


@contextlib.contextmanager
def browse(chromium: str) -> Iterator[Any]:
    """Start a headless browser, given the path of its program."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Page:
    """The page in a browser's tab.

    Attributes:
        tab: Playwright's page.
        errors: of its console and its scripts, and requests to other hosts.
    """

    tab: Any
    errors: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Any, address: str, **options: Any) -> "Page":
        """Open the page in a profile of its own, and wait until it can read."""
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        context.set_default_timeout(TIMEOUT_MS)
        page = cls(context.new_page())
        page.tab.on("pageerror", lambda error: page.errors.append(str(error)))
        page.tab.on("console", page._on_console)
        context.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "blob:", "data:"))
                else page.errors.append(request.url)
            ),
        )
        page.tab.goto(address)
        page.tab.wait_for_selector("#draw[data-ready]")
        return page

    def _on_console(self, message: Any) -> None:
        # A server has no model.json, by which the page knows that it is one.
        if message.type in {"error", "warning"} and "model.json" not in message.location["url"]:
            self.errors.append(f"{message.text} {message.location['url']}")

    def close(self) -> None:
        """Close the tab and its profile."""
        self.tab.context.close()

    def draw(self, strokes: Sequence[Points], left: float, top: float, height: float) -> None:
        """Draw with the mouse; all lengths are fractions of the canvas's height."""
        box = self.tab.locator("#canvas").bounding_box()
        side = box["height"]
        for stroke in strokes:
            places = [
                (box["x"] + (left + x * height) * side, box["y"] + (top + y * height) * side)
                for x, y in stroke.tolist()
            ]
            self.tab.mouse.move(*places[0])
            self.tab.mouse.down()
            for place in places[1:]:
                self.tab.mouse.move(*place)
            self.tab.mouse.up()

    def upload(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Upload a picture uint8[h, w] or uint8[h, w, 3] as a PNG."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        self.upload_file("n.png", "image/png", buffer.getvalue())

    def upload_file(self, name: str, media_type: str, content: bytes) -> None:
        """Upload a file."""
        file = {"name": name, "mimeType": media_type, "buffer": content}
        self.tab.set_input_files("#file", file)

    def cells(self) -> list[list[str]]:
        """Return the texts of the cells of the grid or table that is shown."""
        self.wait()
        texts = "rows => rows.map(row => [...row.querySelectorAll('input')].map(one => one.value))"
        found: list[list[str]] = self.tab.locator("#cells tr").evaluate_all(texts)
        return found

    def wait(self) -> None:
        """Wait until everything on the canvas has been read."""
        self.tab.evaluate("import('./main.js').then((page) => page.readingDone())")

    def clear(self) -> None:
        """Clear the canvas."""
        self.tab.click("#clear")
        self.wait()

    def numbers(self) -> list[dict[str, Any]]:
        """Return the numbers that the page shows; the image of a digit is uint8[h, w]."""
        self.wait()
        found: list[dict[str, Any]] = self.tab.evaluate(
            "import('./main.js').then(({ page }) => page.numbers.map((number) => ({ ...number,"
            " digits: number.digits.map((digit) => ({ ...digit,"
            " image: { ...digit.image, data: [...digit.image.data] } })) })))"
        )
        for digit in (digit for number in found for digit in number["digits"]):
            image = digit["image"]
            digit["image"] = np.array(image["data"], np.uint8).reshape(image["h"], image["w"])
        return found

    def text(self) -> str:
        """Return the numbers in large digits, a space between two."""
        self.wait()
        return " ".join(self.tab.locator("#numbers .number").all_inner_texts())

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the pixels that the page reads."""
        data = self.tab.evaluate(
            "import('./main.js').then(({ canvas }) => canvas.rasterize().toDataURL('image/png'))"
        )
        with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as image:
            return np.asarray(image.convert("RGB"))
