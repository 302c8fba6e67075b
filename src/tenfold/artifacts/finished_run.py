"""A finished run, or several, read from their files alone: no torch, and no code that trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenfold.artifacts.evaluation import RunEvaluation
from tenfold.artifacts.training import READER_NETWORKS, JournalRecord, Manifest
from tenfold.errors import RunError
from tenfold.untrusted import read_toml


@dataclass(frozen=True)
class FinishedRun:
    """What reports and comparisons read of a run; `journal` is the first member's."""

    path: Path
    recipe_toml: str
    recipe: Mapping[str, object]
    manifest: Manifest
    evaluation: RunEvaluation
    journal: list[JournalRecord]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.manifest.seed

    @property
    def stage_starts(self) -> list[int]:
        """The iterations at which a new stage begins."""
        pairs = zip(self.journal, self.journal[1:], strict=False)
        return [a.step for a, b in pairs if a.stage != b.stage]


def read_run(path: Path) -> FinishedRun:
    """Read a finished run.

    Raises:
        RunError: a file is missing or not what it should be.
    """
    if not path.is_dir():
        raise RunError(f"{path}: no such folder; name a run that `tenfold train` made")
    fix = "name a run folder that `tenfold train` made"
    toml, recipe = read_toml(path / "recipe.toml", RunError, fix)
    for table, trained in READER_NETWORKS.items():
        if table in recipe:
            raise RunError(
                f"{path}: trained a {trained}; reports and comparisons are of classifiers"
            )
    fix = f"`tenfold train --resume --out {path}` writes it anew"
    member = path / "members/00/journal.jsonl"
    fix_member = "delete members/00 and train the member again"
    journal = JournalRecord.read_lines(member, fix_member)
    if not journal:
        raise RunError(f"{member}: empty; {fix_member}")
    return FinishedRun(
        path=path,
        recipe_toml=toml,
        recipe=recipe,
        manifest=Manifest.read_file(path / "manifest.json", fix),
        evaluation=RunEvaluation.read_file(path / "evaluation.json", fix),
        journal=journal,
    )


def read_runs(path: Path) -> list[FinishedRun]:
    """Read a run folder, or every finished run in a folder of runs, by seed.

    Raises:
        RunError: there is none, or one is damaged.
    """
    finished = [found.parent for found in path.glob("*/evaluation.json")]
    if (path / "recipe.toml").is_file() or not finished:
        return [read_run(path)]
    return sorted(map(read_run, finished), key=lambda run: (run.seed, run.path))
