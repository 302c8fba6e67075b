"""What an installed wheel must do on every platform: read a number, and load what was compiled."""

import importlib.util
from pathlib import Path

import tenfold

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "number.jpg"

(number,) = tenfold.Reader.load().read(PICTURE).numbers
assert number.text == "6915034", number

if importlib.util.find_spec("torch"):
    from tenfold.model.kernels import library

    assert library.available(), library.why_not()

print(f"{Path(tenfold.__file__).parent} reads {number.text}, {number.probability:.1%}")
