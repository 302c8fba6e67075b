"""The release workflow: as far as it can be checked without GitHub."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
WORKFLOW: dict[str | bool, Any] = yaml.safe_load(RELEASE.read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CIBUILDWHEEL: dict[str, Any] = PROJECT["tool"]["cibuildwheel"]
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]

STEPS: list[dict[str, Any]] = [step for job in JOBS.values() for step in job["steps"]]
COMMANDS = [step["run"] for step in STEPS if "run" in step]
ACTIONS = [(step["uses"], step.get("with", {})) for step in STEPS if "uses" in step]


def inputs(action: str) -> list[dict[str, Any]]:
    """Return what is given to every use of an action."""
    return [given for name, given in ACTIONS if name.partition("@")[0] == action]


def pythons() -> set[str]:
    """Return the versions of Python that the workflow names."""
    named = {given["python-version"] for given in inputs("actions/setup-python")}
    matrices = [job["strategy"]["matrix"] for job in JOBS.values() if "strategy" in job]
    listed = {version for matrix in matrices for version in matrix.get("python", ())}
    return listed | {version for version in named if "${{" not in version}


@pytest.mark.parametrize("action", sorted({name for name, _ in ACTIONS}))
def test_actions_are_pinned(action: str) -> None:
    assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
    (version,) = set(re.findall(rf"{action} # (\S+)", RELEASE.read_text()))
    assert re.fullmatch(r"v\d+\.\d+\.\d+", version)


def test_only_the_last_job_may_do_more_than_read_the_repository() -> None:
    assert WORKFLOW["permissions"] == {}
    assert all(job["timeout-minutes"] <= 60 for job in JOBS.values())
    (trusted,) = [name for name, job in JOBS.items() if job["permissions"] != {"contents": "read"}]
    assert JOBS[trusted]["permissions"] == {"contents": "read", "id-token": "write"}
    assert set(JOBS[trusted]["needs"]) == JOBS.keys() - {trusted}
    assert JOBS[trusted]["if"] == "github.event_name == 'push'"
    assert not re.search(r"secrets\.|password|token:", str(JOBS))


def test_a_tag_starts_it_and_must_be_the_version() -> None:
    starts = WORKFLOW[True]  # YAML reads `on` as a truth value
    assert starts["push"] == {"tags": ["v*"]}
    assert any("${GITHUB_REF_NAME#v}" in command for command in COMMANDS)


def test_what_is_built_is_what_is_published() -> None:
    uploads = [given["name"] for given in inputs("actions/upload-artifact")]
    assert len(uploads) == 2
    assert all(name.startswith("dist-") for name in uploads)
    downloads = [
        (given.get("pattern"), given["path"]) for given in inputs("actions/download-artifact")
    ]
    assert ("dist-*", "dist") in downloads


def test_every_python_of_it_is_supported() -> None:
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [version for version in sorted(pythons()) if version not in supported] == []
    (lowest,) = re.findall(r"^>=(\S+)$", str(supported))
    assert CIBUILDWHEEL["build"] == f"cp{lowest.replace('.', '')}-manylinux_*"
    assert lowest in pythons()


def test_scripts_of_it_exist() -> None:
    commands = [*COMMANDS, CIBUILDWHEEL["test-command"].replace("{project}/", "")]
    scripts = re.findall(r"python (\S+\.py)", "\n".join(commands))
    assert len(scripts) == 2
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


@pytest.mark.network
@pytest.mark.parametrize(
    "tool",
    [
        ["check-jsonschema==0.39.0", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor==1.32.0", "--offline"],
    ],
    ids=["schema", "security"],
)
def test_other_tools_find_nothing_wrong(tool: list[str]) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "tool", "run", *tool, str(RELEASE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
