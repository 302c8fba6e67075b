"""Files that anyone may have written: bounded, and every fault is one line that names the file."""

import os
import resource
import tomllib
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pytest
from training_records import record_of

import tenfold.artifacts.evaluation
import tenfold.artifacts.studies
import tenfold.artifacts.training
from tenfold import untrusted
from tenfold.artifacts import base
from tenfold.artifacts.studies import Comparison, Difference, PairedScores, Spread
from tenfold.artifacts.training import JournalRecord, Manifest
from tenfold.errors import RunError
from tenfold.untrusted import parse_toml, read_bytes, read_toml


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = " + "9" * 5_000, "an integer has more than 64 bits"),
        ("x = 0x" + "f" * 20_000, "an integer has more than 64 bits"),
        ("x = [1, { y = 9223372036854775808 }]", "an integer has more than 64 bits"),
        ("x = " + "[" * 10_000 + "]" * 10_000, "tables or lists are more than 100 deep"),
        ("x = " + "[" * 150 + "]" * 150, "tables or lists are more than 100 deep"),
        ("x = " + "{a=" * 10_000, "tables or lists are more than 100 deep"),
        ("a" + ".a" * 150 + " = 1", "tables or lists are more than 100 deep"),
        ("a" + ".a" * 20_000 + " = 1", "a line has more than 200 dots"),
        ("[a" + ".a" * 20_000 + "]", "a line has more than 200 dots"),
        ('a."\u2028"' + ".a" * 20_000 + " = 1", "a line has more than 200 dots"),
        ("#" * 70_000, "70,000 bytes are above the limit of 65,536"),
        (b"x = '\xe9'", "not UTF-8 text"),
        ("x = 2000-99-99", "Expected newline"),
    ],
)
def test_hostile_toml_is_one_line(text: str | bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError) as raised:
        read_toml(path, RunError)
    assert str(raised.value).startswith(f"{path}: ")
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)


def test_ordinary_toml_is_what_tomllib_reads() -> None:
    text = 'a.b = 1\n[c]\nd = [[1.5, -9223372036854775808], { e = "…" }]\nf = 2026-01-01\n'
    assert parse_toml(text) == tomllib.loads(text)


def test_the_longest_dotted_keys_take_little_time_and_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    line = "a" + ".a" * (untrusted.MAX_DOTS_IN_A_LINE - 1) + " = 1\n"
    with pytest.raises(ValueError, match="more than 100 deep"):
        parse_toml("".join(f"{i}{line}" for i in range(untrusted.MAX_TOML_BYTES // len(line))))
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 5
    assert after.ru_maxrss - before.ru_maxrss < 200_000  # KiB


def test_what_is_no_file_or_too_large_is_refused_unread(tmp_path: Path) -> None:
    pipe, sparse = tmp_path / "pipe", tmp_path / "sparse"
    os.mkfifo(pipe)
    with sparse.open("wb") as file:
        file.truncate(6 << 30)
    for path, fault in (
        (pipe, "is a pipe or a device, not a file; mend it"),
        (Path("/dev/zero"), "is a pipe or a device, not a file; mend it"),
        (sparse, "6,442,450,944 bytes are above the limit of 134,217,728; mend it"),
        (tmp_path, "cannot be read (Is a directory); mend it"),
        (tmp_path / ("n" * 5_000), "cannot be read (File name too long); mend it"),
    ):
        with pytest.raises(RunError) as raised:
            read_bytes(path, RunError, "mend it")
        assert str(raised.value) == f"{path}: {fault}"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"step":10', '"step":' + "9" * 5_000, "not valid JSON"),
        ('"step":10', '"step":' + "9" * 4_000, "step: "),
        ('"step":10', '"step":' + "[" * 10_000, "not valid JSON"),
        ('"step":10', '"step":1e300', "step: "),
        (
            '"weight_loss":',
            '"weight_loss":1e308,"x":',
            "weight_loss: Value error, 1e+308 is beyond",
        ),
        ('"step":10', '"step":[' + "1," * 1_000_000 + "1]", "more than 1,000,000 values"),
        ("{", "{" + "".join(f'"{i}":1,' for i in range(20_000)), "20,000 faults"),
    ],
)
def test_hostile_json_is_one_line(old: str, new: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    line = record_of(10).to_json()
    assert old in line
    path.write_text(line + line.replace(old, new, 1))
    with pytest.raises(RunError) as raised:
        JournalRecord.read_lines(path, "train it again")
    message = str(raised.value)
    assert message.startswith(f"{path}: {fault}")
    assert message.endswith("; line 2; train it again")
    assert "\n" not in message


def _bare_numbers(annotation: Any, metadata: tuple[Any, ...] = ()) -> bool:
    """Tell whether a field takes a number without an upper bound."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _bare_numbers(inner, (*metadata, *more))
    if annotation in {int, float}:
        bounded = ("le", "lt", "func")  # `func` is `base._bounded`
        flat = [m for item in metadata for m in (item, *getattr(item, "metadata", ()))]
        return not any(getattr(m, name, None) is not None for m in flat for name in bounded)
    return any(_bare_numbers(a) for a in get_args(annotation) if a is not NoneType)


def test_every_number_in_a_file_has_bounds() -> None:
    # Those that are computed from figures in files, and are not read.
    computed = {Spread, Difference, Comparison, PairedScores}
    classes = [
        kind
        for module in (tenfold.artifacts.evaluation, tenfold.artifacts.training,
                       tenfold.artifacts.studies)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, base.Artifact) and kind not in computed
    ]  # fmt: skip
    assert Manifest in classes
    for kind in classes:
        for name, field in kind.model_fields.items():
            found = _bare_numbers(field.annotation, tuple(field.metadata))
            assert not found, f"{kind.__name__}.{name}: {field.annotation}"
    assert _bare_numbers(Spread.model_fields["mean"].annotation)
