"""Seeds that are pure functions of what they are for."""

import hashlib
import json


def derive_seed(*parts: int | str) -> int:
    """Mix parts into one seed in [0, 2**63), the same on every machine and Python.

    ``derive_seed(7, "dropout", 3)`` and ``derive_seed(7, "order", 3)`` are unrelated, so each use
    of randomness has a generator of its own and none shifts when another draws more.
    """
    # JSON keeps the parts apart: (1, 23), (12, 3) and ("1", 23) are three texts.
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
