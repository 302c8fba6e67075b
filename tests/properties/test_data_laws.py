"""Laws of `tenfold.data` that hold for every input."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from tenfold.data.digits import Digits, concatenate, stratified_split
from tenfold.data.download import parse_table
from tenfold.data.idx import read_idx, write_idx
from tenfold.data.sampling import IndexStream
from tenfold.data.seeds import derive_seed
from tenfold.errors import DataError

SEEDS = st.integers(0, 2**63 - 1)


@settings(deadline=None, max_examples=50)
@given(stn.arrays(np.uint8, stn.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)))
def test_idx_round_trip(array: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array"
        write_idx(path, array)
        again = np.array(read_idx(path))
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 12), st.binary(max_size=60), st.sampled_from(["", ".gz"]))
def test_no_bytes_do_more_than_raise_our_error(dimensions: int, rest: bytes, suffix: str) -> None:
    content = bytes([0, 0, 8, dimensions]) + rest
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"array{suffix}"
        path.write_bytes(gzip.compress(content) if suffix else content)
        try:
            array = np.array(read_idx(path))
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert content.endswith(array.tobytes())


@settings(deadline=None)
@given(st.integers(1, 40), SEEDS, st.integers(0, 200), st.lists(st.integers(0, 60), max_size=6))
def test_reading_in_pieces_is_reading_at_once(
    n: int, seed: int, start: int, counts: list[int]
) -> None:
    whole = IndexStream(n, seed).indices(start, sum(counts))
    stream, position, pieces = IndexStream(n, seed), start, [torch.empty(0, dtype=torch.int64)]
    for count in counts:
        pieces.append(stream.indices(position, count))
        position += count
    assert torch.equal(torch.cat(pieces), whole)


@settings(deadline=None)
@given(st.integers(1, 60), SEEDS, st.integers(0, 50))
def test_every_epoch_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    order = IndexStream(n, seed).indices(epoch * n, n)
    assert order.sort().values.tolist() == list(range(n))


@settings(deadline=None)
@given(st.lists(st.integers() | st.text(), max_size=4))
def test_derived_seeds_fit_a_generator(parts: list[int | str]) -> None:
    seed = derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert torch.Generator().manual_seed(seed).initial_seed() == seed


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.data(), SEEDS)
def test_split_is_a_proportional_partition(
    labels: list[int], data: st.DataObject, seed: int
) -> None:
    n = len(labels)
    validation = data.draw(st.integers(0, n))
    images = torch.zeros(n, 28, 28, dtype=torch.uint8)
    images[:, 0, 0] = torch.arange(n, dtype=torch.uint8)  # each image carries its position
    digits = Digits(images, torch.tensor(labels), "some", "memory")
    parts = stratified_split(digits, validation, seed)
    assert [len(part) for part in parts] == [n - validation, validation]
    for part in parts:
        kept = part.images[:, 0, 0].tolist()
        assert kept == sorted(kept)
        assert part.labels.tolist() == [labels[position] for position in kept]
    assert sorted(concatenate(parts).images[:, 0, 0].tolist()) == list(range(n))
    for label in range(10):
        share = int((parts[1].labels == label).sum())
        assert abs(share - validation * labels.count(label) / n) < 1


@settings(deadline=None, max_examples=25)
@given(
    stn.arrays(np.uint8, st.tuples(st.integers(1, 300), st.just(785))),
    st.sampled_from(["\n", "\r\n"]),
)
def test_tables_parse_to_their_numbers(cells: np.ndarray, newline: str) -> None:
    lines = ["a,header", *(",".join(map(str, row)) for row in cells.tolist())]
    with tempfile.TemporaryFile() as file:
        file.write("".join(line + newline for line in lines).encode())
        file.seek(0)
        np.testing.assert_array_equal(parse_table(file, len(cells)), cells)
