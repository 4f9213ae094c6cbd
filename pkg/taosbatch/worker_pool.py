"""N named threads that take batches from the queue and hand them to their handler."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from taosbatch.batch import Batch
from taosbatch.batch_queue import BatchQueue
from taosbatch.errors import QueueClosedError
from taosbatch.offsets import Lane


class Handler(Protocol):
    """What a worker does with a batch. Built and used in the worker's thread: it may own a connection."""

    def __call__(self, batch: Batch) -> None:
        """Settles the batch: tickets told, dead-lettered, or parked. An exception out of it is a defect."""
        ...

    def close(self) -> None:
        """Called once, in the same thread, when the worker ends."""
        ...


OnError = Callable[[str, BaseException, tuple[Lane, ...]], None]
"""Told of a defect: the worker's name, the exception, and the lanes of the batch that it held."""


class WorkerPool:
    """Owns the worker threads: `start`, then close or abandon the queue, then `join`.

    An exception out of a handler ends that worker and is reported to `on_error`, from the worker's thread,
    after its lanes were freed. The batch is not parked, since nobody knows how far it came: its tickets stay
    open, so the committed offset stays below it and the next owner reads it again.
    """

    def __init__(
        self,
        queue: BatchQueue,
        make_handler: Callable[[int], Handler],
        workers: int,
        *,
        on_error: OnError,
        abandoned: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._make_handler = make_handler
        self._on_error = on_error
        self._clock = clock
        self._busy_since: list[float | None] = [None] * workers
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"worker-{index}", daemon=True)
            for index in range(workers)
        ]
        self.abandoned = abandoned or threading.Event()

    def start(self) -> None:
        """Starts the threads; once."""
        for thread in self._threads:
            thread.start()

    def abandon(self) -> None:
        """Sets `abandoned`, which handlers look at, and empties the queue: no further batch is begun."""
        self.abandoned.set()
        self._queue.abandon()

    def join(self, deadline: float) -> list[str]:
        """Waits for all threads until `deadline` (of `clock`); returns the names of those that still run.

        They end by themselves only once the queue is closed and drained, or abandoned.
        """
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - self._clock()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    @property
    def alive(self) -> int:
        """How many workers run."""
        return sum(thread.is_alive() for thread in self._threads)

    def busy_since(self) -> dict[str, float]:
        """The workers that are inside their handler, and since when."""
        return {
            thread.name: since
            for thread, since in zip(self._threads, self._busy_since, strict=True)
            if since is not None
        }

    def _run(self, index: int) -> None:
        lanes: tuple[Lane, ...] = ()
        try:
            handler = self._make_handler(index)
            try:
                while (batch := self._next()) is not None:
                    lanes = batch.lanes
                    self._handle(index, handler, batch)
                    lanes = ()
            finally:
                handler.close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the owner must hear of it and end the process
            self._on_error(f"worker-{index}", error, lanes)

    def _next(self) -> Batch | None:
        try:
            return self._queue.take()
        except QueueClosedError:
            return None

    def _handle(self, index: int, handler: Handler, batch: Batch) -> None:
        self._busy_since[index] = self._clock()
        try:
            handler(batch)
        finally:
            self._busy_since[index] = None
            self._queue.finish(batch)

    def __repr__(self) -> str:
        return (
            f"<WorkerPool workers={len(self._threads)} alive={self.alive} busy={sorted(self.busy_since())} "
            f"abandoned={self.abandoned.is_set()}>"
        )
