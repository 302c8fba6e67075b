"""Simulate what lost machines cost, over rates of loss and checkpoint intervals.

    python benchmarks/node_loss.py --out benchmarks/records/node-loss.json

Each node trains one member. Nodes are lost at random, after exponentially distributed times. What
was trained since the last checkpoint is then repeated, after the time that it takes to notice the
loss, to find another node and to load the checkpoint. Beside the simulation stands the first-order
formula of Young and Daly: waste = cost / interval + rate · (interval / 2 + recovery). Cost and
recovery are assumed.
"""

import argparse
from pathlib import Path

import numpy as np
from measurement import save

HOUR_SECONDS = 3600.0
SIMULATED_MEMBERS = 4_000
TRAINING_SECONDS = 4 * 60.0  # about what `single` takes
CHECKPOINT_SECONDS = 0.1  # to write and to send one
LOSSES_PER_HOUR = (0.01, 0.1, 1.0, 10.0)  # of a node; spot machines have about 0.1
INTERVAL_SECONDS = (5.0, 20.0, 60.0, 300.0)


def training_time(
    random: np.random.Generator, rate: float, interval: float, cost: float, recovery: float
) -> float:
    """Return the seconds until one member is trained.

    Args:
        random: draws the times of losses.
        rate: losses a second.
        interval: seconds of training between checkpoints.
        cost: seconds that a checkpoint takes.
        recovery: seconds from a loss until training goes on.
    """
    clock = saved = 0.0
    lost = random.exponential(1 / rate)
    while saved < TRAINING_SECONDS:
        stretch = min(interval, TRAINING_SECONDS - saved)
        if clock + stretch + cost <= lost:
            clock += stretch + cost
            saved += stretch
        else:
            clock = lost + recovery
            lost = clock + random.exponential(1 / rate)
    return clock


def waste(rate: float, interval: float, recovery: float) -> dict[str, float]:
    """Return the wasted share of the time, simulated and by the formula."""
    random = np.random.default_rng(0)
    times = [
        training_time(random, rate / HOUR_SECONDS, interval, CHECKPOINT_SECONDS, recovery)
        for _ in range(SIMULATED_MEMBERS)
    ]
    length = min(interval, TRAINING_SECONDS)
    return {
        "losses_an_hour": rate,
        "interval_seconds": interval,
        "simulated": round(float(np.mean(times)) / TRAINING_SECONDS - 1, 5),
        "formula": round(
            CHECKPOINT_SECONDS / length + rate / HOUR_SECONDS * (length / 2 + recovery), 5
        ),
    }


def main() -> None:
    """Simulate, print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recovery", type=float, default=10.0, help="seconds, assumed")
    parser.add_argument("--out", type=Path, help="file of the record")
    options = parser.parse_args()
    rows = [
        waste(rate, interval, options.recovery)
        for rate in LOSSES_PER_HOUR
        for interval in INTERVAL_SECONDS
    ]
    for row in rows:
        print(
            f"{row['losses_an_hour']:>6} an hour, every {row['interval_seconds']:>5} s: "
            f"{row['simulated']:7.2%} simulated, {row['formula']:7.2%} by the formula"
        )
    save(
        options.out,
        training_seconds=TRAINING_SECONDS,
        checkpoint_cost_seconds=CHECKPOINT_SECONDS,
        recovery_seconds=options.recovery,
        members=SIMULATED_MEMBERS,
        rows=rows,
    )


if __name__ == "__main__":
    main()
