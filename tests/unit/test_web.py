"""The page as static files; what a browser does with them is in test_page.py."""

import hashlib
import io
import json
import tarfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from made_bundles import write_bundle

from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import BUNDLES
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import BundleError, DataError, TenfoldError
from tenfold.reading.classification import SingleDigitConfig
from tenfold.reading.grid import GridConfig
from tenfold.reading.reader import load_number_reader
from tenfold.serving import web
from tenfold.serving.assets import PAGE_FOLDER

NETWORKS = ("model.onnx", "detector.onnx", "line.onnx", "crop.onnx", "cells.onnx")
FILES = {"ort.wasm.min.mjs": b"one", "ort.wasm": b"two"}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the npm registry; give the list of URLs that were requested."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {**FILES, "ort.webgpu.wasm": b"large"}.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    requested: list[str] = []

    def download(url: str, path: Path, _: str) -> None:
        requested.append(url)
        path.write_bytes(packed.getvalue())

    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web, "download", download)
    monkeypatch.setattr(web, "TARBALL_SHA256", hashlib.sha256(packed.getvalue()).hexdigest())
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(web, "RUNTIME_SHA256", hashes)
    return requested


def test_a_site_has_all_its_files(registry: list[str], tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert web.write_site("field", site) == site / "index.html"
    written = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    page = {p.relative_to(PAGE_FOLDER).as_posix() for p in PAGE_FOLDER.rglob("*") if p.is_file()}
    page = {name for name in page if not name.startswith("forms/")}
    licences = {"tenfold-LICENSE", "onnxruntime-LICENSE", "onnxruntime-ThirdPartyNotices"}
    expected = {"model.json", *NETWORKS, *(f"runtime/{name}" for name in FILES)}
    assert written == page | expected | {f"licences/{name}.txt" for name in licences}
    for name, holder in (("tenfold", "tenfold developers"), ("onnxruntime", "Microsoft")):
        text = (site / f"licences/{name}-LICENSE.txt").read_text()
        assert "Permission is hereby granted" in text
        assert holder in text
    assert (site / "runtime" / "ort.wasm").read_bytes() == b"two"

    model = json.loads((site / "model.json").read_text())
    classifier = OnnxClassifier.load("field")
    assert model["rejection_threshold"] == classifier.config.rejection_threshold
    assert model["report"] is None
    assert model["number_classifier"] == "model.onnx"
    numbers = load_number_reader("field")
    assert model["reader"] == json.loads(json.dumps(asdict(numbers.config)))
    assert model["single"] == asdict(SingleDigitConfig())
    assert model["grids"] == json.loads(json.dumps(asdict(GridConfig())))
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    session = onnxruntime.InferenceSession(str(site / "model.onnx"))
    [found] = session.run(["probabilities"], {"images": images})
    np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-5)

    grey = np.full((32, 32), 255, np.uint8)
    grey[8:24, 15:17] = 0
    detector = OnnxDetector((site / "detector.onnx").read_bytes())
    there, here = (one.detect(grey, 0.1) for one in (detector, numbers.detector))
    np.testing.assert_array_equal(there.boxes, here.boxes)

    web.write_site("field", tmp_path / "again")
    assert len(registry) == 1, "the second time the files come from the cache"


def test_a_bundle_without_a_detector_uses_the_shipped_one(
    registry: list[str], tmp_path: Path
) -> None:
    del registry
    bundle = write_bundle(tmp_path / "bundle")
    web.write_site(bundle, tmp_path / "site")
    for name in NETWORKS[1:]:
        shipped = (BUNDLES / "field" / name).read_bytes()
        assert (tmp_path / "site" / name).read_bytes() == shipped
    assert (tmp_path / "site" / "model.onnx").read_bytes() == (bundle / "model.onnx").read_bytes()
    model = json.loads((tmp_path / "site" / "model.json").read_text())
    classifier = (tmp_path / "site" / model["number_classifier"]).read_bytes()
    assert classifier == (BUNDLES / "field" / "model.onnx").read_bytes()
    assert model["single"] is None


def test_a_report_is_copied(registry: list[str], tmp_path: Path) -> None:
    del registry
    report = tmp_path / "report.html"
    report.write_text("<h1>r</h1>")
    web.write_site("field", tmp_path / "site", report=report)
    assert json.loads((tmp_path / "site" / "model.json").read_text())["report"] == "report.html"
    assert (tmp_path / "site" / "report.html").read_text() == "<h1>r</h1>"
    with pytest.raises(TenfoldError, match=r"none\.html: No such file"):
        web.write_site("field", tmp_path / "other", report=tmp_path / "none.html")
    assert not (tmp_path / "other").exists()


def test_files_with_another_hash_are_rejected(
    registry: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(web, "TARBALL_SHA256", "0" * 64)
        with pytest.raises(DataError, match="expected SHA-256 0000"):
            web.write_site("field", tmp_path / "site")
    assert not (tmp_path / "site").exists()
    web.fetch_runtime()
    [damaged] = (tmp_path / "cache").rglob("ort.wasm")
    damaged.write_bytes(b"other")
    web.write_site("field", tmp_path / "site")
    assert (tmp_path / "site" / "runtime" / "ort.wasm").read_bytes() == b"two", "fetched again"
    assert len(registry) == 3


def test_an_unusable_path_is_named(registry: list[str], tmp_path: Path) -> None:
    del registry
    with pytest.raises(BundleError, match="nowhere"):
        web.write_site(tmp_path / "nowhere", tmp_path / "site")
    (tmp_path / "file").write_text("")
    with pytest.raises(TenfoldError, match=r"file.*; name another"):
        web.write_site("field", tmp_path / "file" / "site")


def test_without_a_network_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object) -> None:
        raise DataError("could not be reached")

    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web, "download", download)
    with pytest.raises(DataError, match="could not be reached; connect to the network once"):
        web.write_site("field", tmp_path / "site")
    assert list((tmp_path / "cache").rglob("*.wasm")) == []
