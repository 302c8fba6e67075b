"""The report's objective: negative log-likelihood plus a mean-square weight term.

Shapes: `logits_nk` float32 [n, 10], `labels_n` int64 [n].
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

LOG_EPSILON = math.log(1e-23)


def nll_sum(logits_nk: Tensor, labels_n: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return -Σ log(p + 1e-23), the report's `loss_p`, computed from logits.

    log(p + ε) = logaddexp(log p, log ε) is finite for every finite logit, where the
    report's own form needs p itself, which underflows. With smoothing s the target
    is (1 - s) on the label and s/10 on every class. A label of -1 is a non-digit: its target is a
    tenth on every class (Hendrycks, Mazeika & Dietterich 2019, "outlier exposure").
    """
    log_p = torch.log_softmax(logits_nk.float(), dim=1)
    log_p = torch.logaddexp(log_p, log_p.new_full((), LOG_EPSILON))
    on_label = log_p.gather(1, labels_n.clamp_min(0)[:, None])[:, 0]
    smoothing = torch.where(labels_n < 0, 1.0, label_smoothing)
    return -torch.lerp(on_label, log_p.mean(dim=1), smoothing).sum()


def weight_loss(weights: Iterable[Tensor]) -> float:
    """Return Σ over layers of the mean squared weight: the report's `loss_w`.

    Its gradient, `2 · coefficient / numel · w` a layer, is added in the optimizer.
    """
    return sum(float(weight.detach().float().square().mean()) for weight in weights)
