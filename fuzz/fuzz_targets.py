"""What is fuzzed: every parser that the project owns, as a function of the bytes that it reads.

A target may raise `EXPECTED` only. Its seeds are the files in `seeds/NAME`.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from starlette.exceptions import HTTPException

from tenfold.artifacts.evaluation import ReaderEvaluation, RunEvaluation
from tenfold.artifacts.finished_run import read_run
from tenfold.artifacts.studies import AuditResult, SweepResult
from tenfold.artifacts.training import JournalRecord, Manifest
from tenfold.bundle import runtime
from tenfold.bundle.crop_runtime import OnnxCropClassifier
from tenfold.bundle.detector_runtime import OnnxDetector
from tenfold.bundle.format import BundleConfig, read_card, read_config
from tenfold.bundle.graph import build_graph
from tenfold.bundle.line_runtime import OnnxLineRecogniser
from tenfold.bundle.save import copy_bundle
from tenfold.bundle.weights import parse_weights
from tenfold.data.archive import unpacked
from tenfold.data.decoding import load_pixels
from tenfold.data.file_pages import file_pages
from tenfold.data.folder import list_labelled_files
from tenfold.data.idx import read_idx
from tenfold.data.pdf import is_pdf
from tenfold.errors import TenfoldError
from tenfold.forms.review_folder import read_fields
from tenfold.forms.template_file import template_toml
from tenfold.forms.template_parsing import load_template
from tenfold.model.config import NetworkConfig
from tenfold.reading.partitions import partition_inputs, pictures_in
from tenfold.report.page import write_report
from tenfold.report.sweep import write_sweep
from tenfold.serving import kserve
from tenfold.serving.query import parse_query
from tenfold.serving.requests import parse_body
from tenfold.studies.space import load_space
from tenfold.studies.sweep import open_sweep
from tenfold.training.checkpoint import load_checkpoint
from tenfold.training.recipe import Recipe, load_recipe

SEEDS = Path(__file__).with_name("seeds")
EXPECTED = (TenfoldError, HTTPException)
FIX = "mend it"
TINY_NETWORK = NetworkConfig(widths=(1,), fully_connected=(2,), normalisation="batch")
TINY_BUNDLE = BundleConfig(name="tiny", members=(TINY_NETWORK,))
CONTENT_TYPES = ("application/json", "multipart/form-data; boundary=x", "image/png")

TRIAL_SECONDS = 2  # a model that takes longer is refused: less than an input may take

Parse = Callable[[bytes], object]
TARGETS: dict[str, Parse] = {}


def target(parse: Parse) -> Parse:
    """Add a function to the table, under its name."""
    TARGETS[parse.__name__.replace("_", "-")] = parse
    return parse


@functools.cache
def folder() -> Path:
    """Return a folder of this process, that is removed at its end."""
    holder = tempfile.TemporaryDirectory(prefix="tenfold-fuzz-")
    folder.holder = holder  # type: ignore[attr-defined]
    return Path(holder.name)


def written(name: str, data: bytes) -> Path:
    """Write a file below the folder of this process."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@functools.cache
def recipe() -> Recipe:
    """Return the recipe that spaces and sweeps change."""
    return load_recipe("swift")


@target
def picture(data: bytes) -> object:
    """Decode the pages of a picture file; PDFs have a process of their own."""
    return None if is_pdf(data) else [load_pixels(page) for page in file_pages(data)]


@target
def idx(data: bytes) -> object:
    """Read an IDX file, gzipped if it says so."""
    gzipped = data.startswith(b"\x1f\x8b")
    return read_idx(written("idx.gz" if gzipped else "idx", data))


@target
def zipped(data: bytes) -> object:
    """Unpack a zip in place of a folder of pictures."""
    with unpacked(written("corrections.zip", data)) as unpacked_folder:
        return list(unpacked_folder.iterdir())


@target
def labels(data: bytes) -> object:
    """Read the table of a folder of pictures."""
    return list_labelled_files(written("labels/labels.csv", data).parent)


@target
def recipe_toml(data: bytes) -> object:
    """Read a recipe."""
    found = load_recipe(written("recipe.toml", data))
    found.schedule.at(0)
    return found.to_toml()


@target
def override(data: bytes) -> object:
    """Apply `--set`."""
    return load_recipe("smoke", data.decode(errors="replace").split("\n"))


@target
def form_toml(data: bytes) -> object:
    """Read a form's template, and write it again."""
    found = load_template(written("form.toml", data))
    return template_toml(found.model_dump(mode="json", exclude_unset=True))


@target
def review_fields(data: bytes) -> object:
    """Read what is to be reviewed."""
    return list(read_fields(written("table.csv.review/fields.jsonl", data).parent))


@target
def space(data: bytes) -> object:
    """Read the space of a sweep."""
    found = load_space(written("space.toml", data), recipe())
    return found.own()


@target
def sweep_journal(data: bytes) -> object:
    """Open a sweep with Optuna's journal."""
    own = load_space(SEEDS / "space" / "space.toml", recipe())
    path = written("sweep/journal.log", data).parent
    with open_sweep(own, path) as sweep:
        return [sweep.space.values(trial.params) for trial in sweep.trials()]


@target
def bundle_json(data: bytes) -> object:
    """Read and convert `bundle.json`."""
    path = written("bundle/bundle.json", data).parent
    try:
        copy_bundle(path, path / "copy")
    except TenfoldError:
        return read_config(path)
    raise AssertionError("a bundle without weights was copied")


@target
def card(data: bytes) -> object:
    """Read the card of a bundle."""
    return read_card(written("card/card.md", data).parent)


@target
def weights(data: bytes) -> object:
    """Read weights, and write the graph of their network."""
    tensors = parse_weights(Path("weights.safetensors"), data, TINY_BUNDLE)
    return build_graph(TINY_BUNDLE, tensors)


@target
def onnx_model(data: bytes) -> object:
    """Load a graph and classify an image."""
    classifier = runtime.OnnxClassifier(TINY_BUNDLE, data)
    return classifier.probabilities(np.zeros((1, 28, 28), np.uint8))


@target
def detector_model(data: bytes) -> object:
    """Load a detector's graph and look at a small page."""
    return OnnxDetector(data).detect(np.zeros((9, 20), np.uint8), 0.1)


@target
def line_model(data: bytes) -> object:
    """Load a line recogniser's graph and read a blank line."""
    return OnnxLineRecogniser(data).log_probabilities(np.zeros((1, 32, 16), np.uint8))


@target
def crop_model(data: bytes) -> object:
    """Load a crop classifier's graph and judge a blank crop."""
    return OnnxCropClassifier(data).probabilities(np.zeros((1, 32, 32), np.uint8))


@target
def checkpoint(data: bytes) -> object:
    """Read a checkpoint."""
    return load_checkpoint(written("checkpoint.safetensors", data))


@target
def artifacts(data: bytes) -> object:
    """Read every kind of JSON file."""
    path = written("artifact.json", data)
    for kind in (Manifest, ReaderEvaluation, AuditResult):
        try:
            return kind.read_file(path, FIX)
        except TenfoldError:
            pass
    return JournalRecord.read_lines(path, FIX)


@target
def report(data: bytes) -> object:
    """Write the report of a run; the three JSON files are in one, the journal is the last."""
    files = ("manifest.json", "evaluation.json", "members/00/journal.jsonl")
    for name, part in zip(files, data.split(b"\n", 2), strict=False):
        written(f"run/{name}", part)
    written("run/recipe.toml", b'name = "fuzz"')
    read_run(folder() / "run")
    return write_report([folder() / "run"])


@target
def evaluation(data: bytes) -> object:
    """Read `evaluation.json`."""
    return RunEvaluation.read_file(written("evaluation.json", data), FIX)


@target
def sweep_json(data: bytes) -> object:
    """Read the result of a sweep and write its page."""
    found = SweepResult.read_file(written("sweep.json", data), FIX)
    return write_sweep(found, folder() / "sweep.html")


@target
def tar(data: bytes) -> object:
    """Take pictures from a tar file."""
    (partition,) = partition_inputs([str(written("pictures.tar", data))], "numbers")
    return sum(1 for _ in pictures_in(partition))


@target
def parquet(data: bytes) -> object:
    """Take pictures from a Parquet file."""
    partitions = partition_inputs([str(written("pictures.parquet", data))], "numbers")
    return sum(1 for partition in partitions for _ in pictures_in(partition))


@target
def request_body(data: bytes) -> object:
    """Parse the body of a reading request; the first byte chooses its type."""
    return parse_body(CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else "", data[1:])


@target
def query(data: bytes) -> object:
    """Parse the query string of a reading request."""
    return parse_query(data)


@target
def kserve_request(data: bytes) -> object:
    """Answer a request of the Open Inference Protocol; the first line is the length of its JSON."""
    length, _, body = data.partition(b"\n")
    headers = {kserve.JSON_LENGTH_HEADER.lower(): length.decode("latin-1")} if length else {}
    return kserve.infer("field", "field", headers, body)
