"""`tenfold data verify`: what is wrong, what is missing, and what mends it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tenfold.cli.data import data_verify
from tenfold.data.download import LocalFolder
from tenfold.data.sources import fetch
from tenfold.errors import TenfoldError


def test_verify_names_what_mends_each_state(
    install: Callable[..., None], originals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(LocalFolder(originals))
    with pytest.raises(TenfoldError, match="mnist: not complete; run `tenfold data fetch mnist`"):
        data_verify("mnist")
    paths = fetch("mnist")
    capsys.readouterr()
    data_verify("mnist")
    assert capsys.readouterr().out == "".join(f"ok       {path}\n" for path in paths)
    paths[1].write_bytes(b"wrong")
    with pytest.raises(TenfoldError, match=f"{paths[1]}: not the expected bytes; delete"):
        data_verify("mnist")
