"""The consumer's voice: rebalances as they happen, and a line a second while anything moves."""

import threading
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
    """What the polling thread reports, counted and logged."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def consumed(self, lane: Lane, records: int, nbytes: int) -> None:
        del nbytes
        self._counters.consumed(lane, records)


class Reported(Protocol):
    """What a reporter looks at."""

    counters: Counters
    source: Source
    queue: BatchQueue


class Reporter:
    """One thread, `stats`: a line per `interval` seconds when anything moved, and a last one at the stop."""

    def __init__(self, consumer: Reported, interval: float) -> None:
        self._consumer = consumer
        self._interval = interval
        self._stats = Stats()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stats", daemon=True)

    def start(self) -> None:
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
