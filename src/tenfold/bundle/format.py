"""A bundle on disk: a trained classifier as a folder of files.

    bundle.json            format, networks, calibration, SHA-256 of the other files
    model.onnx             the networks as one ONNX graph: what reads digits
    card.md                what the classifier is, how it was trained
    weights.safetensors    tensors named `00.blocks.0.convolution.weight`, …: for torch
    detector.onnx          finds the digits of numbers on pages; not every bundle has one
    line.onnx              reads a number as a whole; not every bundle has one
    crop.onnx              judges a doubtful digit by its crop; not every bundle has one
    cells.onnx             finds the cells of grids and tables; not every bundle has one

Reading a bundle executes no code from it. This module needs neither torch, safetensors nor onnx;
`weights.py` and `save.py` do.
"""

import contextlib
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from tenfold.bundle.test_time_augmentation import TestTimeAugmentation
from tenfold.errors import BundleError
from tenfold.model.config import NetworkConfig
from tenfold.model.crop_config import CropConfig
from tenfold.model.detector_config import DetectorConfig
from tenfold.model.line_config import LineConfig
from tenfold.untrusted import Frozen, fault_line, first_fault, read_bytes, read_text

BUNDLES = Path(__file__).parents[1] / "bundles"  # the shipped bundles, by name
SHIPPED = BUNDLES / "field"

CONFIG_FILE, MODEL_FILE = "bundle.json", "model.onnx"
CARD_FILE, WEIGHTS_FILE = "card.md", "weights.safetensors"

MAX_MEMBERS = 1000
MAX_CONFIG_BYTES = 4 * 2**20
MAX_CARD_BYTES = 2**20
MAX_NETWORKS_BYTES = 512 * 2**20  # of model.onnx, and of weights.safetensors

WeightType = Literal["float32", "int8"]

# The input and the outputs of model.onnx.
IMAGES, PROBABILITIES, MEMBERS = "images", "probabilities", "members"


class BundleFacts(Frozen):
    """How a bundle's networks were trained."""

    recipe: str | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    data: str | None = Field(default=None, description="the data set that was trained on")


class NetworkFacts(Frozen):
    """A network of a bundle that is not the classifier, and how it was trained.

    Attributes:
        KEY: in `bundle.json`.
        DOES: what it does, for the card.
    """

    KEY: ClassVar[str]
    DOES: ClassVar[str]

    members: int = Field(default=1, ge=1, description="networks whose outputs are averaged")
    sha256: str = ""
    recipe: str | None = None
    seed: int | None = None
    data: str | None = Field(
        default=None, description="the data sets whose digits it has learned from, joined by +"
    )

    @classmethod
    def file_name(cls) -> str:
        """Return the name of its file in a bundle."""
        return f"{cls.KEY}.onnx"


Facts = TypeVar("Facts", bound=NetworkFacts)


class DetectorFacts(NetworkFacts):
    """The detector of a bundle that reads numbers, and when they are believed."""

    KEY = "detector"
    DOES = "finds the digits of numbers"

    network: DetectorConfig
    calibration: tuple[float, float] = Field(
        default=(1.0, 0.0),
        description="slope and intercept of a number's calibrated logit over the raw one, "
        "fitted with all networks of the bundle that read numbers",
    )
    min_probability: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="numbers with a calibrated probability below are unsure",
    )


class LineFacts(NetworkFacts):
    """The line recogniser of a bundle."""

    KEY = "line"
    DOES = "reads numbers as wholes"

    network: LineConfig


class CropFacts(NetworkFacts):
    """The crop classifier of a bundle."""

    KEY = "crop"
    DOES = "judges doubtful digits, and says which are none"

    network: CropConfig


class CellDetectorFacts(NetworkFacts):
    """The cell detector of a bundle."""

    KEY = "cells"
    DOES = "finds the cells of grids and tables"

    network: DetectorConfig


NETWORKS: tuple[type[NetworkFacts], ...] = (DetectorFacts, LineFacts, CropFacts, CellDetectorFacts)


class BundleConfig(Frozen):
    """The contents of `bundle.json`."""

    format: Literal[2] = 2
    name: str
    members: tuple[NetworkConfig, ...] = Field(min_length=1, max_length=MAX_MEMBERS)
    test_time_augmentation: TestTimeAugmentation = "none"
    temperature: float = Field(default=1.0, gt=0)
    rejection_threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="a reading is rejected if its calibrated probability is below this",
    )
    weight_type: WeightType = Field(
        default="float32",
        description="how model.onnx keeps its weights; all is computed in float32",
    )
    model_sha256: str = ""
    weights_sha256: str = ""
    detector: DetectorFacts | None = None
    line: LineFacts | None = None
    crop: CropFacts | None = None
    cells: CellDetectorFacts | None = None
    facts: BundleFacts = BundleFacts()

    def to_json(self) -> str:
        """Return the text of `bundle.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


def find_bundle(path: str | Path) -> Path:
    """Return a bundle's folder: `path`, the bundle of a run folder, or the shipped one named so."""
    path, shipped = Path(path), BUNDLES / path
    if not path.exists() and shipped.is_dir():
        return shipped
    return path / "bundle" if (path / "bundle" / CONFIG_FILE).is_file() else path


def read_config(path: str | Path) -> BundleConfig:
    """Read `bundle.json`, wherever `find_bundle` finds it.

    Raises:
        BundleError: the file is missing, is no config, or has another format.
    """
    file = find_bundle(path) / CONFIG_FILE
    return parse_config(file, _read(file, MAX_CONFIG_BYTES))


def parse_config(file: Path, document: bytes | dict[str, Any]) -> BundleConfig:
    """Check a config that was read from `file`.

    Raises:
        BundleError: it is no config, or has another format.
    """
    try:
        if isinstance(document, bytes):
            return BundleConfig.model_validate_json(document)
        return BundleConfig.model_validate(document)
    except ValidationError as error:
        reason, first = fault_line(error, CONFIG_FILE), first_fault(error)
        if first and first["loc"] == ("format",):
            new = f"`tenfold export {file.parent} --format bundle --out NEW`"
            old = f"format: 1 is old; convert: {new}"
            reason = old if first["input"] == 1 else f"{reason}; a newer tenfold may read it"
        raise BundleError(f"{file}: {reason}") from error


def read_model(path: str | Path) -> tuple[BundleConfig, bytes]:
    """Read a bundle for inference: its config, and the bytes of `model.onnx`.

    Args:
        path: see `find_bundle`; the shipped bundles are `field` and `single`.

    Raises:
        BundleError: a file is missing or damaged.
    """
    config = read_config(path)
    return config, read_hashed(find_bundle(path) / MODEL_FILE, config.model_sha256)


def read_network(path: str | Path, kind: type[Facts]) -> tuple[Facts, bytes] | None:
    """Read a network of a bundle, and the bytes of its ONNX file; None if it has none.

    Args:
        path: see `find_bundle`.
        kind: one of `NETWORKS`.

    Raises:
        BundleError: a file is missing or damaged.
    """
    facts: Facts | None = getattr(read_config(path), kind.KEY)
    if facts is None:
        return None
    return facts, read_hashed(find_bundle(path) / kind.file_name(), facts.sha256)


def find_network(path: str | Path, kind: type[Facts]) -> tuple[Path, Facts, bytes]:
    """Read a network of a bundle, or of the shipped bundle if it has none.

    Returns:
        its file, and what `read_network` gives.

    Raises:
        BundleError: a file is missing or damaged.
    """
    for bundle in (path, SHIPPED):
        if (found := read_network(bundle, kind)) is not None:
            return find_bundle(bundle) / kind.file_name(), *found
    raise BundleError(f"{SHIPPED}: has no {kind.file_name()}; install tenfold again")


def reading_files(path: str | Path) -> list[Path]:
    """Return the files of a bundle that reading needs."""
    names = (CONFIG_FILE, MODEL_FILE, *(kind.file_name() for kind in NETWORKS))
    files = (find_bundle(path) / name for name in names)
    return [file for file in files if file.exists()]


@cache
def shipped_networks() -> frozenset[str]:
    """Return the SHA-256 of every ONNX file that comes with the package."""
    hashes = set()
    for file in BUNDLES.glob(f"*/{CONFIG_FILE}"):
        with contextlib.suppress(BundleError):  # who reads that bundle is told
            config = read_config(file.parent)
            networks = (getattr(config, kind.KEY) for kind in NETWORKS)
            hashes |= {config.model_sha256, *(facts.sha256 for facts in networks if facts)}
    return frozenset(hashes)


def read_hashed(file: Path, sha256: str) -> bytes:
    """Read a file of a bundle, and compare it with the SHA-256 in `bundle.json`.

    Raises:
        BundleError: the file is missing, or is another one.
    """
    data = _read(file, MAX_NETWORKS_BYTES)
    actual = hashlib.sha256(data).hexdigest()
    if actual != sha256:
        raise BundleError(f"{file}: expected SHA-256 {sha256 or '(none)'}, found {actual}")
    return data


def read_card(path: str | Path) -> str:
    """Return a bundle's card, Markdown; empty if it has none.

    Raises:
        BundleError: it is not UTF-8, or is too large.
    """
    card = find_bundle(path) / CARD_FILE
    return read_text(card, BundleError, limit=MAX_CARD_BYTES) if card.exists() else ""


def _read(file: Path, limit: int) -> bytes:
    return read_bytes(file, BundleError, "name a run or bundle folder", limit)
