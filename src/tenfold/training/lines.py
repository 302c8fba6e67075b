"""The task of a recipe with a `[line]` table: read the numbers of rendered fields as wholes."""

import itertools
from collections.abc import Sequence
from functools import lru_cache, partial

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name every PyTorch reader expects

from tenfold.arrays import Grey
from tenfold.artifacts.training import LineRecord
from tenfold.bundle.detector_runtime import shipped_detector
from tenfold.data.digits import Digits
from tenfold.data.seeds import derive_seed
from tenfold.model.line_config import LineConfig
from tenfold.model.line_network import BLANK, LineNetwork
from tenfold.model.trainable import TrainableNetwork
from tenfold.training.initial_weights import initialise
from tenfold.training.line_renderer import LabelledLine, LineRenderer
from tenfold.training.recipe import Recipe
from tenfold.training.schedule import Schedule
from tenfold.training.task import Measurement, Task

# Lines of so many batches are sorted by width: what they are widened by costs time.
SORTED_BATCHES = 12
MEASURED_TOGETHER = 50
NO_CHARACTER = -1  # fills the rows of labels


def stack_lines(lines: Sequence[LabelledLine]) -> tuple[Tensor, Tensor]:
    """Return pixels uint8[n, 32, w] and labels int64[n, k]; rows end with -1."""
    width = max(line.pixels.shape[1] for line in lines)
    longest = max(1, *(len(line.labels) for line in lines))
    labels = np.full((len(lines), longest), NO_CHARACTER)
    for row, line in zip(labels, lines, strict=True):
        row[: len(line.labels)] = line.labels
    pixels = np.stack([widened(line.pixels, width) for line in lines])
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def widened(crop: Grey, width: int) -> Grey:
    """Return uint8[32, w] as uint8[32, width], with paper on the right."""
    edge = np.concatenate([crop[:, :2].ravel(), crop[:, -2:].ravel()])
    more = (0, 0, 0, width - crop.shape[1])
    level = int(np.median(edge))
    return np.asarray(cv2.copyMakeBorder(crop, *more, cv2.BORDER_CONSTANT, value=level), np.uint8)


def ctc_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of -log p of the labels over a batch.

    Args:
        logits: float32[n, 15, t].
        labels: int64[n, k]; rows end with -1. A line that does not fit into the steps counts as 0.
    """
    log_p = logits.float().log_softmax(1).permute(2, 0, 1)
    present = labels != NO_CHARACTER
    steps = torch.full((len(labels),), len(log_p), dtype=torch.long)
    losses = F.ctc_loss(
        log_p,
        torch.where(present, labels + 1, 0),
        steps,
        present.sum(1),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return losses.sum()


class LineBatches:
    """Training batches as a pure function of the renderer's seed, its detector and the step.

    Args:
        renderer: of lines.
        schedule: how many lines a batch has.
        device: where batches are put.
    """

    def __init__(self, renderer: LineRenderer, schedule: Schedule, device: torch.device) -> None:
        self.renderer = renderer
        self.schedule = schedule
        self.device = device
        self._sorted = lru_cache(maxsize=1)(self._lines_of)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of iteration `step`."""
        chunk, place = divmod(step, SORTED_BATCHES)
        pixels, labels = stack_lines(self._sorted(chunk)[place])
        return pixels.to(self.device), labels.to(self.device)

    def _lines_of(self, chunk: int) -> list[list[LabelledLine]]:
        """Return the lines of some batches, each of lines of similar width, in random order."""
        start = chunk * SORTED_BATCHES
        steps = range(start, min(start + SORTED_BATCHES, self.schedule.iterations))
        sizes = [self.schedule.at(step).batch_size for step in steps]
        first = self.schedule.images_before(start)
        lines = [self.renderer.render(first + k) for k in range(sum(sizes))]
        lines.sort(key=lambda line: line.pixels.shape[1])
        random = np.random.default_rng(derive_seed(self.renderer.seed, "order", chunk))
        order = random.permutation(len(sizes))  # of a step's batch among those sorted by width
        ends = np.cumsum([sizes[step] for step in np.argsort(order)]).tolist()
        batches = [lines[start:end] for start, end in itertools.pairwise([0, *ends])]
        return [batches[place] for place in order]


def line_task(
    recipe: Recipe,
    member: int,
    training: Digits,
    monitored: Digits,
    device: torch.device | str = "cpu",
) -> Task:
    """Return what a line recogniser is trained on; see `ObjectKind.task`.

    Half of its lines are what the shipped detector finds.
    """
    device = torch.device(device)
    seed = derive_seed(recipe.seed, "member", member)
    detector = shipped_detector()
    renderer = LineRenderer(training, derive_seed(seed, "lines"), detector)
    held_out = LineRenderer(monitored, derive_seed("validation"), detector)
    lines = [held_out.render(index) for index in range(recipe.fields.evaluation)]
    lines.sort(key=lambda line: line.pixels.shape[1])
    network = LineNetwork(recipe.line or LineConfig())
    return Task(
        network=initialise(network, recipe, seed).to(device),
        batches=LineBatches(renderer, recipe.schedule, device),
        loss=ctc_loss,
        seed=seed,
        measure=partial(measure, lines=lines),
        record=LineRecord,
    )


def measure(network: TrainableNetwork, lines: Sequence[LabelledLine]) -> Measurement:
    """Measure loss, and how many lines are read exactly by the most probable class of each step."""
    device = next(network.parameters()).device
    loss, exact = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(lines), MEASURED_TOGETHER):
            chunk = lines[start : start + MEASURED_TOGETHER]
            pixels, labels = (part.to(device) for part in stack_lines(chunk))
            logits = network(pixels)
            loss += float(ctc_loss(logits, labels))
            read = best_path(logits)
            exact += sum(one == line.labels for one, line in zip(read, chunk, strict=True))
    return Measurement({"loss": loss / len(lines), "exact": exact / len(lines)})


def best_path(logits: Tensor) -> list[list[int]]:
    """Return the characters of the most probable class of each step of [n, 15, t]."""
    rows = []
    for classes in logits.argmax(1):
        changes = torch.unique_consecutive(classes)
        rows.append((changes[changes != BLANK] - 1).tolist())
    return rows
