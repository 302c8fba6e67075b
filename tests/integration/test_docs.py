"""README and docs: they say what is, and their Python runs."""

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tenfold.forms.template import KEYS_OF_KIND, FormField, PageOfForm, Template
from tenfold.training.recipe import Recipe, shipped
from tenfold.training.schedule import Stage

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    ROOT / "experiments/README.md",
    *sorted(DOCS.rglob("*.md")),
]


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, to the next one."""
    _, _, rest = (DOCS / page).read_text().partition(f"# {heading}\n")
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, headings left out."""
    lines = re.findall(r"^\| *(.*?) *\|$", text, re.MULTILINE)
    cells = [re.split(r" *(?<!\\)\| *", line) for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def names(text: str) -> set[str]:
    """Return the words in backticks of the tables' first column."""
    return {name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])}


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of a recipe with its default, None where it is required."""
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation)
        kind: Any = kinds[0] if type(None) in kinds else field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        elif field.is_required():
            yield prefix + name, None
        else:
            default = field.default
            yield prefix + name, list(default) if isinstance(default, tuple) else default


def table_of_defaults(text: str) -> dict[str, Any]:
    """Read a table of keys and defaults, the latter as TOML."""
    return {
        row[0].strip("`"): None
        if row[1] in {"required", "none"}
        else tomllib.loads(f"value = {row[1].strip('`')}")["value"]
        for row in rows(text)
    }


def test_every_key_of_a_recipe_and_its_default_are_documented() -> None:
    assert table_of_defaults(section("reference/recipes.md", "Keys")) == dict(leaves(Recipe))


def test_every_key_of_a_stage_is_documented() -> None:
    documented = table_of_defaults(section("reference/recipes.md", "A stage"))
    assert documented.keys() == Stage.model_fields.keys()
    required = {name for name, field in Stage.model_fields.items() if field.is_required()}
    assert {name for name, default in documented.items() if default is None} == required
    least = {"iterations": 1, "learning_rate": 1, "batch_size": 1}
    assert Stage.model_validate(least) == Stage.model_validate(
        {name: least.get(name, default) for name, default in documented.items()}
    )


@pytest.mark.parametrize(
    ("heading", "model"), [("The form", Template), ("Pages", PageOfForm), ("Fields", FormField)]
)
def test_every_key_of_a_form_template_is_documented(heading: str, model: type[BaseModel]) -> None:
    documented = table_of_defaults(section("reference/form-template.md", heading))
    fields = {name: f for name, f in model.model_fields.items() if name not in {"pages", "fields"}}
    assert documented == {
        name: None if field.is_required() else field.default for name, field in fields.items()
    }


def test_the_kinds_of_every_key_of_a_field_are_documented() -> None:
    for name, _, documented, _ in rows(section("reference/form-template.md", "Fields")):
        key = name.strip("`")
        kinds = [kind for kind, keys in KEYS_OF_KIND.items() if key in keys]
        expected = ", ".join(kinds) or "all"
        assert (key, documented) == (key, expected)


def test_every_shipped_recipe_is_documented() -> None:
    assert names(section("reference/recipes.md", "Shipped recipes")) == set(shipped())


def test_every_file_of_a_run_is_documented(small_run: Path) -> None:
    patterns = names(section("reference/files.md", "The run folder"))
    left = {str(p.relative_to(small_run)) for p in small_run.rglob("*") if p.is_file()}
    left = {re.sub(r"members/\d\d/", "members/NN/", name) for name in left}
    matched = {name: [p for p in patterns if fnmatch.fnmatch(name, p)] for name in left}
    assert [name for name, found in matched.items() if not found] == []
    unmatched = patterns - {pattern for found in matched.values() for pattern in found}
    assert unmatched == {"members/NN/checkpoint.safetensors"}  # gone when it is finished


@pytest.mark.parametrize(
    ("heading", "file"),
    [
        ("manifest.json", "manifest.json"),
        ("A journal record", "members/00/journal.jsonl"),
        ("bundle.json", "bundle/bundle.json"),
        ("evaluation.json", "evaluation.json"),
    ],
)
def test_every_key_of_a_file_is_documented(heading: str, file: str, small_run: Path) -> None:
    text = (small_run / file).read_text()
    content: Mapping[str, Any] = json.loads(
        text.splitlines()[0] if file.endswith("jsonl") else text
    )
    documented = names(section("reference/files.md", heading))
    if heading == "evaluation.json":
        of_a_model = names(section("reference/files.md", heading).partition("Of a model:")[2])
        assert of_a_model == content["models"][0].keys()
        documented = names(section("reference/files.md", heading).partition("Of a model:")[0])
    assert documented == content.keys()


def test_the_command_line_s_page_is_current(tmp_path: Path) -> None:
    page = tmp_path / "command-line.md"
    words = ("utils", "docs", "--name", "tenfold", "--title", "Command line")
    command = [sys.executable, "-m", "typer", "tenfold.cli", *words, "--output", str(page)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    current = (DOCS / "reference" / "command-line.md").read_text()
    assert page.read_text() == current, "run `make command-line`"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("README.md", r"6915034 \d+\.\d% \(.*\)\n$"),
        pytest.param("docs/how-to/train.md", r"\[\[[\s\d.e+-]*", marks=pytest.mark.slow),
    ],
)
def test_the_python_of_a_page_runs_as_a_script(page: str, output: str, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    script = tmp_path / "snippet.py"
    script.write_text(snippet)
    (tmp_path / "docs").symlink_to(DOCS)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.match(output, done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
