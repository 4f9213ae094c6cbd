"""The stop, in its order, within one deadline."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from taosbatch.batch_queue import BatchQueue
from taosbatch.worker_pool import WorkerPool
from taosink.exits import Exit
from taosink.kafka.source import Source

log = structlog.get_logger()

LAST_SECONDS = 5.0
"""Kept at the end of the deadline for statements on the wire, dead letters, the commit and leaving the group."""
LOOK = 0.05


class Flushing(Protocol):
    def flush(self, timeout: float) -> int: ...
    def close(self, timeout: float) -> int: ...


class Stopping:
    """One stop of one consumer. `run` blocks for at most `seconds`; a watchdog ends the process a moment later,
    whatever call it hangs in. `stuck` tells afterwards whether a thread was left behind in such a call."""

    def __init__(
        self,
        *,
        source: Source,
        queue: BatchQueue,
        pool: WorkerPool,
        dead_letters: Flushing,
        seconds: float,
        again: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._queue = queue
        self._pool = pool
        self._dead_letters = dead_letters
        self._again = again
        self._clock = clock
        self._seconds = seconds
        self._deadline = clock() + seconds
        self._abandon_at = self._deadline - min(LAST_SECONDS, seconds / 4)
        self._finished = threading.Event()
        self.stuck = False

    def run(self) -> bool:
        """True where everything that was read is stored or dead-lettered, and committed."""
        started = self._clock()
        log.info("consumer.stopping", deadline=self._seconds, queue=repr(self._queue))
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        # Heartbeats go on while the workers drain: a member that stops polling loses what it drains.
        self._source.stop(self._deadline)
        self._until(lambda: self._source.wait_quiet(LOOK))
        self._queue.close()
        drained = self._until(lambda: self._queue.wait_empty(LOOK))
        if not drained:
            log.warning("consumer.abandoning", queue=repr(self._queue), meaning="the rest is read again")
            self._pool.abandon()
        left_workers = self._pool.join(self._clock() + self._left(reserve=0.6))
        # Before the commit: a letter that the broker has acknowledged need not be written again.
        letters = self._dead_letters.flush(self._left(reserve=0.5))
        self._source.drained()
        self._source.wait(self._left())
        outcome = self._source.outcome
        self._dead_letters.close(0.0)
        self._finished.set()
        closed = outcome is not None and outcome.closed
        self.stuck = bool(left_workers) or not closed
        ended = outcome is not None and outcome.committed and not outcome.pending
        clean = drained and ended
        say = log.info if clean else log.warning
        say(
            "consumer.drained" if clean else "consumer.left_work_pending",
            seconds=round(self._clock() - started, 2),
            pending=outcome.pending if outcome else None,
            committed=bool(outcome and outcome.committed),
            dead_letters_unacknowledged=letters,
            workers_left_behind=left_workers,
        )
        return clean and not letters

    @property
    def left(self) -> float:
        """Seconds until the deadline, for what is to be told and closed after the run."""
        return max(0.0, self._deadline - self._clock())

    def _until(self, done: Callable[[], bool]) -> bool:
        """Asks until it is done, until it is time to abandon, or until a second signal comes."""
        while not done():
            if self._again.is_set() or self._clock() >= self._abandon_at:
                return False
            if self._source.outcome is not None and self._source.outcome.reason != "stopped":
                return False
        return True

    def _left(self, *, reserve: float = 0.0) -> float:
        """Seconds until the deadline, less a share of the last ones for what comes after."""
        span = self._deadline - self._abandon_at
        return max(0.0, self._deadline - reserve * span - self._clock())

    def _watch(self) -> None:
        if self._finished.wait(max(0.0, self._deadline - self._clock()) + 1.0):
            return
        log.error(
            "consumer.deadline_passed", meaning="what was not committed is read again", threads=_whereabouts()
        )
        sys.stderr.flush()
        os._exit(Exit.ABANDONED)


def _whereabouts() -> dict[str, str]:
    """Where each thread is at this moment: what a stop that did not come to its end was waiting for."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        for ident, frame in sys._current_frames().items()
    }
