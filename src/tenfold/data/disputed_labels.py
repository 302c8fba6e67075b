"""Test labels that human raters dispute.

Northcutt, Athalye & Mueller, "Pervasive label errors in test sets destabilize machine learning
benchmarks" (2021), asked five raters about each suspect of MNIST's test set: a majority disputes
15 labels. Accuracy without them stands beside the ordinary one, never in its place.
"""

from collections.abc import Mapping

# By `Digits.sha256`: indices count in the canonical order of these images and labels only.
_BY_SHA256: Mapping[str, tuple[int, ...]] = {
    "a0863a96c44e5666edbb30c4071ee79ca0514c621e6349c5967fc78e7305c891": (
        *(947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937),
        *(6651, 6783, 8527, 9679, 9729),
    ),
}


def disputed_labels(sha256: str) -> tuple[int, ...]:
    """Return the indices of the disputed labels of the set with this hash; () if none is known."""
    return _BY_SHA256.get(sha256, ())
