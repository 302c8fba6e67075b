"""Muon: momentum that is made orthogonal before it updates the weights.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Where Adam scales
the step of each weight, Muon scales each direction of a layer's weight matrix.
"""

import torch
from torch import Tensor

NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of a·x + b·x³ + c·x⁵, which takes singular values in (0, 1] to about 1 (Jordan et al.)."""
NEWTON_SCHULZ_ITERATIONS = 3
"""The usual five measured no better and cost twice as much."""


def muon_step(  # noqa: PLR0913 - it has that many terms
    master: Tensor,
    buffer: Tensor,
    gradient: Tensor,
    *,
    rows: int,
    learning_rate: float,
    momentum: float,
    l2: float,
    weight_decay: float,
    dtype: torch.dtype,
) -> None:
    """Advance flat float32 weights of a matrix with `rows` outputs, and its momentum, in place.

    g ← gradient + l2·w; m ← μ·m + g; w ← (1 - rate·decay)·w - rate·√(max(1, rows/columns))·U,
    with U the orthogonal factor of g + μ·m (Nesterov). The products are computed in `dtype`.
    """
    gradient = gradient.float().add(master, alpha=l2)
    buffer.mul_(momentum).add_(gradient)
    matrix = gradient.add(buffer, alpha=momentum).view(rows, -1)
    update = orthogonalise(matrix, dtype).reshape(-1)
    master.mul_(1 - learning_rate * weight_decay)
    master.add_(update, alpha=-learning_rate * max(1.0, rows / matrix.shape[1]) ** 0.5)


def orthogonalise(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return roughly U·Vᵀ of matrix = U·S·Vᵀ: float32, of the same shape.

    Singular values above a tenth of the Frobenius norm come out in 0.5 … 1.3; a matrix of zeros
    stays one.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / matrix.norm().clamp_min(torch.finfo(torch.float32).tiny)
    x = x.to(dtype)
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    for _ in range(NEWTON_SCHULZ_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    orthogonal: Tensor = x.T if tall else x
    return orthogonal.float()
