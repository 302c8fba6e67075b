"""Mutations that know a little: numbers become huge, pieces move, bits flip."""

import random
import re
from collections.abc import Callable, Sequence

TOKENS = (
    *(b"9" * 5000, b"[" * 2000, b"{" * 500, b'{"a":' * 500, b"1e308", b"-1", b"1e999", b"NaN"),
    *(b"\xff\xfe", b"\0", b"\n", b"null", b"9223372036854775808", b"0x" + b"f" * 4000, b"a." * 300),
    *(b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"../../x", b"\xed\xa0\x80"),
)
NUMBER = re.compile(rb"-?\d+(\.\d+)?")

Mutation = Callable[[bytes, random.Random], bytes]


def _flip(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def _replace(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(rng.randrange(1, 5)) + data[place + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * rng.choice((1, 1, 1, 20)) + data[end:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice(TOKENS) + data[place:]


def _change_number(data: bytes, rng: random.Random) -> bytes:
    numbers = list(NUMBER.finditer(data))
    if not numbers:
        return _flip(data, rng)
    number = rng.choice(numbers)
    return data[: number.start()] + rng.choice(TOKENS) + data[number.end() :]


MUTATIONS: Sequence[Mutation] = (_flip, _replace, _cut, _repeat, _insert, _change_number)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to four mutations."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(data or b"0", rng)
    return data
