"""Reading on a cluster that is a function call away; tasks end in another order."""

import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tenfold.errors import DataError, TenfoldError
from tenfold.reading.ray_workers import run_on_ray

CORES = 2


class TaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Cluster:
    """What `run_on_ray` uses of the module `ray`; of the tasks that wait the last one runs."""

    exceptions = SimpleNamespace(RayTaskError=TaskError)

    def __init__(self) -> None:
        self.most_waiting = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(CORES)}

    def put(self, value: object) -> bytes:
        return pickle.dumps(value)

    def remote(self, function: Callable[..., Any]) -> Any:
        def submit(shared: bytes, item: object) -> Callable[[], Any]:
            return lambda: function(pickle.loads(shared), item)

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=submit))

    def wait(self, refs: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        assert timeout > 0
        self.most_waiting = max(self.most_waiting, len(refs))
        return refs[-1:], refs[:-1]

    def get(self, ref: Callable[[], Any]) -> Any:
        try:
            return ref()
        except ModuleNotFoundError as error:
            raise TaskError(error) from error


def squared(number: int) -> int:
    if number < 0:
        raise DataError(f"{number}: is negative")
    if number == 99:
        raise ModuleNotFoundError("No module named 'tenfold'")
    return number**2


def test_each_item_is_done_once_and_few_wait() -> None:
    cluster = Cluster()
    found = list(run_on_ray(cluster, squared, iter(range(20)), "bulk"))
    assert sorted(found) == [number**2 for number in range(20)]
    assert cluster.most_waiting == 2 * CORES


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [(-1, DataError, "^-1: is negative$"), (99, TenfoldError, "a node: .*its extra forms$")],
)
def test_errors_have_one_line(item: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(run_on_ray(Cluster(), squared, [1, item, 2], "forms"))
