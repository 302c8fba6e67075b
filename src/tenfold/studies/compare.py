"""Sets of runs: one recipe with many seeds, summarised; two sets, compared seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tenfold.artifacts.finished_run import FinishedRun
from tenfold.artifacts.studies import Comparison, PairedScores, Spread, SweepResult
from tenfold.errors import RunError
from tenfold.evaluation.statistics import mcnemar, paired, spread


@dataclass(frozen=True)
class Metric:
    """A headline figure of a run: how it is printed, and where it is found; None if unknown."""

    format: str
    of: Callable[[FinishedRun], float | None]


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("{:.3%}", lambda run: run.evaluation.headline.accuracy),
    "accuracy_without_disputed": Metric(
        "{:.3%}",
        lambda run: run.evaluation.disputed.accuracy_without if run.evaluation.disputed else None,
    ),
    "nll_sum": Metric("{:,.1f}", lambda run: run.evaluation.headline.nll_sum),
    "ece": Metric("{:.4f}", lambda run: run.evaluation.headline.ece),
    "training_seconds": Metric("{:,.1f}", lambda run: run.manifest.timings.training_seconds),
}


def only_seeds_differ(runs: Sequence[FinishedRun]) -> bool:
    """Say whether the runs differ in their seeds, and in nothing else."""
    recipes = [{**run.recipe, "seed": 0} for run in runs]
    different = len({run.seed for run in runs}) == len(runs)
    return different and all(recipe == recipes[0] for recipe in recipes)


def summarise(runs: Sequence[FinishedRun]) -> dict[str, Spread]:
    """Describe the headline figures of several runs: those that all of them have."""
    return {name: spread(values) for name, values in _columns(runs).items()}


def compare(a: Sequence[FinishedRun], b: Sequence[FinishedRun]) -> Comparison:
    """Compare two sets in pairs of one seed.

    Raises:
        RunError: no seed is in both, a seed is twice in one, or the images differ.
    """
    by_seed_a, by_seed_b = _by_seed(a), _by_seed(b)
    seeds = sorted(by_seed_a.keys() & by_seed_b.keys())
    if not seeds:
        raise RunError("the sets share no seed; a paired comparison needs runs of the same seeds")
    paired_a, paired_b = [by_seed_a[seed] for seed in seeds], [by_seed_b[seed] for seed in seeds]
    images = {run.evaluation.data.sha256 for run in (*paired_a, *paired_b)}
    if len(images) > 1:
        raise RunError("the runs were measured on different images; compare like with like")
    columns_a, columns_b = _columns(paired_a), _columns(paired_b)
    p = None
    if len(seeds) == 1:
        wrong_a, wrong_b = (
            {mistake.index for mistake in run.evaluation.mistakes} for run in (*paired_a, *paired_b)
        )
        p = mcnemar(only_a=len(wrong_b - wrong_a), only_b=len(wrong_a - wrong_b))
    return Comparison(
        seeds=tuple(seeds),
        a=summarise(paired_a),
        b=summarise(paired_b),
        differences={
            name: paired(columns_a[name], columns_b[name])
            for name in METRICS
            if name in columns_a and name in columns_b
        },
        mcnemar=p,
    )


def compare_fresh_seeds(result: SweepResult) -> dict[str, PairedScores]:
    """Compare a sweep's best recipe with the one that it began with, figure by figure."""
    baseline, best = dict(result.fresh_seeds.baseline), dict(result.fresh_seeds.best)
    return {
        name: PairedScores(
            baseline=spread(values),
            best=spread(best[name]),
            difference=paired(values, best[name]),
        )
        for name, values in baseline.items()
    }


def _columns(runs: Sequence[FinishedRun]) -> dict[str, list[float]]:
    """Return each figure of every run, but for figures that some run lacks."""
    columns = {name: [metric.of(run) for run in runs] for name, metric in METRICS.items()}
    return {
        name: [value for value in values if value is not None]
        for name, values in columns.items()
        if None not in values
    }


def _by_seed(runs: Sequence[FinishedRun]) -> dict[int, FinishedRun]:
    found: dict[int, FinishedRun] = {}
    for run in runs:
        if run.seed in found:
            raise RunError(f"{run.path}: seed {run.seed} is there twice")
        found[run.seed] = run
    return found
