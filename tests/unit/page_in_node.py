"""The page's reader in Node, the network in Python at the other end."""

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tenfold
from tenfold.reading.crops import Layout
from tenfold.reading.reader import Reader

PAGE = Path(tenfold.__file__).parent / "page"
Pixels = npt.NDArray[np.uint8]


def read_in_node(
    node: str, pictures: Sequence[tuple[Pixels, Layout]], reader: Reader, folder: Path
) -> Iterator[dict[str, Any]]:
    """Read pictures with the page's reader in Node.

    Yields for each picture its `readings`, with `image` as uint8[28, 28].
    """
    given = folder / "pictures.bin"
    sizes = [[p.shape[1], p.shape[0], 1 if p.ndim == 2 else 3, layout] for p, layout in pictures]
    given.write_bytes(
        json.dumps(sizes).encode() + b"\n" + b"".join(p.tobytes() for p, _ in pictures)
    )
    script = Path(__file__).with_name("read_pictures.mjs")
    command = [node, str(script), str(PAGE / "reader" / "reader.js"), str(given)]
    with subprocess.Popen(
        [*command, str(reader.rejection_threshold)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        for line in process.stdout:
            message = json.loads(line)
            if "count" in message:
                images = np.frombuffer(base64.b64decode(message["images"]), np.uint8)
                p = reader.classifier.probabilities(images.reshape(message["count"], 28, 28))
                process.stdin.write(json.dumps(p.tolist()) + "\n")
                process.stdin.flush()
                continue
            for reading in message["readings"]:
                image = np.frombuffer(base64.b64decode(reading["image"]), np.uint8)
                reading["image"] = image.reshape(28, 28)
            yield message
    assert process.returncode == 0
