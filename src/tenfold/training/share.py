"""A process's share of every batch, where several train one network together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class Share:
    """The `rank`-th of `world` processes; alone by default."""

    rank: int = 0
    world: int = 1

    @property
    def seed(self) -> tuple[int, ...]:
        """What tells this process's draws from the others'; nothing if it is alone."""
        return () if self.world == 1 else (self.rank,)

    def part(self, batch: Tensor) -> Tensor:
        """Return every `world`-th item of a batch, from the `rank`-th."""
        return batch[self.rank :: self.world]

    def reduce(
        self, gradients: tuple[Tensor, ...], loss: Tensor, statistics: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return gradients and loss added up over the processes; average `statistics` in place.

        All travel in one flat float32 tensor: one exchange a step.
        """
        if self.world == 1:
            return gradients, loss
        tensors = [*gradients, loss, *statistics]
        flat = torch.cat([tensor.float().reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = tuple(
            part.view(tensor.shape).to(tensor.dtype)
            for tensor, part in zip(
                tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True
            )
        )
        count = len(gradients)
        for tensor, part in zip(statistics, parts[count + 1 :], strict=True):
            tensor.copy_(part / self.world)
        return parts[:count], parts[count]

    def any(self, *, flag: bool) -> bool:
        """Say whether any process has raised its flag: the same answer in all of them."""
        if self.world == 1:
            return flag
        raised = torch.tensor([float(flag)])
        dist.all_reduce(raised)
        return bool(raised.item())


ALONE = Share()
