"""`tenfold export`: a run in every format, under its own name."""

import json
from pathlib import Path

import numpy as np
import pytest

from tenfold.bundle.format import SHIPPED
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.bundle.save import copy_bundle
from tenfold.serving import web

from .drawn_pictures import Tenfold


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a run folder called `web`, trained on synthetic digits, and go there."""
    copy_bundle(SHIPPED, tmp_path / "web" / "bundle", "float32")
    config = tmp_path / "web" / "bundle" / "bundle.json"
    config.write_text(config.read_text().replace('"data": "mnist"', '"data": "synthetic"'))
    (tmp_path / "web" / "report.html").write_text("<h1>report</h1>")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(web, "fetch_runtime", list)
    return Path("web")


def test_the_model_is_the_bundle_s(run: Path, tenfold: Tenfold) -> None:
    ended = tenfold("export", run)
    assert ended.code == 0, ended.err
    model = Path("web.onnx").read_bytes()
    assert model == (run / "bundle" / "model.onnx").read_bytes()
    assert ended.out == f"web.onnx  {len(model):,} bytes\n"


def test_a_run_called_web_is_exported_as_a_page(run: Path, tenfold: Tenfold) -> None:
    ended = tenfold("export", run, "--format", "web", "--json")
    assert json.loads(ended.out) == {"page": "web-web/index.html"}
    assert Path("web-web/report.html").read_text() == "<h1>report</h1>"
    model = Path("web-web/model.onnx").read_bytes()
    assert model == (run / "bundle" / "model.onnx").read_bytes()


def test_a_page_is_not_written_between_other_files(run: Path, tenfold: Tenfold) -> None:
    Path("site").mkdir()
    Path("site/index.html").write_text("mine")
    ended = tenfold("export", run, "--format", "web", "--out", "site")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "tenfold: site: holds something else; name a new folder\n"
    assert Path("site/index.html").read_text() == "mine"
    assert [path.name for path in Path("site").iterdir()] == ["index.html"]
    Path("site/index.html").unlink()
    Path("site/model.json").write_text("{}")  # of something else
    assert tenfold("export", run, "--format", "web", "--out", "site").code == 2
    for _ in range(2):  # what it wrote itself is written again
        assert tenfold("export", run, "--format", "web").code == 0


def test_int8_has_a_name_of_its_own(run: Path, tenfold: Tenfold) -> None:
    ended = tenfold("export", run / "bundle", "--int8", "--batch", 4, "--json")
    assert ended.code == 0, ended.err
    size = Path("web.int8.onnx").stat().st_size
    assert json.loads(ended.out) == {"file": "web.int8.onnx", "bytes": size}
    assert size < 400_000


def test_a_bundle_is_written_to_an_empty_folder_only(run: Path, tenfold: Tenfold) -> None:
    Path("web-bundle").mkdir()
    assert tenfold("export", run, "--format", "bundle").code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["web", "web-bundle"]
    images = np.zeros((1, 28, 28), np.uint8)
    original, copy = (OnnxClassifier.load(f) for f in (run / "bundle", Path("web-bundle")))
    np.testing.assert_array_equal(copy.probabilities(images), original.probabilities(images))
    ended = tenfold("export", run, "--format", "bundle")
    assert ended.code == 2
    assert ended.err == ("tenfold: --out web-bundle: is not an empty folder; name a new one\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "web", "--int8"], "--int8 and --batch go with --format onnx"),
        (["--format", "bundle", "--batch", 3], "--int8 and --batch go with --format onnx"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[object], message: str, run: Path, tenfold: Tenfold
) -> None:
    ended = tenfold("export", run, *arguments)
    assert (ended.code, ended.err) == (2, f"tenfold: {message}\n")
    assert [path.name for path in Path().iterdir()] == ["web"]
