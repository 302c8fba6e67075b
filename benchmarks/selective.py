"""Compare readers by what they accept and misread, on the same pictures.

python benchmarks/selective.py render build/pictures
PYTHON benchmarks/peers/reading.py READER build/pictures build/READER.json    # for each reader
python benchmarks/selective.py compare build/pictures build/*.json

The first of the readings is the reference of the paired tests (McNemar 1947): today's tenfold.
Readers that do not say what they accept get the threshold at which they accept as many pictures of
digits as the reference does, one for single digits and one for numbers. It is chosen on these very
pictures, to their advantage.
"""

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measurement import save
from selective_table import tables, write_tables

from tenfold.artifacts.evaluation import OperatingPoint, RiskCoverage
from tenfold.bundle.format import SHIPPED, read_model
from tenfold.data.pictures import Labelled
from tenfold.data.sources import load_digits
from tenfold.evaluation.metrics import wilson
from tenfold.evaluation.risk_coverage import aurc_interval, measure_risk_coverage
from tenfold.evaluation.statistics import mcnemar
from tenfold.files import write_atomically
from tenfold.rendering.held_out import HELD_OUT, held_out_fields
from tenfold.rendering.picture_sets import load_pictures

FOREIGN = ("optical", "font-digits", "documents", "font-letters", "blanks-and-scribbles")
FIELDS = 100  # pictures of each set of `HELD_OUT`
FIRST = {"documents": 1000, "blanks-and-scribbles": 500}
LABELS = "labels.json"
TOTALS = {"all of one digit": ("single", "non-digit"), "all numbers": ("number",)}

Json = Any
Flags = npt.NDArray[np.bool_]


def pictures_of(name: str) -> tuple[str, Sequence[Labelled]]:
    """Return the kind of a set, its pictures and their labels."""
    if name in HELD_OUT:
        return "number", list(held_out_fields(name, load_digits("mnist", "test"), FIELDS))
    found = load_pictures(name, n=FIRST.get(name))
    return found.kind, list(zip(found.pictures, found.labels, strict=True))


def render(folder: Path, sets: Sequence[str]) -> None:
    """Write the pictures of each set, and apart from them the labels."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LABELS
    labels = json.loads(path.read_text()) if path.exists() else {}
    for spec in sets:
        name = Path(spec).name
        kind, labelled = pictures_of(spec)
        arrays: dict[str, npt.NDArray[Any]] = {
            str(index): picture for index, (picture, _) in enumerate(labelled)
        }
        arrays["kind"] = np.array(kind)
        np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)
        labels[name] = {"kind": kind, "labels": [label for _, label in labelled]}
        write_atomically(path, json.dumps(labels))
        print(f"{name}: {len(labelled)} pictures", flush=True)


@dataclass(frozen=True, eq=False)
class Readings:
    """What a reader made of a set, or of several.

    Attributes:
        right: bool[n], read as labelled; of non-digits: not accepted.
        wrong: bool[n], read as something else than the label; a non-digit that is read is wrong.
        accepted: bool[n].
        confidence: float[n], 0 where nothing was read.
        on_curve: bool[n], false where nothing stands and nothing was read.
        digits: int[n], how many the label has.
        cpu_ms: float[n], user and system time of each picture; a mean over its set.
    """

    right: Flags
    wrong: Flags
    accepted: Flags
    confidence: npt.NDArray[np.float64]
    on_curve: Flags
    digits: npt.NDArray[np.int64]
    cpu_ms: npt.NDArray[np.float64]

    @property
    def accepted_wrong(self) -> Flags:
        """Accepted, and not read as labelled."""
        return self.accepted & self.wrong


def readings_of(kind: str, labels: Sequence[str], found: Json, least: float) -> Readings:
    """Compare texts with labels. Without a rule of the reader, `least` confidence is accepted."""
    texts, own = np.array(found["text"]), found["accepted"][0] is not None
    is_read = texts != ""
    confidence = np.where(is_read, found["confidence"], 0.0)
    accepted = np.array(found["accepted"], bool) if own else is_read & (confidence >= least)
    wrong = texts != np.array(labels)
    return Readings(
        right=~accepted if kind == "non-digit" else ~wrong,
        wrong=wrong,
        accepted=accepted,
        confidence=confidence,
        on_curve=is_read | (np.array(labels) != ""),
        digits=np.array([sum(map(str.isdigit, label)) for label in labels]),
        cpu_ms=np.full(len(labels), found["cpu_ms"]),
    )


def joined(sets: Sequence[Readings]) -> Readings:
    """Return the readings of several sets as those of one."""
    return Readings(
        **{
            field.name: np.concatenate([getattr(one, field.name) for one in sets])
            for field in fields(Readings)
        }
    )


def threshold_of(labels: Json, found: Json, reference: Mapping[str, Readings], of: str) -> float:
    """Return the confidence at which a reader accepts as many pictures of digits as another."""
    sets = [name for name in found if labels[name]["kind"] == of and name in reference]
    count = sum(int(reference[name].accepted.sum()) for name in sets)
    values = [readings_of(of, labels[name]["labels"], found[name], 0).confidence for name in sets]
    ordered = np.sort(np.concatenate([*values, [0.0]]))[::-1]
    return float(ordered[min(count, len(ordered)) - 1]) if count else 1.0


def cut_to_common(labels: Json, records: Collection[Json]) -> None:
    """Leave of each set the first pictures, as many as every reader of the set has read."""
    for name, labelled in labels.items():
        read = [record["sets"][name] for record in records if name in record["sets"]]
        n = min((len(found["text"]) for found in read), default=0)
        for table in (labelled, *read):
            table.update({key: value[:n] for key, value in table.items() if type(value) is list})


def compared(labels: Json, records: Mapping[str, Json]) -> dict[str, dict[str, Readings]]:
    """Return the readings of each reader, set by set; the first reader is the reference."""
    result: dict[str, dict[str, Readings]] = {}
    for reader, record in records.items():
        found = record["sets"]
        reference = next(iter(result.values()), {})
        least = {of: threshold_of(labels, found, reference, of) for of in ("single", "number")}
        least["non-digit"] = least["single"]
        result[reader] = {
            name: readings_of(labels[name]["kind"], labels[name]["labels"], one, least[kind])
            for name, one in found.items()
            if (kind := labels[name]["kind"])
        }
    return result


def add_totals(labels: Json, readings: dict[str, dict[str, Readings]]) -> None:
    """Add what all readers have read of one digit, and of numbers, as one set each."""
    for title, kinds in TOTALS.items():
        known = {name for name, labelled in labels.items() if labelled["kind"] in kinds}
        read = [sets.keys() & known for sets in readings.values()]
        common = set.intersection(*filter(None, read)) if any(read) else set()
        for sets, names in zip(readings.values(), read, strict=True):
            if names and len(common) > 1:
                sets[title] = joined([sets[name] for name in labels if name in common])


def curve_of(one: Readings) -> RiskCoverage:
    """Return the risk-coverage curve."""
    accepted, wrong = int(one.accepted.sum()), int(one.accepted_wrong.sum())
    chosen = OperatingPoint(confidence=None, accepted=accepted, wrong=wrong)
    on_curve = one.on_curve
    return measure_risk_coverage(one.confidence[on_curve], one.wrong[on_curve], chosen)


def paired(reference: Flags, other: Flags) -> dict[str, float]:
    """Count what is only one reader's, with McNemar's exact p."""
    first, second = int((reference & ~other).sum()), int((other & ~reference).sum())
    p = float(f"{mcnemar(first, second):.3g}")
    return {"only_reference": first, "only_this": second, "p": p}


def figures_of(one: Readings, reference: Readings | None) -> Json:
    """Return the figures of a reader on a set, beside the reference's."""
    n, wrong = len(one.right), int(one.accepted_wrong.sum())
    found: Json = {
        "pictures": n,
        "right": int(one.right.sum()),
        "right_interval": wilson(int(one.right.sum()), n),
        "accepted": int(one.accepted.sum()),
        "accepted_wrong": wrong,
        "accepted_wrong_interval": wilson(wrong, n),
        "cpu_ms_per_picture": round(float(one.cpu_ms.mean()), 2),
    }
    if one.digits.any():
        curve = curve_of(one)
        interval = aurc_interval(one.confidence[one.on_curve], one.wrong[one.on_curve])
        found |= {"aurc": curve.aurc, "aurc_interval": interval, "excess_aurc": curve.excess_aurc}
        found["cpu_ms_per_digit"] = round(
            float(one.cpu_ms.sum() / np.maximum(one.digits, 1).sum()), 2
        )
    if reference is not None:
        found["right_paired"] = paired(reference.right, one.right)
        found["accepted_wrong_paired"] = paired(reference.accepted_wrong, one.accepted_wrong)
    return found


def compare(options: argparse.Namespace) -> None:
    """Print the tables; write the record, the figure, and the tables of documents."""
    labels = json.loads((options.folder / LABELS).read_text())
    records = {file.stem: json.loads(file.read_text()) for file in options.files}
    cut_to_common(labels, records.values())
    readings = compared(labels, records)
    add_totals(labels, readings)
    first = options.files[0].stem
    result = {
        name: {
            reader: figures_of(sets[name], None if reader == first else reference)
            for reader, sets in readings.items()
            if name in sets
        }
        for name, reference in readings[first].items()
    }
    for name, lines in tables(result).items():
        print(f"{name}:", *lines, "", sep="\n")
    for document in options.docs:
        write_tables(document, result)
    versions = {name: record["versions"] for name, record in records.items()}
    bundle = read_model(SHIPPED)[0].model_dump(mode="json")
    save(options.out, bundle=bundle, versions=versions, sets=result)
    if options.figure:
        from tenfold.report.figures import risk_coverage_figure

        total = next(iter(TOTALS))
        curves = {
            reader: curve_of(sets[total]) for reader, sets in readings.items() if total in sets
        }
        svg = risk_coverage_figure(curves).svg
        write_atomically(options.figure, svg.replace("<svg ", '<svg style="background: #fff" ', 1))


def main() -> None:
    """Render pictures, or compare what readers made of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    rendering = commands.add_parser("render")
    rendering.add_argument("folder", type=Path)
    rendering.add_argument("--sets", nargs="+", default=[*FOREIGN, "document-numbers", *HELD_OUT])
    comparing = commands.add_parser("compare")
    comparing.add_argument("folder", type=Path)
    comparing.add_argument("files", type=Path, nargs="+", help="the reference first")
    comparing.add_argument("--out", type=Path)
    comparing.add_argument("--figure", type=Path)
    comparing.add_argument("--docs", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    if options.command == "render":
        render(options.folder, options.sets)
    else:
        compare(options)


if __name__ == "__main__":
    main()
