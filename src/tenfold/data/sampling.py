"""The endless stream of training indices, a pure function of the seed and the position."""

import torch
from torch import Tensor

from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError


class IndexStream:
    """The concatenation of one permutation of 0 … n-1 per epoch, readable from any position.

    Epoch e's permutation depends on (seed, e) alone: training that resumes at position p reads
    what uninterrupted training would have read, with no state but p.

    Args:
        n: images in the training set.
        seed: chooses the permutations.
    """

    def __init__(self, n: int, seed: int) -> None:
        if n < 1:
            raise DataError(f"a stream needs at least one image, not {n}")
        self.n = n
        self.seed = seed
        self._permutations: dict[int, Tensor] = {}

    def indices(self, start: int, count: int) -> Tensor:
        """Give positions start … start + count - 1 of the stream, across epoch boundaries.

        Returns:
            int64[count], each in 0 … n-1.

        Raises:
            DataError: a negative start or count.
        """
        if start < 0 or count < 0:
            raise DataError(f"a stream has no {count} indices from position {start}")
        pieces = [torch.empty(0, dtype=torch.int64)]
        while count:
            epoch, offset = divmod(start, self.n)
            piece = self._permutation(epoch)[offset : offset + count]
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return torch.cat(pieces)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._permutations:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "epoch", epoch))
            # Only the epoch before can still be asked for by a batch across the boundary.
            self._permutations = {
                known: order for known, order in self._permutations.items() if known == epoch - 1
            }
            self._permutations[epoch] = torch.randperm(self.n, generator=generator)
        return self._permutations[epoch]
