"""The consumer's voice: rebalances as they happen, and a line a second while anything moves."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import Lane
from taosink.kafka.observer import SourceObserver
from taosink.kafka.source import Source
from taosink.observe.counters import Counters
from taosink.observe.stats import Gauges, Stats

log = structlog.get_logger()


class SourceLog(SourceObserver):
    """What the polling thread reports, counted."""

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._clock = clock
        self._gave_up: float | None = None

    def consumed(self, lane: Lane, records: int, nbytes: int) -> None:
        self._counters.consumed(lane, records, nbytes)

    def assigned(self, lanes: Collection[Lane]) -> None:
        del lanes
        begun, self._gave_up = self._gave_up, None
        self._counters.rebalanced(0.0 if begun is None else self._clock() - begun)

    def revoked(self, lanes: Collection[Lane], pending: int, *, lost: bool) -> None:
        del pending, lost
        if lanes and self._gave_up is None:
            self._gave_up = self._clock()

    def commit_failed(self, error: str, *, revoking: bool) -> None:
        del error, revoking
        self._counters.commit_failed()

    def lost_by_broker(self, lane: Lane, records: int) -> None:
        del lane
        self._counters.lost_by_broker(records)


class Reported(Protocol):
    """What a reporter looks at."""

    counters: Counters
    source: Source
    queue: BatchQueue


class Reporter:
    """One thread, `stats`: a line per `interval` seconds when anything moved, and a last one at the stop.

    `beat` is when the thread last came round, of the monotonic clock.
    """

    def __init__(self, consumer: Reported, interval: float) -> None:
        self._consumer = consumer
        self._interval = interval
        self._stats = Stats()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stats", daemon=True)
        self.beat = time.monotonic()

    def start(self) -> None:
        self.beat = time.monotonic()
        self._thread.start()

    def stop(self, exit_code: int) -> None:
        """Ends the thread and says the totals."""
        self._stop.set()
        self._thread.join()
        counts = self._consumer.counters.snapshot()
        log.info(
            "consumer.stopped",
            exit_code=int(exit_code),
            total=counts.consumed,
            stored=counts.stored,
            dead_lettered=counts.dead_lettered,
            dead_lettered_by_reason=counts.rejected_by_reason,
        )

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.beat = time.monotonic()
            line = self._stats.line(self._consumer.counters.snapshot(), self._gauges())
            if line is not None:
                log.info("consumer.stats", **line)

    def _gauges(self) -> Gauges:
        source, view = self._consumer.source, self._consumer.source.view
        return Gauges(
            queue_fill=self._consumer.queue.fill,
            lag=sum(source.lag.values()) if source.lag else None,
            paused=len(view.paused),
            assigned=len(view.lanes),
        )
