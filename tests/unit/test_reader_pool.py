"""Jobs in processes that can be killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from starlette.exceptions import HTTPException

from tenfold.bundle.format import SHIPPED
from tenfold.serving import reader_pool
from tenfold.serving.reader_pool import ReaderPool

pytestmark = pytest.mark.processes


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    pool = ReaderPool(SHIPPED, 2)
    yield pool
    pool.close()


# Jobs


def process_of(body: bytes) -> tuple[int, int]:
    return os.getpid(), len(body)


def fail(body: bytes) -> None:
    if body:
        raise HTTPException(422, body.decode(), {"A": "b"})
    raise RuntimeError("a bug")


def write_process_and_sleep(body: bytes) -> None:
    with open(body.decode(), "w") as file:  # noqa: PTH123
        file.write(str(os.getpid()))
    time.sleep(60)


def start_of_process(_: bytes) -> tuple[int, float]:
    """Return the parent of the process, and the processor seconds that the process took so far."""
    return os.getppid(), time.process_time()


def die(_: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Return whether a process runs; it may be dead without its parent having noticed."""
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between open and read
        return False


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def running_process(path: str) -> int:
    """Return the process that wrote its number into a file."""
    text = ""

    def was_written() -> bool:
        nonlocal text
        if os.path.exists(path):  # noqa: PTH110
            with open(path) as file:  # noqa: PTH123
                text = file.read()
        return text != ""

    await wait_until(was_written)
    return int(text)


async def test_results_and_errors_come_back(pool: ReaderPool) -> None:
    for size in (0, 10, 16 * 2**20):
        process, length = await pool.run(process_of, bytes(size))
        assert (process != os.getpid(), length) == (True, size)
    with pytest.raises(HTTPException) as caught:
        await pool.run(fail, b"no")
    assert (caught.value.status_code, caught.value.detail) == (422, "no")
    assert caught.value.headers == {"A": "b"}
    with pytest.raises(RuntimeError) as bug:
        await pool.run(fail, b"")
    assert "in fail" in bug.value.__notes__[0]  # where, in the other process
    assert (await pool.run(process_of, b""))[0] == process  # an error does not cost a process


@pytest.mark.parametrize("end", ["timeout", "cancel", "close"])
async def test_a_job_that_is_given_up_stops(
    pool: ReaderPool, end: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmp_path}/process"
    monkeypatch.setattr(reader_pool, "READ_TIMEOUT_S", 60.0)
    await asyncio.gather(*(pool.run(process_of, b"") for _ in range(2)))
    if end == "timeout":
        monkeypatch.setattr(reader_pool, "READ_TIMEOUT_S", 1.0)
    job = asyncio.ensure_future(pool.run(write_process_and_sleep, path.encode()))
    process = await running_process(path)
    if end == "timeout":
        with pytest.raises(HTTPException, match="takes more than 1 s") as caught:
            await job
        assert caught.value.status_code == 422
    elif end == "cancel":
        job.cancel()
    else:
        pool.close()
    await wait_until(lambda: not is_alive(process))
    monkeypatch.setattr(reader_pool, "READ_TIMEOUT_S", 60.0)
    if end != "close":
        both: list[Awaitable[tuple[int, int]]] = [pool.run(process_of, b"") for _ in range(2)]
        assert process not in {number for number, _ in await asyncio.gather(*both)}
    await asyncio.gather(job, return_exceptions=True)


async def test_a_process_that_dies_is_replaced(pool: ReaderPool) -> None:
    with pytest.raises(EOFError):
        await pool.run(die, b"")
    assert (await pool.run(process_of, b"abc"))[1] == 3


@pytest.mark.skipif(sys.platform != "linux", reason="processes import for themselves")
async def test_processes_are_forked_from_one_that_has_imported_and_may_die(
    pool: ReaderPool,
) -> None:
    code = "import time, tenfold.serving.read; print(time.process_time())"
    imports = float(subprocess.check_output([sys.executable, "-c", code]))  # noqa: ASYNC221
    server, seconds = await pool.run(start_of_process, b"")
    assert seconds < imports / 2
    assert len(os.listdir(f"/proc/{server}/task")) == 1  # noqa: PTH208 - no lock is copied
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - it listens till then
    with pytest.raises(EOFError):
        await pool.run(die, b"")
    assert (await pool.run(start_of_process, b""))[0] != server


async def test_a_job_does_not_wait_for_ever(
    pool: ReaderPool, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "WAIT_TIMEOUT_S", 0.1)
    paths = [f"{tmp_path}/{number}" for number in range(2)]
    busy = [asyncio.ensure_future(pool.run(write_process_and_sleep, p.encode())) for p in paths]
    for path in paths:
        await running_process(path)
    with pytest.raises(HTTPException, match="try again") as caught:
        await pool.run(process_of, b"")
    assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "1"})
    for job in busy:
        job.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    assert (await pool.run(process_of, b"abc"))[1] == 3
