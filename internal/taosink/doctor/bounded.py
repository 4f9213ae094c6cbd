"""Work that must not hold up the others: each piece on a daemon thread, with its time."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Late(Exception):  # noqa: N818 - it is an answer: no answer in time
    """The work had not ended when its time was over; its thread is left behind."""


class _Task(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        # A daemon: a name server or a client library may hold a call for minutes, and cannot be interrupted.
        self._thread = threading.Thread(target=self._run, name="doctor-check", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error

    def result(self, timeout: float) -> T:
        self._thread.join(timeout)
        if self._error is not None:
            raise self._error
        if not self._result:
            raise Late
        return self._result[0]


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns or raises, or Late after that time."""
    return _Task(work).result(seconds)


def all_within(seconds: float, works: Sequence[Callable[[], T]]) -> list[T | Late]:
    """All at once; Late in the place of each that was not done. Raises what one of them raised."""
    tasks = [_Task(work) for work in works]
    found: list[T | Late] = []
    for index, task in enumerate(tasks):
        try:
            # They began together: who comes after a late one has had its time too.
            found.append(task.result(seconds if not index else max(0.05, seconds / 10)))
        except Late as late:
            found.append(late)
    return found
