"""The page as static files: a browser reads digits with no server behind it."""

import json
import tarfile
import tempfile
from pathlib import Path

from tenfold.bundle.format import MODEL_FILE, read_card, read_model
from tenfold.data.download import download, file_sha256
from tenfold.data.sources import cache_folder
from tenfold.errors import DataError, TenfoldError
from tenfold.files import write_atomically

PAGE = Path(__file__).parents[1] / "page"

_RUNTIME = "onnxruntime-web-1.30.0"
_TARBALL = f"https://registry.npmjs.org/onnxruntime-web/-/{_RUNTIME}.tgz"
_TARBALL_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
# The build for WebAssembly alone; on one thread it needs no special headers.
_RUNTIME_SHA256 = {
    "ort.wasm.min.mjs": ("219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b"),
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}


def write_site(
    bundle_path: str | Path, folder: Path, *, report: Path | None = None, cache: Path | None = None
) -> Path:
    """Write the page, a model and what runs it into a folder that any web server can serve.

    ONNX Runtime's files come from the npm registry once, and then from the cache.

    Args:
        bundle_path: a bundle folder, or a shipped one's name.
        folder: new, or written before; `index.html` comes last.
        report: a run's `report.html`, for the page's second tab.
        cache: see `tenfold.data.sources.cache_folder`.

    Returns:
        the page.

    Raises:
        BundleError: no bundle, or a damaged one.
        DataError: ONNX Runtime's files cannot be fetched, or are not the expected ones.
        TenfoldError: a file cannot be read or written.
    """
    config, graph = read_model(bundle_path)
    runtime = fetch_runtime(cache)
    try:
        model = {
            "name": config.name,
            "accept": config.rejection_threshold,
            "members": len(config.members),
            "test_time_augmentation": config.test_time_augmentation,
            "facts": config.facts.model_dump(exclude_none=True),
            "card": read_card(bundle_path),
            "report": report and "report.html",
        }
        written = {path.relative_to(PAGE): path.read_bytes() for path in _files(PAGE)}
        written |= {Path("runtime", path.name): path.read_bytes() for path in runtime}
        if report:
            written[Path("report.html")] = report.read_bytes()
        written[Path(MODEL_FILE)] = graph
        written[Path("model.json")] = (json.dumps(model, indent=2) + "\n").encode()
        page = written.pop(Path("index.html"))
        for name, content in written.items():
            write_atomically(folder / name, content)
        return write_atomically(folder / "index.html", page)
    except OSError as error:
        raise TenfoldError(f"{error.filename or folder}: {error.strerror}; name another") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def fetch_runtime(cache: Path | None = None) -> list[Path]:
    """Bring ONNX Runtime for browsers into the cache.

    Returns:
        its files, checked.

    Raises:
        DataError: they cannot be fetched or kept, or are not the expected ones.
    """
    folder = cache_folder(cache) / _RUNTIME
    paths = [folder / name for name in _RUNTIME_SHA256]
    try:
        if not all(map(_is_right, paths)):
            _unpack_runtime(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return paths


def _unpack_runtime(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
        tarball = Path(staging) / "runtime.tgz"
        try:
            download(_TARBALL, tarball, "onnxruntime-web")
        except DataError as error:
            raise DataError(f"{_TARBALL}: {error}; connect to the network once") from error
        actual = file_sha256(tarball)
        if actual != _TARBALL_SHA256:
            raise DataError(f"{_TARBALL}: expected SHA-256 {_TARBALL_SHA256}, found {actual}")
        with tarfile.open(tarball) as archive:
            for name in _RUNTIME_SHA256:
                file = archive.extractfile(f"package/dist/{name}")
                if file is None:
                    raise DataError(f"{_TARBALL}: has no {name}")
                write_atomically(folder / name, file.read())


def _is_right(path: Path) -> bool:
    return path.exists() and file_sha256(path) == _RUNTIME_SHA256[path.name]
