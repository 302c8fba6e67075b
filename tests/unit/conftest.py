"""Fixtures of the tests of the kernels, of the service and of the page."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_driver import Page, browse, serve, serve_folder

from tenfold.data.download import download, file_sha256
from tenfold.data.sources import cache_folder
from tenfold.model.kernels import library
from tenfold.reading.reader import Reader
from tenfold.serving.web import write_site

AXE = "axe-core-4.14.1.tgz"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"


@pytest.fixture
def use_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Choose the kernels as a new process would that finds TENFOLD_KERNELS set."""

    def choose(variant: str) -> None:
        monkeypatch.setenv("TENFOLD_KERNELS", variant)
        library.load.cache_clear()

    yield choose
    monkeypatch.undo()
    library.load.cache_clear()


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests as uvicorn runs the service."""
    return "asyncio"


@pytest.fixture(scope="session")
def reader() -> Reader:
    """Load the shipped bundle."""
    return Reader.load()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Call the service in this process, as Starlette's test client does."""
    from starlette.testclient import TestClient

    from tenfold.serving.app import Settings, create_app

    with TestClient(create_app(Settings()), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="module")
def browser(
    require_tool: Callable[[str], str], require_module: Callable[[str], Any]
) -> Iterator[Any]:
    """Start Chromium, as Debian's package has it."""
    require_module("playwright")
    with browse(require_tool("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the static page; ONNX Runtime is fetched into the user's cache the first time."""
    folder = tmp_path_factory.mktemp("site")
    report = tmp_path_factory.mktemp("run") / "report.html"
    report.write_text("<!doctype html><title>r</title><h1>The report of a run</h1>")
    write_site("field", folder, report=report)
    return folder


@pytest.fixture(scope="session")
def site(site_folder: Path) -> Iterator[str]:
    """Serve the static page: its address."""
    with serve_folder(site_folder) as address:
        yield address


@pytest.fixture
def static(browser: Any, site: str) -> Iterator[Page]:
    """Open the static page; any error and any request to another host fails the test."""
    page = Page.open(browser, site)
    yield page
    assert page.errors == []
    page.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `tenfold serve` with a report: its address."""
    run = tmp_path_factory.mktemp("run")
    (run / "report.html").write_text("<!doctype html><title>r</title><h1>The report of a run</h1>")
    with serve("--report", run) as address:
        yield address


@pytest.fixture
def served(browser: Any, service: str) -> Iterator[Page]:
    """Open the page of a server; any error and any request to another host fails the test."""
    page = Page.open(browser, service)
    yield page
    assert page.errors == []
    page.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Fetch axe-core from the npm registry into the cache, and return its source."""
    packed = cache_folder() / AXE
    if not packed.exists():
        packed.parent.mkdir(parents=True, exist_ok=True)
        download(f"https://registry.npmjs.org/axe-core/-/{AXE}", packed, "axe-core")
    assert file_sha256(packed) == AXE_SHA256
    with tarfile.open(packed) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source
        return source.read().decode()
