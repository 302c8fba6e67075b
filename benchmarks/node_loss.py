"""What losing machines costs: simulated for rates and checkpoint intervals, beside a formula.

    python benchmarks/node_loss.py --out benchmarks/records/node-loss.json

A member trains for so many seconds, one to a node. Nodes are lost at random (exponential times);
what was trained since the last checkpoint is trained again, after the time that it takes to
notice, to find another node and to load. The formula is Young's and Daly's first-order one:
waste = cost / interval + rate · (interval / 2 + recovery). Cost and recovery are assumed.
"""

import argparse
from pathlib import Path

import numpy as np
from measurement import save

HOUR = 3600.0
MEMBERS = 4_000  # that are simulated for each row
TRAINING = 4 * 60.0  # seconds: about what `single` takes
COST = 0.1  # seconds that writing and sending a checkpoint takes
RATES = (0.01, 0.1, 1.0, 10.0)  # losses an hour and node: a bad week, spot machines, worse, absurd
INTERVALS = (5.0, 20.0, 60.0, 300.0)  # seconds between checkpoints


def spent(
    random: np.random.Generator, rate: float, interval: float, cost: float, recovery: float
) -> float:
    """Return the seconds until one member is trained.

    Args:
        random: draws the times of losses.
        rate: losses a second.
        interval: seconds of training between checkpoints.
        cost: seconds a checkpoint takes.
        recovery: seconds from a loss until training goes on.
    """
    clock = saved = 0.0
    lost = random.exponential(1 / rate)
    while saved < TRAINING:
        stretch = min(interval, TRAINING - saved)
        if clock + stretch + cost <= lost:
            clock += stretch + cost
            saved += stretch
        else:
            clock = lost + recovery
            lost = clock + random.exponential(1 / rate)
    return clock


def wasted(rate: float, interval: float, recovery: float) -> dict[str, float]:
    """Return the share of time that brings nothing, simulated and by the formula."""
    random = np.random.default_rng(0)
    times = [spent(random, rate / HOUR, interval, COST, recovery) for _ in range(MEMBERS)]
    length = min(interval, TRAINING)
    return {
        "losses_an_hour": rate,
        "interval_seconds": interval,
        "simulated": round(float(np.mean(times)) / TRAINING - 1, 5),
        "formula": round(COST / length + rate / HOUR * (length / 2 + recovery), 5),
    }


def main() -> None:
    """Simulate, compare, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recovery", type=float, default=10.0, help="seconds, assumed")
    parser.add_argument("--out", type=Path, help="file of the record")
    options = parser.parse_args()
    rows = [wasted(rate, step, options.recovery) for rate in RATES for step in INTERVALS]
    for row in rows:
        print(
            f"{row['losses_an_hour']:>6} an hour, every {row['interval_seconds']:>5} s: "
            f"{row['simulated']:7.2%} simulated, {row['formula']:7.2%} by the formula"
        )
    save(
        options.out,
        training_seconds=TRAINING,
        checkpoint_cost_seconds=COST,
        recovery_seconds=options.recovery,
        members=MEMBERS,
        rows=rows,
    )


if __name__ == "__main__":
    main()
