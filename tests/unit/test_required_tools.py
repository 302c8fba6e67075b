"""What a test needs and is missing: a reason to skip here, a failure in CI."""

from collections.abc import Callable
from typing import Any

import pytest

Require = Callable[[str], Any]


def test_what_is_there_is_given(require_tool: Require, require_module: Require) -> None:
    assert require_tool("sh").endswith("/sh")
    assert require_module("json").loads("1") == 1


@pytest.mark.parametrize("ci", ["", "true"])
def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(
    ci: str,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Require,
    require_module: Require,
) -> None:
    monkeypatch.setenv("CI", ci)
    outcome = pytest.fail.Exception if ci else pytest.skip.Exception
    monkeypatch.setenv("PATH", "")
    with pytest.raises(outcome, match="no node; on Debian: apt-get install nodejs"):
        require_tool("node")
    with pytest.raises(outcome, match="no module no_such_module; install the group dev"):
        require_module("no_such_module")
