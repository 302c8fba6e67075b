"""The page as static files, for any web server: the browser reads the digits."""

import json
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import files as files_of
from pathlib import Path
from typing import Any

from tenfold.bundle.format import (
    MODEL_FILE,
    BundleConfig,
    CellDetectorFacts,
    CropFacts,
    DetectorFacts,
    LineFacts,
    find_bundle,
    find_network,
    read_config,
    read_model,
    read_network,
)
from tenfold.data.download import download, file_sha256
from tenfold.data.sources import cache_folder
from tenfold.errors import DataError, TenfoldError, WriteError
from tenfold.files import refuse_links, write_atomically, writing
from tenfold.reading.classification import SingleDigitConfig
from tenfold.reading.grid import GridConfig
from tenfold.reading.number_reader import NumberReaderConfig
from tenfold.serving.assets import page_files

SETTINGS_FILE = "model.json"
NUMBER_CLASSIFIER_FILE = "number-classifier.onnx"  # if it is not the bundle's own
LICENCE_FILES = frozenset({"LICENSE", "ThirdPartyNotices.txt"})
RUNTIME = "onnxruntime-web-1.30.0"
TARBALL_URL = f"https://registry.npmjs.org/onnxruntime-web/-/{RUNTIME}.tgz"
TARBALL_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
# The build for WebAssembly only. On one thread it needs no special headers from the web server.
RUNTIME_SHA256 = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}


def write_site(bundle_path: str | Path, folder: Path, report: Path | None = None) -> Path:
    """Write the page, a bundle's networks and ONNX Runtime into a folder for any web server.

    ONNX Runtime's files come from the npm registry once, and then from the cache.

    Args:
        bundle_path: a bundle folder, or a shipped bundle's name.
        folder: a new folder, or one written before.
        report: a run's `report.html`, for the page's second tab.

    Returns:
        the path of `index.html`, which is written last.

    Raises:
        BundleError: there is no bundle, or it is damaged.
        DataError: see `fetch_runtime`.
        TenfoldError: a file cannot be read or written, or the folder holds something else.
    """
    _refuse_other_folder(folder)
    config = read_config(bundle_path)
    facts, networks = _networks(bundle_path)
    settings = _settings(config, facts, networks) | {"report": report and "report.html"}
    # Written first, and looked for when a killed command is given again; index.html is the last.
    files = {SETTINGS_FILE: (json.dumps(settings, indent=2) + "\n").encode()}
    try:
        files |= {f"runtime/{path.name}": path.read_bytes() for path in fetch_runtime()}
        if report:
            files["report.html"] = report.read_bytes()
    except OSError as error:
        raise TenfoldError(f"{error.filename}: {error.strerror}; name another") from error
    refuse_links(folder)
    for name, content in (files | networks | licences() | page_files()).items():
        write_atomically(folder / name, content)
    return folder / "index.html"


def _refuse_other_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a page that was written before."""
    settings = folder / SETTINGS_FILE
    with writing(folder):
        if settings.is_file() and b'"number_classifier"' in settings.read_bytes():
            return
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise WriteError(f"{folder}: holds something else; name a new folder")


def _networks(bundle: str | Path) -> tuple[DetectorFacts, dict[str, bytes]]:
    """Return the networks that read with a bundle, by the names of their files on the site.

    Returns:
        the detector's facts, and all networks.
    """
    file, facts, detector = find_network(bundle, DetectorFacts)
    cells_file, _, cells = find_network(bundle, CellDetectorFacts)
    networks = {MODEL_FILE: read_model(bundle)[1], file.name: detector, cells_file.name: cells}
    for kind in (LineFacts, CropFacts):
        if found := read_network(file.parent, kind):
            networks[kind.file_name()] = found[1]
    if file.parent != find_bundle(bundle):  # all networks that read numbers are of one bundle
        networks[NUMBER_CLASSIFIER_FILE] = read_model(file.parent)[1]
    return facts, networks


def _settings(
    config: BundleConfig, facts: DetectorFacts, networks: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return what the page has to know of a bundle and of its networks; see `_networks`."""
    shared = NUMBER_CLASSIFIER_FILE not in networks
    has_crop_classifier = CropFacts.file_name() in networks
    return {
        "name": config.name,
        "rejection_threshold": config.rejection_threshold,
        "members": len(config.members),
        "number_classifier": MODEL_FILE if shared else NUMBER_CLASSIFIER_FILE,
        "line": LineFacts.file_name() in networks,
        "crop": has_crop_classifier,
        "single": asdict(SingleDigitConfig()) if has_crop_classifier and shared else None,
        "reader": asdict(NumberReaderConfig.of(facts)),
        "grids": asdict(GridConfig()),
    }


def licences() -> dict[str, bytes]:
    """Return the licences of what a site ships, by their names in it.

    Those of ONNX Runtime are in its Python package: the build for browsers is of the same sources.
    """
    return {
        f"licences/{package}-{path.name.removesuffix('.txt')}.txt": path.read_binary()
        for package in ("tenfold", "onnxruntime")
        for path in files_of(package) or ()
        if path.name in LICENCE_FILES
    }


def fetch_runtime() -> list[Path]:
    """Download ONNX Runtime for browsers into the cache, unless it is there.

    Returns:
        its files, with the expected SHA-256.

    Raises:
        DataError: they cannot be downloaded or written, or have another SHA-256.
    """
    folder = cache_folder() / RUNTIME
    try:
        if not all(_is_intact(folder / name) for name in RUNTIME_SHA256):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
                _unpack_runtime(_download_tarball(Path(staging)), folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return [folder / name for name in RUNTIME_SHA256]


def _is_intact(path: Path) -> bool:
    return path.exists() and file_sha256(path) == RUNTIME_SHA256[path.name]


def _download_tarball(folder: Path) -> Path:
    tarball = folder / "runtime.tgz"
    try:
        download(TARBALL_URL, tarball, "onnxruntime-web")
    except DataError as error:
        raise DataError(f"{TARBALL_URL}: {error}; connect to the network once") from error
    actual = file_sha256(tarball)
    if actual != TARBALL_SHA256:
        raise DataError(f"{TARBALL_URL}: expected SHA-256 {TARBALL_SHA256}, found {actual}")
    return tarball


def _unpack_runtime(tarball: Path, folder: Path) -> None:
    with tarfile.open(tarball) as archive:
        for name in RUNTIME_SHA256:
            file = archive.extractfile(f"package/dist/{name}")
            if file is None:
                raise DataError(f"{TARBALL_URL}: has no {name}")
            write_atomically(folder / name, file.read())
