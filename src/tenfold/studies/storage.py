"""Where a sweep's trials are kept: Optuna's journal in its folder, or a storage that is shared."""

import re
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from tenfold.errors import RunError, TenfoldError
from tenfold.files import write_atomically
from tenfold.studies.space import Space
from tenfold.untrusted import read_bytes

JOURNAL = "journal.log"
MAX_REASON_LETTERS = 200  # of a driver's message


def open_study(
    folder: Path, url: str | None, name: str, pruner: optuna.pruners.BasePruner
) -> optuna.Study:
    """Open a study of this name, or create it, in the storage at `url` or in the folder.

    Raises:
        RunError: it cannot be opened.
    """
    place = f"--storage {url}" if url else str(folder / JOURNAL)
    try:
        study = optuna.create_study(
            storage=_storage(url) if url else _journal(folder / JOURNAL),
            study_name=name,
            pruner=pruner,
            direction="minimize",
            load_if_exists=True,
        )
        study.get_trials(deepcopy=False)
    except TenfoldError:
        raise
    except Exception as error:  # Optuna trusts what it reads; each driver has its exceptions
        reason = " ".join(str(error).split())[:MAX_REASON_LETTERS] or type(error).__name__
        raise RunError(f"{place}: cannot be opened ({reason}); name another") from error
    return study


def check_trial(trial: FrozenTrial, space: Space, place: str) -> None:
    """Refuse a trial that the storage should not have; Optuna believes what it reads.

    Raises:
        RunError: its folder would lie elsewhere, a figure is no number, or a parameter is not of
            this space.
    """
    fault = None
    figures = [trial.value or 0.0, *trial.intermediate_values.values()]
    if not re.fullmatch(r"\d{4,9}", str(trial.user_attrs.get("run", "0000"))):
        fault = f"its run is {trial.user_attrs['run']!r}"
    elif not all(isinstance(figure, float | int) for figure in figures):
        fault = "a value is no number"
    for key, value in trial.params.items():
        known = key in space.distributions
        if not known or (key in space.choices and value not in space.choices[key]):
            fault = f"{key} is {value!r}, which is not in the space"
    if fault:
        raise RunError(f"{place}: trial {trial.number}: {fault}; name another --out")


def _journal(path: Path) -> BaseStorage:
    """Open Optuna's journal without the half line or the lock that a killed process may leave."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        data = read_bytes(path, RunError, "name another --out")
        if not data.endswith(b"\n"):
            write_atomically(path, data[: data.rfind(b"\n") + 1])
    # Optuna's other lock is a link; a folder with links in it is refused.
    lock = JournalFileOpenLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock))


def _storage(url: str) -> BaseStorage:
    """Connect to a storage that several machines share."""
    if url.startswith("grpc://"):
        host, _, port = url.removeprefix("grpc://").partition(":")
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=10)
        return proxy
    return optuna.storages.get_storage(url)
