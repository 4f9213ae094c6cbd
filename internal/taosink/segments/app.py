"""The composition root of `taosink segments`: what is built from what, how it starts, and how it stops."""

import os
import sys
import threading
import time
from collections.abc import Callable

import structlog

from taosbatch.backoff import Backoff
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import OffsetTracker
from taosbatch.segments_assembler import Assembler, Limits
from taosink.clients import kafka_properties, kafka_security
from taosink.exits import Exit
from taosink.ingress.callbacks import Poster, shown
from taosink.kafka.client import check_properties
from taosink.kafka.options import SourceOptions
from taosink.kafka.publish import Publisher, PublishError
from taosink.kafka.source import Source
from taosink.segments.assembling import Assembling
from taosink.segments.courier import Courier
from taosink.segments.delivery import Counts, Delivery, Held
from taosink.segments.forms import MOST_SEGMENTS
from taosink.segments.frontier import Frontier
from taosink.segments.readings import Readings
from taosink.settings.segments import SegmentsSettings
from taosink.signals import Signals
from taosink.wiring import member_name

log = structlog.get_logger()

QUEUE_BYTES = 8 << 20
PREFETCH_BYTES = 8 << 20
POLL_RECORDS = 200
"""Records of one poll: their offsets are committed together, so that few are delivered twice after a kill."""
REVOKE_SECONDS = 2.0
LOOK = 0.2
"""Seconds between two looks of the main thread at what cannot wake it."""
LONGEST_WAIT = 5.0
"""Seconds between two tries to post."""
LAST_SECONDS = 3.0
"""Kept at the end of the deadline for posts on the wire, the commit and leaving the group."""


def run_segments(settings: SegmentsSettings) -> int:
    """Blocks until SIGTERM or SIGINT, or until it cannot go on; returns the exit code. Needs the main thread.

    Where a thread is stuck in a call that does not return, the process ends here instead of returning.
    """
    problem = check_properties(source_options(settings))
    if not settings.receive.url:
        problem = "segments.receive-url is needed: messages are posted there"
    if problem:
        log.error("segments.not_started", reason=problem, exit_code=int(Exit.CONFIGURATION))
        return Exit.CONFIGURATION
    with Signals() as signals:
        collector = Collector(settings)
        collector.start()
        collector.wait(signals.asked)
        code = collector.stop(signals.again)
    if collector.stuck:
        sys.stderr.flush()
        os._exit(code)
    return code


def source_options(settings: SegmentsSettings) -> SourceOptions:
    return SourceOptions(
        brokers=",".join(settings.kafka.brokers),
        group=settings.collect.group,
        topics=(settings.collect.topic,),
        client_id=member_name(),
        session_timeout=settings.collect.session_timeout,
        security=kafka_security(settings.kafka),
        properties=dict(settings.kafka.properties),
        poll_records=POLL_RECORDS,
        prefetch_bytes=PREFETCH_BYTES,
        refill_bytes=QUEUE_BYTES // 2,
        # An incomplete message holds back what is committed, and may not hold back the reading that completes it.
        max_ahead=1 << 40,
        revoke_deadline=REVOKE_SECONDS,
    )


class Collector:
    """One member of the group: its parts, in the order in which they depend on each other."""

    def __init__(self, settings: SegmentsSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        collect, receive = settings.collect, settings.receive
        self._settings = settings
        self._clock = clock
        self._fatal = threading.Event()
        self.counts = Counts()
        self.tracker = OffsetTracker()
        rule = BatchRule(max_records=1000, max_bytes=QUEUE_BYTES // 4, linger=0.02)
        self.queue = BatchQueue(rule, QUEUE_BYTES, 100_000, workers=1)
        self.poster = Poster(
            receive.url,
            timeout=receive.timeout,
            connections=receive.workers,
            token=receive.token.get_secret_value(),
            ca=str(receive.ca or ""),
        )
        self.courier = Courier(
            "receiver",
            self.poster.post,
            threads=receive.workers,
            max_bytes=receive.queue,
            backoff=Backoff(max=LONGEST_WAIT),
        )
        properties = kafka_properties(settings.kafka)
        self.publisher = Publisher(properties, on_error=self._publisher_failed, name="readings-publisher")
        readings = Readings(self.publisher, properties, receive.readings)
        self.delivery = Delivery(self.courier, readings, self.counts)
        self.source = Source(
            source_options(settings), tracker=self.tracker, queue=self.queue, can_finish=self._can_finish
        )
        limits = Limits(collect.silence, collect.age, collect.memory, collect.messages, MOST_SEGMENTS)
        assembler: Assembler[Held] = Assembler(limits)
        frontier = Frontier(self.source, self.tracker, lambda: self.source.view.paused)
        self.assembling = Assembling(
            self.queue, assembler, self.delivery, frontier, self.counts, scan=collect.scan
        )
        self._assemble = threading.Thread(target=self.assembling.run, name="assemble", daemon=True)
        self._poll = threading.Thread(target=self.source.run, name="poll", daemon=True)
        self._told: dict[str, int] = {}
        self._next_line = 0.0
        self.stuck = False

    def __repr__(self) -> str:
        return f"<Collector {self.source!r} {self.assembling!r}>"

    def start(self) -> None:
        """What takes first, so that what is read has somewhere to go."""
        log.info(
            "segments.started",
            topic=self._settings.collect.topic,
            group=self._settings.collect.group,
            brokers=self._settings.kafka.brokers,
            receiver=shown(self._settings.receive.url),
            readings=self._settings.receive.readings,
        )
        self.courier.start()
        self._assemble.start()
        self._poll.start()

    def wait(self, asked: threading.Event) -> None:
        """Until a stop is asked for, or it cannot go on by itself; tells meanwhile what moved."""
        while not asked.wait(LOOK):
            self._tell()
            if self.refused or self._broken or self.source.outcome is not None:
                return

    @property
    def refused(self) -> bool:
        """A broker that has never let us in, and will not: credentials and certificates are settings."""
        fault = self.source.fault
        return not self.source.answered and fault is not None and fault.kind in ("authentication", "tls")

    @property
    def _broken(self) -> bool:
        failed = self.assembling.failure or self.courier.failure
        return failed is not None or self._fatal.is_set()

    def stop(self, again: threading.Event) -> Exit:
        """Delivers what is complete within `stop.deadline`, or abandons at a second signal. What is incomplete
        stays with the group: its offsets are not committed."""
        refused = self.refused
        seconds = 0.0 if refused or self._broken else self._settings.stop.deadline
        deadline = self._clock() + seconds
        abandon_at = deadline - min(LAST_SECONDS, seconds / 4)
        finished = threading.Event()
        watch = threading.Thread(target=self._watch, args=(finished, seconds), name="watchdog", daemon=True)
        watch.start()
        self.source.stop(deadline)
        drained = self._drain(
            lambda: (
                again.is_set()
                or self._broken
                or self.source.outcome is not None
                or self._clock() >= abandon_at
            )
        )
        self.assembling.abandon()
        self._assemble.join(max(0.5, abandon_at - self._clock()))
        left_behind = self.courier.stop(max(0.2, (deadline - self._clock()) / 2))
        self.source.drained()
        self.source.wait(max(0.5, deadline - self._clock()))
        self.publisher.close(0.0)
        self.poster.close()
        outcome = self.source.outcome
        finished.set()
        watch.join()
        self.stuck = bool(left_behind) or self._assemble.is_alive() or outcome is None or not outcome.closed
        code = self._exit_code(drained and outcome is not None and outcome.committed, refused)
        log.info(
            "segments.stopped",
            exit_code=int(code),
            incomplete=self.assembling.incomplete,
            undelivered=self.delivery.waiting,
            committed=bool(outcome and outcome.committed),
            **self.counts.snapshot(),
        )
        return code

    def _drain(self, over: Callable[[], bool]) -> bool:
        """True where everything that was read and is complete has been delivered before it was over."""
        while not self.source.wait_quiet(0.05):
            if over():
                return False
        self.queue.close()
        while self._assemble.is_alive():
            if over():
                return False
            self._assemble.join(0.05)
        while self.delivery.waiting:
            if over():
                return False
            self.delivery.again()
            self.courier.flush(0.05)
        return True

    def _exit_code(self, drained: bool, refused: bool) -> Exit:
        outcome = self.source.outcome
        if refused:
            log.error("segments.not_started", reason=str(self.source.fault))
            return Exit.CONFIGURATION
        if self.assembling.failure or self.courier.failure or (outcome and outcome.reason == "defect"):
            return Exit.DEFECT
        if self._fatal.is_set() or (outcome is not None and outcome.reason == "fatal"):
            return Exit.FATAL_CLIENT
        return Exit.DRAINED if drained else Exit.ABANDONED

    def _can_finish(self) -> bool:
        """Whether waiting for records to end makes sense: incomplete messages do not end by waiting."""
        return not self.courier.failing and bool(self.delivery.waiting or self.queue.records)

    def _publisher_failed(self, error: PublishError) -> None:
        if error.fatal:
            log.error("segments.client_fatal", error=str(error), exit_code=int(Exit.FATAL_CLIENT))
            self._fatal.set()

    def _tell(self) -> None:
        now = self._clock()
        counts = self.counts.snapshot()
        if now < self._next_line or counts == self._told:
            return
        self._next_line = now + self._settings.stats.interval
        self._told = counts
        log.info(
            "segments.stats",
            incomplete=self.assembling.incomplete,
            undelivered=self.delivery.waiting,
            lag=sum(self.source.lag.values()),
            **counts,
        )

    def _watch(self, finished: threading.Event, seconds: float) -> None:
        if finished.wait(seconds + 3.0):
            return
        log.error("segments.deadline_passed", meaning="what was not committed is read again")
        sys.stderr.flush()
        os._exit(Exit.ABANDONED)
