"""A finished run to report on, written as a training leaves it, and a reader of pages."""

import base64
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.artifacts.base import ImageSet
from tenfold.artifacts.evaluation import OperatingPoint
from tenfold.artifacts.training import Hardware, Manifest, Timings
from tenfold.evaluation.metrics import ensemble_log_probabilities, measure
from tenfold.evaluation.risk_coverage import measure_risk_coverage

IMAGES = 2000
POINTS = 60
MISTAKES = 40
THRESHOLD = 0.9  # of what is accepted
Edit = Callable[[dict[str, Any]], None]


def predictions() -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities [2, n, 10] of two members, and labels; both misread the first 40."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, IMAGES)
    target = np.where(np.arange(IMAGES) < MISTAKES, (labels + 3) % 10, labels)
    logits = generator.normal(size=(2, IMAGES, 10)) + 7 * np.eye(10)[target]
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits, labels


def evaluation(*, members: int, on: str, kept: dict[str, str]) -> dict[str, Any]:
    """Build an evaluation.json from those predictions, with noisy falling curves."""
    members_mnk, labels = predictions()
    ensemble = ensemble_log_probabilities(members_mnk)
    parts = [*members_mnk[:members], *([ensemble] if members > 1 else [])]
    names = [f"member {k}" for k in range(1, members + 1)] + ["ensemble"] * (members > 1)
    models = [
        {"name": name, "step": 7400, **measure(log_p, labels).model_dump()}
        for name, log_p in zip(names, parts, strict=True)
    ]
    generator = np.random.default_rng(1)
    step = np.linspace(100, 7400, POINTS).round(-2).astype(int)
    curves = [
        {
            "name": name,
            "step": step.tolist(),
            "nll_sum": (180 + 3e5 / step + generator.gamma(2, 6, POINTS)).tolist(),
            "accuracy": (0.9955 - 6 / step - generator.gamma(2, 1e-4, POINTS)).tolist(),
        }
        for name in names
    ]
    selection = []
    for curve in curves:
        best = {
            "min-nll": int(np.argmin(curve["nll_sum"])),
            "max-accuracy": int(np.argmax(curve["accuracy"])),
            "last": POINTS - 1,
        }
        selection += [
            {"model": curve["name"], "rule": rule}
            | {key: curve[key][i] for key in ("step", "accuracy", "nll_sum")}
            for rule, i in best.items()
        ]
    headline_p = np.exp(parts[-1])
    is_wrong = headline_p.argmax(axis=1) != labels
    wrong = np.flatnonzero(is_wrong)
    confidence = headline_p.max(axis=1)
    accepted = confidence >= THRESHOLD
    chosen = OperatingPoint(
        confidence=THRESHOLD, accepted=accepted.sum(), wrong=(accepted & is_wrong).sum()
    )
    return {
        "format": 1,
        "data": {"name": "mnist/test", "split": "test", "images": IMAGES, "sha256": "ab" * 32},
        "kept": kept,
        "models": models,
        "selection": selection,
        "risk_coverage": measure_risk_coverage(confidence, is_wrong, chosen).model_dump(),
        "curves": {"on": on, "images": IMAGES, "models": curves},
        "mistakes": [
            {
                "index": int(i),
                "label": int(labels[i]),
                "prediction": int(headline_p[i].argmax()),
                "confidence": float(headline_p[i].max()),
                "probabilities": headline_p[i].tolist(),
                "image": base64.b64encode(picture(int(i))).decode(),
            }
            for i in wrong
        ],
    }


def picture(index: int) -> bytes:
    """Return the 784 bytes of an image like no other."""
    return np.random.default_rng(index).integers(0, 256, 784, np.uint8).tobytes()


def make_run(  # noqa: PLR0913 - each is a way in which runs differ
    path: Path,
    *,
    members: int = 2,
    on: str = "test",
    rule: str = "max-accuracy",
    selected_on: str = "test",
    recipe: str = "report-5-ensemble",
    seed: int = 0,
    edit: Edit = lambda _: None,
) -> Path:
    """Write the files of a finished run, as a training leaves them."""
    facts = evaluation(members=members, on=on, kept={"rule": rule, "selected_on": selected_on})
    edit(facts)
    journal = [
        {
            "step": step,
            "stage": int(step > 1400),
            "images": 250 * step,
            "learning_rate": 0.003 if step <= 1400 else 2e-4 * 0.999 ** (step - 1400),
            "batch_size": 200 + step // 30,
            "l2_coefficient": 100 + step / 40,
            "train_nll": 100 / step,
            "weight_loss": 0.04 + step / 1e6,
            "nll_sum": 200.0,
            "accuracy": 0.99,
            "seconds": step / 10,
            "images_per_second": 2500.0,
        }
        for step in facts["curves"]["models"][0]["step"]
    ]
    manifest = Manifest(
        hardware=Hardware(
            cpu="A CPU <fast & cheap>", cores=2, bfloat16=False, device="cpu", kernels="avx2"
        ),
        versions={"python": "3.11"},
        recipe_sha256="ab" * 32,
        data={"train": ImageSet(images=60_000, sha256="cd" * 32)},
        device="cpu",
        precision="float32",
        threads=2,
        seed=seed,
        started="2026-01-01T00:00:00+0000",
        timings=Timings(training_seconds=321.4),
    )
    for member in range(members):
        folder = path / f"members/{member:02}"
        folder.mkdir(parents=True)
        text = "".join(json.dumps(record) + "\n" for record in journal)
        (folder / "journal.jsonl").write_text(text)
    (path / "evaluation.json").write_text(json.dumps(facts))
    manifest.write_file(path / "manifest.json", indent=2)
    (path / "recipe.toml").write_text(f'name = "{recipe}"\nmembers = {members}\nseed = {seed}\n')
    return path


class Page(HTMLParser):
    """What a page holds: tags with attributes, the text of each tag, ids and references."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
