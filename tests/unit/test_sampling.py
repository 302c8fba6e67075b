"""The stream of training indices and the seeds behind it."""

import hashlib

import pytest
import torch

from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError


def test_derived_seed_is_blake2b_of_the_parts() -> None:
    # Spelled out, so that no release changes what a seed means.
    digest = hashlib.blake2b(b'[7, "epoch", 0]', digest_size=8).hexdigest()
    assert derive_seed(7, "epoch", 0) == int(digest, 16) // 2


def test_derived_seeds_keep_their_parts_apart() -> None:
    parts: list[tuple[int | str, ...]] = [(1, 23), (12, 3), (123,), ("1", 23), ("1, 23",), ()]
    assert len({derive_seed(*each) for each in parts}) == len(parts)


def test_epochs_and_seeds_differ() -> None:
    first = IndexStream(100, seed=1)
    assert not torch.equal(first.indices(0, 100), first.indices(100, 100))
    assert not torch.equal(first.indices(0, 100), IndexStream(100, seed=2).indices(0, 100))
    assert not torch.equal(first.indices(0, 100), torch.arange(100))
    assert first.indices(0, 100).dtype == torch.int64


def test_nothing_global_is_read_or_moved() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    order = IndexStream(50, seed=1).indices(0, 50)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(IndexStream(50, seed=1).indices(0, 50), order)


def test_memory_is_two_permutations_at_most() -> None:
    stream = IndexStream(10, seed=1)
    stream.indices(0, 95)
    assert len(stream._permutations) <= 2


def test_empty_and_impossible_requests() -> None:
    assert IndexStream(3, seed=1).indices(5, 0).shape == (0,)
    with pytest.raises(DataError, match="at least one image"):
        IndexStream(0, seed=1)
