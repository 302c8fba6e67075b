"""The endless sequence of training indices: a pure function of the seed and the position."""

import torch
from torch import Tensor

from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError


class IndexStream:
    """Training indices: one permutation of 0 … n-1 for each epoch, readable from any position.

    The permutation of epoch e depends on (seed, e) alone. Training that resumes at position p
    therefore reads what uninterrupted training reads, with no state but p.
    """

    def __init__(self, n: int, seed: int) -> None:
        if n < 1:
            raise DataError(f"a stream needs at least one image, not {n}")
        self.n = n
        self.seed = seed
        self._permutations: dict[int, Tensor] = {}

    def indices(self, start: int, count: int) -> Tensor:
        """Return the indices at positions start … start + count - 1, across epochs.

        Returns:
            int64[count], each in 0 … n-1.
        """
        parts = [torch.empty(0, dtype=torch.int64)]
        while count:
            epoch, offset = divmod(start, self.n)
            part = self._permutation(epoch)[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._permutations:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "epoch", epoch))
            # A batch across the boundary still needs the epoch before, and no other.
            self._permutations = {
                known: order for known, order in self._permutations.items() if known == epoch - 1
            }
            self._permutations[epoch] = torch.randperm(self.n, generator=generator)
        return self._permutations[epoch]
