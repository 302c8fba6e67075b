"""The task of a recipe with a `[roi_head]` table: judge what a detector finds in fields."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.artifacts.training import RoiHeadRecord
from tenfold.bundle.detector_runtime import (
    BOXES,
    CLASS_PROBABILITIES,
    OBJECTNESS,
    PIXELS,
    Detections,
    OnnxDetector,
)
from tenfold.bundle.format import find_detector
from tenfold.bundle.roi_graph import CANDIDATES, build_candidate_graph, without_roi_head
from tenfold.bundle.runtime import open_session
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.model.roi_head import NO_CHARACTER, RoiHead
from tenfold.model.roi_head_config import (
    LABEL_SMOOTHING,
    MAX_SIDE_PX,
    MIN_OBJECTNESS,
    RoiHeadConfig,
)
from tenfold.model.trainable import TrainableNetwork
from tenfold.reading.pyramid import resize, with_margin
from tenfold.rendering.fields import Field, FieldRenderer
from tenfold.rendering.sampling import bernoulli
from tenfold.training.recipe import Recipe, RoiHeadRecipe
from tenfold.training.rendered_batches import RenderedBatches
from tenfold.training.task import Measurement, Task

Floats = npt.NDArray[np.float32]

# The share of the fields that are looked at in another size, and by how much, as powers of two.
RESIZED, OCTAVES = 0.5, (-1.2, 0.6)
# The share of the fields that get a margin, as the reader gives one to pictures.
WITH_MARGIN, MARGIN_PX = 0.5, 8
# A candidate is a character from this intersection over union on, and none below the other.
MIN_OVERLAP, MAX_OVERLAP_OF_NONE = 0.5, 0.35
# Boxes are widened on each side before they are compared: a point is smaller than its error.
BOX_TOLERANCE_PX = 1.5
NOT_LEARNED = -1
MAX_CANDIDATES = 40  # of a field


class CandidateRenderer:
    """Renders fields, finds candidates in them, and labels these.

    Args:
        digits: images of handwritten digits to write with.
        seed: another seed gives other fields.
        detector: the bytes of its ONNX file; an RoI head in it is left out.
        config: of the head that will see the candidates.
    """

    def __init__(self, digits: Digits, seed: int, detector: bytes, config: RoiHeadConfig) -> None:
        self.fields = FieldRenderer(digits, seed)
        self.seed = seed
        first_stage = without_roi_head(onnx.load_from_string(detector))
        self.detector = OnnxDetector(first_stage.SerializeToString())
        graph = build_candidate_graph(config).SerializeToString()
        self.session = open_session(graph, 1, "candidates")

    def render(self, index: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return the candidates of one field, see `tenfold.model.roi_head`, and their labels."""
        random = np.random.default_rng(derive_seed(self.seed, "size", index))
        field = self.fields.render(index)
        scale = 2 ** random.uniform(*OCTAVES) if bernoulli(random, RESIZED) else 1.0
        margin = MARGIN_PX if bernoulli(random, WITH_MARGIN) else 0
        pixels = with_margin(resize(field.pixels, scale), margin)
        found = self.detector.detect(pixels, MIN_OBJECTNESS)
        found = found.of(found.boxes[:, 2:].max(axis=1) < MAX_SIDE_PX)
        found = found.of(np.arange(min(len(found.boxes), MAX_CANDIDATES)))
        labels = candidate_labels(found, field, scale, margin)
        inputs = {
            PIXELS: pixels[None],
            OBJECTNESS: found.objectness,
            CLASS_PROBABILITIES: found.classes,
            BOXES: found.boxes,
        }
        candidates: Floats = self.session.run([CANDIDATES], inputs)[0]
        return candidates, labels


def candidate_labels(
    found: Detections, field: Field, scale: float, margin: float
) -> npt.NDArray[np.int64]:
    """Return what detections should be judged: int64[m], classes, `NO_CHARACTER`, or -1 if unclear.

    Args:
        found: in the field, resized by `scale` and with a margin.
        field: with its labels.
        scale: the size in which it was looked at.
        margin: around it then, pixels.
    """
    labels = np.full(len(found.boxes), NO_CHARACTER)
    if len(field.labels) and len(found.boxes):
        boxes = field.labels[:, 1:5] * np.float32(scale)
        boxes[:, :2] += margin
        overlap = overlaps(found.boxes, boxes)
        best, nearest = overlap.max(axis=1), overlap.argmax(axis=1)
        labels[best >= MAX_OVERLAP_OF_NONE] = NOT_LEARNED
        is_object = best >= MIN_OVERLAP
        labels[is_object] = field.labels[nearest[is_object], 0]
    return labels


def overlaps(first: Floats, second: Floats) -> Floats:
    """Return the intersection over union of each of n boxes with each of k, float32[n, k].

    Both are centre x, centre y, width, height, and are widened by `BOX_TOLERANCE_PX` on each side.
    """
    sizes_n, sizes_k = first[:, 2:] + 2 * BOX_TOLERANCE_PX, second[:, 2:] + 2 * BOX_TOLERANCE_PX
    distance = np.abs(first[:, None, :2] - second[None, :, :2])
    shared = (sizes_n[:, None] + sizes_k[None]) / 2 - distance
    shared = np.minimum(shared, np.minimum(sizes_n[:, None], sizes_k[None])).clip(0).prod(axis=2)
    return np.asarray(shared / (sizes_n.prod(1)[:, None] + sizes_k.prod(1)[None] - shared))


def stack_candidates(
    fields: Sequence[tuple[Floats, npt.NDArray[np.int64]]],
) -> tuple[Tensor, Tensor]:
    """Return the candidates of several fields as one batch, and their labels."""
    candidates, labels = (np.concatenate(part) for part in zip(*fields, strict=True))
    return torch.from_numpy(candidates), torch.from_numpy(labels)


def roi_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy, summed over the candidates that are learned from."""
    return F.cross_entropy(
        logits, labels, ignore_index=NOT_LEARNED, label_smoothing=LABEL_SMOOTHING, reduction="sum"
    )


def measure(network: TrainableNetwork, candidates: Tensor, labels: Tensor) -> Measurement:
    """Measure the mean loss of candidates, and how many are judged right."""
    learned = labels != NOT_LEARNED
    with torch.inference_mode():
        logits = torch.cat([network(part) for part in torch.split(candidates, 500)])[learned]
    loss = float(F.cross_entropy(logits, labels[learned]))
    right = float((logits.argmax(dim=1) == labels[learned]).float().mean())
    return Measurement({"loss": loss, "right": right})


def roi_head_task(
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits,
    device: torch.device | str = "cpu",
) -> Task:
    """Return what an RoI head is trained on.

    Args:
        recipe: detector, head, schedule and seed.
        member: its number, from 0; with the recipe's seed it decides everything random.
        training: digits that the training fields are written with.
        monitored: digits of the fields that evaluations measure.
        device: where it is trained.

    Raises:
        BundleError: the bundle with the detector is damaged.
    """
    settings = recipe.roi_head or RoiHeadRecipe()
    seed = derive_seed(recipe.seed, "member", member)
    _, _, detector = find_detector(settings.bundle)
    config = settings.network
    renderer = CandidateRenderer(training, derive_seed(seed, "fields"), detector, config)
    held_out = CandidateRenderer(monitored, derive_seed("validation"), detector, config)
    fields = [held_out.render(index) for index in range(recipe.fields.evaluation)]
    candidates, labels = (part.to(device) for part in stack_candidates(fields))
    generator = torch.Generator().manual_seed(derive_seed(seed, "weights"))
    return Task(
        network=RoiHead(config).initialise(generator).to(device),
        batches=RenderedBatches(
            renderer.render, stack_candidates, recipe.schedule.images_before, torch.device(device)
        ),
        loss=roi_loss,
        seed=seed,
        measure=partial(measure, candidates=candidates, labels=labels),
        record=RoiHeadRecord,
    )
