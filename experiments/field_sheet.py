"""Draw a contact sheet of training crops with their labels, or of a held-out set with its texts.

python experiments/field_sheet.py --out sheet.png
python experiments/field_sheet.py --layout comb_boxes --out combs.png
python experiments/field_sheet.py --held-out decimals --out decimals.png

The same options give the same sheet. Look at it after a change of `tenfold.rendering`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.characters import DETECTED_CLASSES
from tenfold.data.sources import load_digits
from tenfold.rendering import layouts
from tenfold.rendering.fields import Field, FieldRenderer
from tenfold.rendering.held_out import HELD_OUT, held_out_fields

Tile = npt.NDArray[np.uint8]
LAYOUTS = {layout.__name__: layout for layout, _ in layouts.LAYOUTS}
GREEN, RED, WHITE = (0, 160, 0), (0, 0, 220), (255, 255, 255)
TEXT_HEIGHT_PX = 14
HELD_OUT_SIZE = (384, 128)


def labelled_tile(field: Field, zoom: int = 2) -> Tile:
    """Draw a crop with its boxes and classes: uint8[h, w, 3], BGR."""
    large = cv2.resize(field.pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    tile = cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)
    for kind, x, y, w, h, _ in field.labels.tolist():
        left, top = round((x - w / 2) * zoom), round((y - h / 2) * zoom)
        right, bottom = round((x + w / 2) * zoom) - 1, round((y + h / 2) * zoom) - 1
        cv2.rectangle(tile, (left, top), (right, bottom), GREEN)
        cv2.putText(tile, DETECTED_CLASSES[int(kind)], (left, top + 8), 0, 0.38, RED, 1)
    return np.asarray(tile, dtype=np.uint8)


def titled_tile(picture: Tile, text: str) -> Tile:
    """Scale a picture into a tile of one size, with its text above: uint8[h, w, 3], BGR."""
    width, height = HELD_OUT_SIZE
    scale = min(width / picture.shape[1], height / picture.shape[0])
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((height + TEXT_HEIGHT_PX, width, 3), WHITE, np.uint8)
    rows = slice(TEXT_HEIGHT_PX, TEXT_HEIGHT_PX + scaled.shape[0])
    tile[rows, : scaled.shape[1]] = scaled[..., None]
    cv2.putText(tile, text, (2, TEXT_HEIGHT_PX - 3), 0, 0.4, RED, 1)
    return tile


def tiles(options: argparse.Namespace) -> Iterator[Tile]:
    """Render what was asked for."""
    if options.held_out:
        digits = load_digits("mnist", "test")
        for picture, text in held_out_fields(options.held_out, digits, options.count):
            yield titled_tile(picture, text)
        return
    if options.layout:
        layouts.LAYOUTS = ((LAYOUTS[options.layout], 1.0),)
    renderer = FieldRenderer(load_digits("mnist", "train"), options.seed)
    for index in range(options.count):
        yield labelled_tile(renderer.render(index))


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", choices=LAYOUTS)
    parser.add_argument("--held-out", choices=HELD_OUT)
    options = parser.parse_args()
    framed = [np.pad(tile, ((1, 1), (1, 1), (0, 0))) for tile in tiles(options)]
    framed += [np.zeros_like(framed[0])] * (-len(framed) % options.columns)
    rows = [framed[i : i + options.columns] for i in range(0, len(framed), options.columns)]
    cv2.imwrite(str(options.out), np.vstack([np.hstack(row) for row in rows]))
    print(f"{options.out}: {options.count} pictures")


if __name__ == "__main__":
    main()
