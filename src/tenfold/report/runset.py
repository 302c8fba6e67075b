"""Sets of runs: one recipe with many seeds, summarised; two sets, compared seed by seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import RunError
from tenfold.evaluation.statistics import Difference, Spread, mcnemar, paired, spread
from tenfold.report.folder import RunFolder, read_run

FIGURES: dict[str, Callable[[RunFolder], float | None]] = {
    "accuracy": lambda run: run.evaluation.headline.accuracy,
    "accuracy_without_disputed": lambda run: (
        run.evaluation.disputed.accuracy_without if run.evaluation.disputed else None
    ),
    "nll_sum": lambda run: run.evaluation.headline.nll_sum,
    "ece": lambda run: run.evaluation.headline.ece,
    "training_seconds": lambda run: run.training_seconds,
}


@dataclass(frozen=True)
class Comparison:
    """Set b less set a over the seeds that both have; `mcnemar` compares two single runs."""

    seeds: list[int]
    a: dict[str, Spread]
    b: dict[str, Spread]
    differences: dict[str, Difference]
    mcnemar: float | None


def read_set(path: Path) -> list[RunFolder]:
    """Read a run folder, or every finished run in a folder of runs, by seed.

    Raises:
        RunError: there is none, or one is damaged.
    """
    finished = [found.parent for found in path.glob("*/evaluation.json")]
    if (path / "recipe.toml").is_file() or not finished:
        return [read_run(path)]
    return sorted((read_run(run) for run in finished), key=lambda run: (_seed(run), run.path))


def only_seeds_differ(runs: Sequence[RunFolder]) -> bool:
    """Say whether the runs differ in their seeds, and in nothing else."""
    recipes = [{**run.recipe, "seed": 0} for run in runs]
    different = len({_seed(run) for run in runs}) == len(runs)
    return different and all(recipe == recipes[0] for recipe in recipes)


def summarise(runs: Sequence[RunFolder]) -> dict[str, Spread]:
    """Describe the headline figures of several runs: those that all of them have."""
    return {name: spread(values) for name, values in _columns(runs).items()}


def compare(a: Sequence[RunFolder], b: Sequence[RunFolder]) -> Comparison:
    """Compare two sets in pairs of one seed.

    Raises:
        RunError: no seed is in both, a seed is twice in one, or the images differ.
    """
    left, right = _by_seed(a), _by_seed(b)
    seeds = sorted(left.keys() & right.keys())
    if not seeds:
        raise RunError("the sets share no seed; a paired comparison needs runs of the same seeds")
    ones, others = [left[seed] for seed in seeds], [right[seed] for seed in seeds]
    images = {run.evaluation.data.sha256 for run in (*ones, *others)}
    if len(images) > 1:
        raise RunError("the runs were measured on different images; compare like with like")
    columns_a, columns_b, p = _columns(ones), _columns(others), None
    if len(seeds) == 1:
        wrong_a, wrong_b = ({m.index for m in r.evaluation.mistakes} for r in (ones[0], others[0]))
        p = mcnemar(only_a=len(wrong_b - wrong_a), only_b=len(wrong_a - wrong_b))
    return Comparison(
        seeds=seeds,
        a=summarise(ones),
        b=summarise(others),
        differences={
            name: paired(columns_a[name], columns_b[name])
            for name in FIGURES
            if name in columns_a and name in columns_b
        },
        mcnemar=p,
    )


def _columns(runs: Sequence[RunFolder]) -> dict[str, list[float]]:
    """Return each figure of every run, but for figures that some run lacks."""
    columns = {name: [figure(run) for run in runs] for name, figure in FIGURES.items()}
    return {
        name: [value for value in values if value is not None]
        for name, values in columns.items()
        if None not in values
    }


def _by_seed(runs: Sequence[RunFolder]) -> dict[int, RunFolder]:
    found: dict[int, RunFolder] = {}
    for run in runs:
        if _seed(run) in found:
            raise RunError(f"{run.path}: seed {_seed(run)} is there twice")
        found[_seed(run)] = run
    return found


def _seed(run: RunFolder) -> int:
    return int(run.recipe.get("seed", 0))
