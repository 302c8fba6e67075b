"""The part of the module `ray` that tenfold uses, in this process: tasks die on purpose."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tenfold.execution.ray import MessageQueue
from tenfold.execution.remote import Task


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class NodeDiedError(RayError):
    pass


class TaskCancelledError(RayError):
    pass


class Died(BaseException):
    """Nothing catches this: the machine is gone."""


class Ref:
    """A reference to what a task or an actor returns."""

    def __init__(self, value: object = None, call: Callable[[], None] | None = None) -> None:
        self.value = value
        self.call = call  # of a task that has not run yet
        self.error: Exception | None = None


class FakeRay:
    """One task runs at a time, when it is waited for; the n-th dies after `deaths[n]` messages.

    Args:
        deaths: messages that a task sends before it dies, by the task's number from 1.
        stop_after: messages in all, whereupon Ctrl-C is pressed.
        cores: of the only node.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(
        self, deaths: dict[int, int], stop_after: int | None = None, cores: int = 2
    ) -> None:
        self.deaths = deaths
        self.stop_after = stop_after
        self.cores = cores
        self.tasks: list[Task] = []
        self.uploads = 0
        self.pressed = threading.Event()
        self.received = 0
        self.sent: dict[int, int] = {}
        self.queue: Any = None

    def remote(self, thing: Any) -> Any:
        submit = self._start_actor if isinstance(thing, type) else self._submit
        starter = SimpleNamespace(remote=lambda *arguments: submit(thing, arguments))
        return SimpleNamespace(options=lambda **_: starter)

    def _start_actor(self, kind: Any, _: object) -> Any:
        assert kind is MessageQueue
        self.queue = kind()
        methods = {name: getattr(self.queue, name) for name in ("take", "end", "stop")}
        methods["put"] = self._put_message
        return SimpleNamespace(
            **{
                name: SimpleNamespace(remote=lambda *a, method=method: Ref(method(*a)))
                for name, method in methods.items()
            }
        )

    def _put_message(self, number: int, kind: str, content: object) -> bool:
        if kind != "begun":
            if self.sent.get(number, 0) == self.deaths.get(number):
                raise Died
            self.sent[number] = self.sent.get(number, 0) + 1
            self.received += 1
            if self.received == self.stop_after:
                self.pressed.set()
                self.queue.stop()
        return bool(self.queue.put(number, kind, content))

    def _submit(self, function: Any, arguments: tuple[Any, ...]) -> Ref:
        number, task, digits, queue = arguments
        self.tasks.append(task)
        return Ref(call=lambda: function(number, task, digits.value, queue))

    def put(self, value: object) -> Ref:
        self.uploads += 1
        return Ref(value)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": self.cores}}]

    def cancel(self, ref: Ref) -> None:
        ref.call, ref.error = None, TaskCancelledError()

    def wait(self, refs: list[Ref], num_returns: int = 1, timeout: float = 0) -> Any:
        assert timeout < 1
        assert num_returns == len(refs)
        done = [ref for ref in refs if ref.call is None]
        if not done:
            self._run(refs[0])
            done = refs[:1]
        return done, [ref for ref in refs if ref not in done]

    def _run(self, ref: Ref) -> None:
        assert ref.call
        try:
            ref.call()
        except Died:
            ref.error = NodeDiedError()
        ref.call = None

    def get(self, ref: Any, timeout: float | None = None) -> Any:
        assert timeout is None or timeout > 1
        if isinstance(ref, list):
            return [self.get(one) for one in ref]
        if ref.error:
            raise ref.error
        return ref.value
