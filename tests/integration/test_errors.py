"""An error that the user can mend is one line with the fix; it leaves no file behind."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tenfold.bundle.format import SHIPPED
from tenfold.data.datasets import DATASETS
from tenfold.execution.config import Execution
from tenfold.execution.create import open_or_create
from tenfold.training.recipe import load_recipe, shipped

from .drawn_pictures import Tenfold

Fail = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]
IDX = sorted(DATASETS["mnist"].sha256)


@pytest.fixture
def fail(tenfold: Tenfold, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fail:
    """Run the command, which must fail: exit code 2, one line, no new file; return the line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, stdout, stderr = tenfold(*arguments)
        assert (code, stdout) == (2, "")
        lines = stderr.splitlines()
        if "--resume" in arguments and lines[0].startswith("resuming smoke in "):
            del lines[0]
        assert len(lines) == 1
        assert lines[0].startswith("tenfold: ")
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0].removeprefix("tenfold: ")

    return run


@pytest.fixture
def mnist(
    originals: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """A cache that holds a small `mnist`, whole, and no source to mend it from."""
    install()
    folder = tmp_path / "cache" / "mnist"
    folder.mkdir(parents=True)
    for name in IDX:
        shutil.copy(originals / name, folder / name)
    monkeypatch.setenv("TENFOLD_CACHE", str(folder.parent))
    return folder


SMALL = ("smoke", "--data", "mnist", "--set", "data.validation=3", "--threads", 1)


@pytest.mark.parametrize("name", IDX)
def test_a_flipped_bit_in_the_cache(name: str, mnist: Path, fail: Fail) -> None:
    data = bytearray((mnist / name).read_bytes())
    data[-1] ^= 1
    (mnist / name).write_bytes(data)
    message = fail("train", *SMALL, "--out", "run")
    assert message.startswith(f"{mnist / name}: expected SHA-256 ")
    assert message.endswith("; delete the file and run `tenfold data fetch mnist`")


@pytest.mark.parametrize("name", IDX)
def test_a_truncated_file_in_the_cache(name: str, mnist: Path, fail: Fail) -> None:
    (mnist / name).write_bytes((mnist / name).read_bytes()[:-1])
    assert fail("train", *SMALL).startswith(f"{mnist / name}: expected SHA-256 ")


def test_a_file_missing_from_the_cache_that_no_source_has(mnist: Path, fail: Fail) -> None:
    (mnist / IDX[0]).unlink()
    message = fail("train", *SMALL, "--out", "run")
    assert "no source could deliver" in message
    assert IDX[0] in message


@pytest.mark.parametrize("name", IDX)
def test_a_truncated_file_in_a_folder_of_one_s_own(name: str, mnist: Path, fail: Fail) -> None:
    (mnist / name).write_bytes((mnist / name).read_bytes()[:-1])
    message = fail("train", "smoke", "--data", mnist, "--set", "data.validation=3")
    assert message.startswith(f"{mnist / name}: ")


def test_an_empty_folder(fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert fail("train", "smoke", "--data", tmp_path / "empty").startswith(f"{tmp_path}/empty: ")


def test_no_such_data(fail: Fail) -> None:
    message = fail("train", "smoke", "--data", "mnits")
    assert message.startswith("mnits: no such data set or folder; data sets: mnist, ")


def test_a_validation_split_that_leaves_nothing(fail: Fail) -> None:
    message = fail("train", "smoke", "--set", "data.validation=6000")
    assert message == "data.validation: 6000 of 6000 images leave none to train on"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("members = 2", "membrs = 2", "membrs: unknown key; did you mean members?"),
        ("iterations = 30", 'iterations = "many"', "training.stages.0.iterations: Input should be"),
        ("batch_size = 32", "batch_size = -32", "training.stages.0.batch_size.start: Input should"),
        ("members = 2", "members = ", "not valid TOML: "),
    ],
)
def test_a_wrong_recipe(old: str, new: str, key: str, fail: Fail, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(shipped()["smoke"].read_text().replace(old, new))
    message = fail("train", path, "--out", "run")
    assert message.startswith(f"{path}:")
    assert key in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "abacus"), "--device abacus: not available here; use cpu, cuda or mps"),
        (("--device", "meta"), "--device meta: not available here; use cpu, cuda or mps"),
        (("--precision", "int8"), "--precision int8: use auto, float32 or bfloat16"),
        (("--seed", "-1"), "--set seed=-1: seed: Input should be greater than or equal to 0"),
        (("--set", "sede=1"), "--set sede=1: sede: unknown key; did you mean seed?"),
    ],
)
def test_a_wrong_option(options: tuple[str, ...], message: str, fail: Fail) -> None:
    assert fail("train", "smoke", *options).startswith(message)


def test_an_unknown_recipe(fail: Fail) -> None:
    assert fail("train", "smok").startswith("smok: no such recipe; did you mean smoke?")


def test_an_out_below_a_file(fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below" / "run"):
        message = fail("train", "smoke", "--out", out)
        assert message.startswith(f"--out {out}: cannot be written (")
        assert message.endswith("); name another path")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_out_that_holds_something(fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("mine")
    message = fail("train", "smoke", "--out", tmp_path / "run")
    assert message == f"--out {tmp_path}/run: not empty, and holds no run; name another folder"


def test_resuming_what_is_no_run(fail: Fail, tmp_path: Path) -> None:
    assert fail("train", "--resume").startswith("--resume: no unfinished run under runs/")
    message = fail("train", "--resume", "--out", tmp_path / "nothing")
    assert message.startswith(f"{tmp_path}/nothing: no recipe.toml; name a run folder")


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run whose second member is untrained."""
    path = tmp_path / "run"
    shutil.copytree(small_run, path)
    (path / "evaluation.json").unlink()
    shutil.rmtree(path / "members/01")
    return path


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_checkpoint(how: str, run: Path, fail: Fail) -> None:
    checkpoint = run / "members/01/checkpoint.safetensors"
    checkpoint.parent.mkdir()
    data = (run / "members/00/weights.safetensors").read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    foreign = b"\x80\x04\x95 a pickle or whatever"
    contents = {"truncated": data[:-1], "flipped": flipped, "empty": b"", "foreign": foreign}
    checkpoint.write_bytes(contents[how])
    message = fail("train", "--resume", "--out", run)
    assert message.startswith(f"{checkpoint}: damaged checkpoint (")
    assert message.endswith("); delete it to train this member again")


@pytest.mark.processes
def test_an_error_in_one_worker_ends_the_others(start: Start, tmp_path: Path) -> None:
    recipe = load_recipe("smoke", ["training.stages.1.iterations=100000"])
    run = open_or_create(recipe, tmp_path / "run", Execution(device="cpu", threads=2))
    run.members[1].mkdir(parents=True)
    (run.members[1] / "checkpoint.safetensors").write_bytes(b"damaged")
    process = start("train", "--resume", "--out", run.path)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    errors = [line for line in stderr.splitlines() if line.startswith("tenfold: ")]
    assert len(errors) == 1
    assert "damaged checkpoint" in errors[0]
    assert "Traceback" not in stderr


def test_a_manifest_that_is_not_json(run: Path, fail: Fail) -> None:
    (run / "manifest.json").write_text("{")
    assert fail("train", "--resume", "--out", run).startswith(f"{run}/manifest.json: not valid")


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors"])
def test_evaluating_a_damaged_bundle(name: str, run: Path, fail: Fail) -> None:
    path = run / "bundle" / name
    path.write_bytes(path.read_bytes()[:-40])
    assert fail("evaluate", run).startswith(f"{path}: ")


def test_evaluating_what_is_nothing(fail: Fail, tmp_path: Path) -> None:
    assert fail("evaluate", tmp_path).startswith(f"{tmp_path}/bundle.json: cannot be read")


@pytest.mark.processes
def test_a_training_that_diverges(start: Start, tmp_path: Path) -> None:
    rate = "training.stages.0.learning_rate=1e30"
    process = start("train", "smoke", "--set", rate, "--threads", "1", "--out", tmp_path / "run")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("tenfold: ")
    assert "diverged by iteration 10; lower training.stages.*.learning_rate" in last


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("read", ""), "an argument"),
        (("train", ""), "an argument"),
        (("read", "a.png", "--explain", ""), "--explain"),
        (("read", "a.png", "--explain="), "--explain"),
        (("export", "field", "--out", ""), "--out"),
        (("evaluate", "--data="), "--data"),
    ],
    ids=str,
)
def test_an_empty_argument_is_no_folder(arguments: tuple[str, ...], what: str, fail: Fail) -> None:
    assert fail(*arguments) == f"{what}: is empty; give a value or leave it out"


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "a.jpg", "--explain", "b.jpg"),
        ("evaluate", "--data", ".", "--explain", "b.jpg"),
        ("evaluate", "--data", ".", "--report", "b.jpg"),
    ],
    ids=str,
)
def test_a_page_does_not_replace_a_picture(
    arguments: tuple[str, ...], fail: Fail, tmp_path: Path
) -> None:
    (tmp_path / "b.jpg").write_text("mine")
    line = f"{arguments[-2]} b.jpg: is written as a page; let its name end in .html"
    assert fail(*arguments) == line
    assert (tmp_path / "b.jpg").read_text() == "mine"


def test_an_exported_model_does_not_replace_a_picture(fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "n.jpg").write_text("mine")
    line = "--out n.jpg: is a picture's name; let the name end in .onnx"
    assert fail("export", "field", "--out", "n.jpg") == line
    assert (tmp_path / "n.jpg").read_text() == "mine"


def test_an_exported_model_does_not_replace_a_file_of_its_bundle(
    fail: Fail, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "mine")
    before = (tmp_path / "mine/model.onnx").read_bytes()
    line = "--out mine/model.onnx: is a file of the bundle; name another"
    assert fail("export", "mine", "--out", "mine/model.onnx") == line
    assert (tmp_path / "mine/model.onnx").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--out", "."), ".: is a link, a folder or a device; name another file"),
        (("--format", "bundle", "--out", "."), "--out .: is the working folder; name a new one"),
    ],
)
def test_nothing_takes_the_place_of_the_working_folder(
    options: tuple[str, ...], line: str, fail: Fail
) -> None:
    assert fail("export", "field", *options) == line
