"""Types of arrays that many modules speak of."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]  # [h, w], or [h, w, 3] of a colour picture
Grey = npt.NDArray[np.uint8]  # [h, w]
