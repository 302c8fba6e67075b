"""The locks are complete: exact versions with hashes, and none is older than pyproject.toml asks.

`make lock` renews them.
"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Every index has another build of torch; the Makefile names its version.
UNLOCKED = {"tenfold", "torch"}


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock."""
    versions: dict[str, set[str]] = {}
    text = (ROOT / "requirements" / name).read_text()
    for block in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = block.replace("\\\n", "\n").splitlines()
        found = re.match(r"([\w.-]+)==(\S+)", first)
        assert found, first
        assert hashes, first
        assert all(re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}\s*", line) for line in hashes)
        versions.setdefault(found[1], set()).add(found[2])
    return versions


def wanted(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for."""
    groups = PROJECT["dependency-groups"]
    if name == "tools.txt":
        return [Requirement(text) for text in groups["tools"]]
    extras = PROJECT["project"]["optional-dependencies"]
    texts = PROJECT["project"]["dependencies"] + groups["dev"] + groups["docs"]
    for extra, more in extras.items():
        texts += more if extra != "track" else []
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", ["dev.txt", "tools.txt"])
def test_a_lock_has_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for requirement in wanted(name):
        if requirement.name not in UNLOCKED:
            package = re.sub(r"[._]", "-", requirement.name.lower())
            assert package in versions, f"{package}: run `make lock`"
            assert all(map(requirement.specifier.contains, versions[package])), package


def test_both_locks_agree() -> None:
    development, tools = locked("dev.txt"), locked("tools.txt")
    for package in development.keys() & tools.keys():
        assert development[package] & tools[package], package


def test_no_registry_is_named() -> None:
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text()
