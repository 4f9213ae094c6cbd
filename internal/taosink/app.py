"""The consumer's composition root: what is built from what, how it starts, and how it stops."""

import os
import sys
import threading
import time
from collections.abc import Callable

import structlog

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink import wiring
from taosink.allocator import return_large_blocks
from taosink.budget import divide
from taosink.clients import kafka_properties, taos_address
from taosink.config import ConsumerSettings
from taosink.exits import Exit
from taosink.idle import IdleWatch
from taosink.kafka.dead_letter_setup import DeadLetterSetup
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.publish import PublishError
from taosink.kafka.source import Source
from taosink.observe.counters import Counters
from taosink.observe.happenings import Happenings
from taosink.observe.meters import Meters
from taosink.observe.reporting import Reporter, SourceLog
from taosink.observe.waits import Waits
from taosink.preflight import Refused, check_database, check_settings, needs_operator
from taosink.replies import ObservedDeadLetters, open_replies
from taosink.signals import Signals
from taosink.status import looker, open_status
from taosink.stopping import Stopping
from taosink.workers import Workers

log = structlog.get_logger()

LOOK = 0.2
"""Seconds between two looks of the main thread at what cannot wake it."""
LAST_ANSWERS = 0.5
"""Seconds at the very end for answers that are on their way to devices, where the deadline leaves them."""
STATUS_ENDS, STATUS_ENDS_LEAST = 2.0, 0.1
"""The same for the status listener's requests."""


def run_consumer(settings: ConsumerSettings) -> int:
    """Blocks until SIGTERM or SIGINT, or until it cannot go on; returns the exit code. Needs the main thread.

    Where a thread is stuck in a call that does not return, the process ends here instead of returning.
    """
    return_large_blocks()
    stop = Signals()
    with stop:
        try:
            if not stop.asked.is_set():
                check_settings(settings)
                look_at_database(settings, stop.asked)
            if stop.asked.is_set():
                log.info("consumer.not_started", reason="asked to stop", exit_code=int(Exit.DRAINED))
                return Exit.DRAINED
            consumer = Consumer(settings)
        except Refused as refusal:
            log.error("consumer.not_started", reason=str(refusal), exit_code=int(Exit.CONFIGURATION))
            return Exit.CONFIGURATION
        consumer.start()
        consumer.wait(stop.asked)
        code = consumer.stop(stop.again)
    if consumer.stuck:
        sys.stderr.flush()
        os._exit(code)
    return code


def look_at_database(settings: ConsumerSettings, asked: threading.Event) -> None:
    """`check_database`, left behind where a stop is asked for: one that accepts connections and says nothing would
    hold the stop back for `taos.timeout`. Raises Refused."""
    failures: list[BaseException] = []
    ended = threading.Event()

    def look() -> None:
        try:
            check_database(settings, asked)
        except BaseException as error:  # noqa: BLE001 - raised again below, on the thread that waits
            failures.append(error)
        ended.set()

    threading.Thread(target=look, name="first-look", daemon=True).start()
    while not ended.wait(LOOK) and not asked.is_set():
        pass
    if failures:
        raise failures[0]


class Consumer:
    """One member of the group: its parts, in the order in which they depend on each other."""

    def __init__(self, settings: ConsumerSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises Refused where the status listener's address cannot be used; nothing was begun then."""
        self.status = open_status(settings)
        shares = divide(settings.queue.memory, settings.queue.workers)
        self._settings = settings
        self._clock = clock
        self._defect = threading.Event()
        self._fatal = threading.Event()
        self._ended = threading.Event()
        self.counters = Counters()
        self.meters = Meters()
        self.waits = Waits(needs_operator=needs_operator)
        self.tracker = OffsetTracker()
        self.queue: BatchQueue = wiring.batch_queue(settings, shares)
        self.setup = DeadLetterSetup(
            kafka_properties(settings.kafka),
            wiring.subscription(settings),
            settings.dead_letters.topic,
        )
        self.letters = Happenings()
        self.dead_letters = KafkaDeadLetters(
            kafka_properties(settings.kafka),
            topic=settings.dead_letters.topic,
            consumer=wiring.member_name(),
            max_letters=settings.dead_letters.max_unacknowledged,
            create=self.setup.create,
            on_error=self._publisher_failed,
        )
        self.source = Source(
            wiring.source_options(settings, shares),
            tracker=self.tracker,
            queue=self.queue,
            observer=SourceLog(self.counters),
            can_finish=lambda: self.waits.cause is None,
        )
        self.replies = open_replies(settings)
        abandoned = threading.Event()
        self.workers = Workers(
            settings,
            ObservedDeadLetters(self.dead_letters, self.letters, self.replies),
            self.queue,
            counters=self.counters,
            meters=self.meters,
            waits=self.waits,
            holds=self.source.holds,
            abandoned=abandoned,
            replies=self.replies,
        )
        self.pool = WorkerPool(
            self.queue,
            self.workers.handler,
            settings.queue.workers,
            on_error=self._worker_failed,
            abandoned=abandoned,
        )
        self.reporter = Reporter(self, settings.stats.interval)
        self._idle = IdleWatch(
            self.source,
            kafka_properties(settings.kafka),
            wiring.subscription(settings),
            settings.group.name,
        )
        self._poll = threading.Thread(target=self._poll_until_ended, name="poll", daemon=True)
        self.stuck = False
        self.stopping = False

    def __repr__(self) -> str:
        return f"<Consumer {self.source!r} {self.queue!r} {self.pool!r}>"

    def start(self) -> None:
        """Workers first, so that what the source brings has somewhere to go."""
        log.info(
            "consumer.started",
            member=wiring.member_name(),
            topic=self._settings.group.topic,
            group=self._settings.group.name,
            brokers=self._settings.kafka.brokers,
            database=taos_address(self._settings.taos).shown,
            workers=self._settings.queue.workers,
            memory_budget=self._settings.queue.memory,
        )
        self.pool.start()
        self.setup.start()
        self._poll.start()
        self.reporter.start()
        if self.status is not None:
            self.status.start(lambda: looker(self, self._settings))
        if self._settings.stop.until_idle:
            self._idle.start()

    def wait(self, asked: threading.Event) -> None:
        """Until a stop is asked for, or the consumer cannot go on by itself."""
        while not asked.wait(LOOK):
            if self.refused or any(
                e.is_set() for e in (self._ended, self._defect, self._fatal, self._idle.idle)
            ):
                return

    @property
    def refused(self) -> bool:
        """A broker that has never let us in, and will not: credentials and certificates are settings."""
        fault = self.source.fault
        return not self.source.answered and fault is not None and fault.kind in ("authentication", "tls")

    def stop(self, again: threading.Event) -> Exit:
        """Drains within `stop.deadline`, or abandons at a second signal. The order is `Stopping.run`'s."""
        refused = self.refused
        self.stopping = True
        self._idle.stop()
        if refused:
            log.error(
                "consumer.not_started", reason=str(self.source.fault), exit_code=int(Exit.CONFIGURATION)
            )
        stopping = Stopping(
            source=self.source,
            queue=self.queue,
            pool=self.pool,
            dead_letters=self.dead_letters,
            seconds=0.0 if refused else self._settings.stop.deadline,
            again=again,
            clock=self._clock,
        )
        drained = stopping.run()
        self.setup.stop()
        self.stuck = stopping.stuck
        code = self._exit_code(drained, refused)
        if self.replies is not None:
            self.replies.close(min(LAST_ANSWERS, stopping.left))
        self.reporter.stop(code)
        # Last of all: until here it tells how the stop goes.
        if self.status is not None and not self.status.stop(
            min(STATUS_ENDS, max(STATUS_ENDS_LEAST, stopping.left))
        ):
            self.stuck = True
        return code

    def _exit_code(self, drained: bool, refused: bool) -> Exit:
        outcome = self.source.outcome
        if refused:
            return Exit.CONFIGURATION
        if self._defect.is_set() or (outcome is not None and outcome.reason == "defect"):
            return Exit.DEFECT
        if self._fatal.is_set() or (outcome is not None and outcome.reason == "fatal"):
            return Exit.FATAL_CLIENT
        # Who asked for everything is to hear that a signal came before it was done.
        finished = self._idle.idle.is_set() or not self._settings.stop.until_idle
        return Exit.DRAINED if drained and finished else Exit.ABANDONED

    def _poll_until_ended(self) -> None:
        self.source.run()
        self._ended.set()

    def _worker_failed(self, worker: str, error: BaseException, lanes: tuple[Lane, ...]) -> None:
        log.critical(
            "worker.defect",
            worker=worker,
            lanes=[f"{lane.topic}/{lane.partition}" for lane in lanes],
            meaning="its records were not committed and are read again",
            do="report it with this trace",
            exc_info=error,
        )
        self._defect.set()

    def _publisher_failed(self, error: PublishError) -> None:
        if error.fatal:
            log.error("dead_letters.client_fatal", error=str(error), exit_code=int(Exit.FATAL_CLIENT))
            self._fatal.set()
