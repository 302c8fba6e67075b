"""Read pictures with one reader, and measure its CPU time; `benchmarks/selective.py` starts it.

PYTHON benchmarks/peers/reading.py READER FOLDER OUT.json

It runs where the reader is installed, and needs nothing of this repository. FOLDER holds a set of
pictures in each NAME.npz: `kind` (single, number or non-digit), and the pictures `0`, `1` …, each
uint8[h, w] or uint8[h, w, 3]. Every reader gives a text and a confidence for each picture. "" is no
digit. Only tenfold says what it accepts.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# One thread each, before anything that starts threads is imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"):
    os.environ[_variable] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402

DIGITS = "0123456789"
NUMBER_CHARACTERS = DIGITS + ".-/:"  # what tenfold reads too
TESSDATA = "/usr/share/tesseract-ocr/5/tessdata/"  # of Debian's tesseract-ocr
WARM_UP = 5  # pictures that are read before the time is taken

Pixels = np.ndarray
Reading = tuple[str, float, bool | None]
"""The text, its confidence, and whether it is accepted; None if the reader does not say."""
Read = Callable[[Sequence[Pixels], str], Iterator[Reading]]


def tenfold() -> tuple[Read, Sequence[str]]:
    """Read by tenfold: today's, or version 0.1, whose readings are lists of digits."""
    from tenfold.reading.reader import Reader

    reader = Reader.load()

    def digits_of(outcome: list) -> Reading:
        shown = [digit for digit in outcome if digit.reason != "blank"]
        accepted = bool(outcome) and not any(digit.rejected for digit in outcome)
        confidence = min((digit.probability for digit in shown), default=0.0)
        return "".join(str(digit.digit) for digit in shown), confidence, accepted

    def numbers_of(outcome: object) -> Reading:
        numbers = getattr(outcome, "numbers", ())  # an error has none
        confidence = min((number.probability for number in numbers), default=0.0)
        accepted = bool(numbers) and all(number.accepted for number in numbers)
        return " ".join(number.value for number in numbers), confidence, accepted

    def read(pictures: Sequence[Pixels], kind: str) -> Iterator[Reading]:
        is_old = not hasattr(reader, "numbers")
        layout = ("line" if is_old else "numbers") if kind == "number" else "single"
        for outcome in reader.outcomes(pictures, layout):
            yield digits_of(outcome) if isinstance(outcome, list) else numbers_of(outcome)

    return read, ("tenfold", "numpy", "onnxruntime")


def mnist_cnn() -> tuple[Read, Sequence[str]]:
    """Read by the network of `mnist_cnn.py` what `segmentation.py` cuts out."""
    import mnist_cnn
    import torch
    from segmentation import cut_digits

    torch.set_num_threads(1)
    network = mnist_cnn.load()

    def read(pictures: Sequence[Pixels], kind: str) -> Iterator[Reading]:
        for picture in pictures:
            images = cut_digits(picture, single=kind != "number")
            if not images:
                yield "", 0.0, None
                continue
            digits, probabilities = mnist_cnn.classify(network, np.stack(images))
            yield "".join(map(str, digits)), float(probabilities.prod()), None

    return read, ("torch", "numpy", "opencv-python-headless")


def tesseract() -> tuple[Read, Sequence[str]]:
    """Read by Tesseract's LSTM, digits only, on grey pictures dark on light."""
    from tesserocr import OEM, PSM, PyTessBaseAPI

    def engine(mode: int, characters: str) -> PyTessBaseAPI:
        api = PyTessBaseAPI(path=TESSDATA, psm=mode, oem=OEM.LSTM_ONLY, lang="eng")
        api.SetVariable("tessedit_char_whitelist", characters)
        return api

    single = engine(PSM.SINGLE_WORD, DIGITS)
    line = engine(PSM.SINGLE_LINE, NUMBER_CHARACTERS)

    def read(pictures: Sequence[Pixels], kind: str) -> Iterator[Reading]:
        api = line if kind == "number" else single
        for picture in pictures:
            grey = enlarged(dark_on_light(to_grey(picture)))
            api.SetImageBytes(grey.tobytes(), grey.shape[1], grey.shape[0], 1, grey.shape[1])
            text = "".join(api.GetUTF8Text().split())
            yield (text[:1] if kind != "number" else text), api.MeanTextConf() / 100, None

    return read, ("tesserocr",)


def rapidocr() -> tuple[Read, Sequence[str]]:
    """Read by the recogniser of RapidOCR (PP-OCRv6 small), which knows digits and marks only here.

    Of a picture of one digit, the most probable digit at any place is taken: it is forced to one.
    Of a number, the most probable class at each place, digits and marks only (CTC).
    """
    from rapidocr import RapidOCR

    threads = {
        f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")
    }
    whole = RapidOCR(params=threads | {"Global.log_level": "error"})
    whole(np.full((64, 64, 3), 255, np.uint8), use_det=False, use_cls=False)  # loads its model
    recogniser = whole.text_rec
    places = recogniser.postprocess_op.dict

    def classes_of(picture: Pixels, characters: str) -> Pixels:
        """Return the probability of no character, then of these: float32[places, 1 + n]."""
        bgr = cv2.cvtColor(enlarged(dark_on_light(to_grey(picture))), cv2.COLOR_GRAY2BGR)
        _, height, width = recogniser.rec_image_shape
        ratio = max(width / height, bgr.shape[1] / bgr.shape[0])
        prepared = recogniser.resize_norm_img(bgr, ratio)[None].astype(np.float32)
        (found,) = recogniser.session(prepared)
        return found[:, [0, *(places[character] for character in characters)]]

    def read(pictures: Sequence[Pixels], kind: str) -> Iterator[Reading]:
        for picture in pictures:
            if kind != "number":
                best = classes_of(picture, DIGITS)[:, 1:].max(axis=0)
                yield DIGITS[best.argmax()], float(best.max()), None
                continue
            found = classes_of(picture, NUMBER_CHARACTERS)
            path = found.argmax(axis=1)
            shown = (path > 0) & (path != np.append(0, path[:-1]))
            text = "".join(NUMBER_CHARACTERS[place - 1] for place in path[shown])
            confidence = float(found.max(axis=1)[shown].mean()) if text else 0.0
            yield text, confidence, None

    return read, ("rapidocr", "onnxruntime", "numpy")


def to_grey(picture: Pixels) -> Pixels:
    """Return uint8[h, w]."""
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # noqa: PLR2004


def dark_on_light(grey: Pixels) -> Pixels:
    """Invert a picture whose border is dark."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 255 - grey if np.median(border) < 128 else grey  # noqa: PLR2004


def enlarged(grey: Pixels, side: int = 64, margin: int = 10) -> Pixels:
    """Scale a small picture up to a height that OCR engines expect, with a margin of paper."""
    if grey.shape[0] < side:
        factor = side / grey.shape[0]
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.pad(grey, margin, mode="edge"))


READERS = {
    "tenfold": tenfold,
    "rapidocr": rapidocr,
    "mnist-cnn": mnist_cnn,
    "tesseract": tesseract,
}


def main() -> None:
    """Read the sets that OUT lacks, and write it after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", help="names of sets [default: all in the folder]")
    parser.add_argument("--first", type=int, help="pictures of each set [default: all]")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    read, packages = READERS[options.reader]()
    versions = {package: importlib.metadata.version(package) for package in packages}
    record = {"versions": {"python": platform.python_version(), **versions}, "sets": {}}
    if options.out.exists():
        record["sets"] = json.loads(options.out.read_text())["sets"]
    for name in options.sets or sorted(path.stem for path in options.folder.glob("*.npz")):
        if name not in record["sets"]:
            path = options.folder / f"{name}.npz"
            record["sets"][name] = measured(read, path, options.first)
            options.out.write_text(json.dumps(record))
            print(f"{name}: {record['sets'][name]['cpu_ms']:.2f} ms each", flush=True)


def measured(read: Read, path: Path, first: int | None) -> dict:
    """Read the first pictures of a set, or all.

    Returns:
        texts, confidences, what is accepted, and the CPU time of a picture.
    """
    with np.load(path) as file:
        kind = str(file["kind"])
        pictures = [file[str(index)] for index in range(len(file.files) - 1)[:first]]
    for _ in read(pictures[:WARM_UP], kind):
        pass
    started = time.process_time()
    readings = list(read(pictures, kind))
    seconds = time.process_time() - started
    text, confidence, accepted = (list(column) for column in zip(*readings, strict=True))
    found = {"text": text, "confidence": confidence, "accepted": accepted}
    return found | {"cpu_ms": 1000 * seconds / len(pictures)}


if __name__ == "__main__":
    main()
