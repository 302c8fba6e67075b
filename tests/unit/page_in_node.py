"""The page's reader in Node, with the networks of a static site."""

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tenfold
from tenfold.reading.reader import Layout

PAGE = Path(tenfold.__file__).parent / "page"
Pixels = npt.NDArray[np.uint8]


def read_in_node(
    node: str, site: Path, pictures: Sequence[tuple[Pixels, Layout]], folder: Path
) -> Iterator[dict[str, Any]]:
    """Read pictures with the page's reader in Node.

    Args:
        node: the path of Node.
        site: a folder that `write_site` wrote.
        pictures: uint8[h, w] or uint8[h, w, 3], and how each is read.
        folder: for a file of the pictures.

    Yields for each picture its `rows`, `columns` and `numbers`, the `image` of each digit as
    uint8[h, w], and the `milliseconds` of CPU time that it took.
    """
    given = folder / "pictures.bin"
    sizes = [[p.shape[1], p.shape[0], 1 if p.ndim == 2 else 3, layout] for p, layout in pictures]
    given.write_bytes(
        json.dumps(sizes).encode() + b"\n" + b"".join(p.tobytes() for p, _ in pictures)
    )
    script = Path(__file__).with_name("read_pictures.mjs")
    command = [node, str(script), str(site), str(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            page = json.loads(line)
            for digit in (digit for number in page["numbers"] for digit in number["digits"]):
                image = digit["image"]
                pixels = np.frombuffer(base64.b64decode(image["data"]), np.uint8)
                digit["image"] = pixels.reshape(image["h"], image["w"])
            yield page
    assert process.returncode == 0


def run_in_node(node: str, code: str, given: str = "") -> Any:
    """Return what a module prints, as JSON; it is given a text on its standard input."""
    command = [node, "--input-type=module", "-e", code]
    return json.loads(
        subprocess.run(command, check=True, capture_output=True, input=given.encode()).stdout
    )
