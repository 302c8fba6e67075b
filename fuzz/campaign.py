"""Fuzz every target with atheris for some seconds each: `python fuzz/campaign.py --seconds 60`.

A target of the table in `fuzz_targets.py` fails by an exception that is not expected, by more than
5 s for an input, or by more than 1 GB. The input is then kept in `build/fuzz`.
"""

import argparse
import random
import re
import subprocess
import sys
import warnings
from pathlib import Path

BUILD = Path("build/fuzz")
SECONDS_AN_INPUT = 5
BASE_MB = 600  # torch, matplotlib, ONNX Runtime and the instrumented code
MEMORY_MB = BASE_MB + 1024
INSTRUMENTED = ["tenfold", "tomllib", "tarfile", "gzip", "csv", "PIL", "optuna.storages.journal"]
INSTRUMENTED += ["python_multipart", "json"]


def fuzz_one(name: str, options: list[str]) -> None:
    """Fuzz one target in this process; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        import fuzz_targets

        from tenfold.bundle import runtime

    from mutations import mutated

    runtime.TRIAL_SECONDS = fuzz_targets.TRIAL_SECONDS
    parse = fuzz_targets.TARGETS[name]
    warnings.simplefilter("ignore")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)  # noqa: S311 - no secret
        if rng.random() < 0.5:  # noqa: PLR2004 - half of them are libFuzzer's own
            return bytes(atheris.Mutate(data, max(len(data), 1)))[:max_size]
        return mutated(data, rng)[:max_size]

    def test_one_input(data: bytes) -> None:
        try:
            parse(data)
        except fuzz_targets.EXPECTED as error:
            if getattr(error, "status_code", 0) >= 500:  # noqa: PLR2004
                raise AssertionError(f"the service's fault: {error!r}") from error

    atheris.Setup([sys.argv[0], *options], test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


def fuzz_in_process(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own; print a line; tell whether it held."""
    corpus = BUILD / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = Path(__file__).with_name("seeds") / name
    options = [f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}"]
    options += [
        f"-rss_limit_mb={MEMORY_MB}",
        "-max_len=65536",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    options += [f"-artifact_prefix={BUILD}/{name}-", str(corpus), str(seeds)]
    command = [sys.executable, __file__, "--target", name, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    (BUILD / f"{name}.log").write_text(result.stdout + result.stderr)
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", result.stderr))
    inputs, memory = stats.get("number_of_executed_units", "?"), stats.get("peak_rss_mb", "?")
    held = result.returncode == 0
    end = "held" if held else f"FAILED, see {BUILD}/{name}.log"
    print(f"{name:16} {inputs:>8} inputs {seconds:>5} s {memory:>5} MB  {end}", flush=True)
    return held


def main() -> None:
    """Fuzz one target, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--only", nargs="*", help="names of targets")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args()
    if arguments.target:
        fuzz_one(arguments.target, options)
        return
    names = sorted(path.name for path in Path(__file__).with_name("seeds").iterdir())
    held = [fuzz_in_process(n, arguments.seconds) for n in arguments.only or names]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
