"""The Kafka source: what the application starts, asks and stops."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import structlog
from confluent_kafka import KafkaException, TopicPartition

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.client import first_protocol
from taosink.kafka.errors import FatalClientError, SourceFault
from taosink.kafka.observer import SourceObserver
from taosink.kafka.options import SourceOptions
from taosink.kafka.session import ProtocolRefusedError, Session
from taosink.kafka.start import Blocked

log = structlog.get_logger(__name__)

LAST_COMMIT = 3.0
"""Seconds for which the final commit is tried."""
SHORTEST_CLOSE = 0.2
"""Seconds for leaving the group where the deadline has no more."""
LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the source ended. `committed`: everything that had ended is committed. `pending`: records delivered
    that had not ended; they are read again. `closed` is false where leaving the group would have blocked: the
    process must then end by os._exit, because the handle's destructor blocks too."""

    reason: Literal["stopped", "fatal", "defect"]
    committed: bool
    pending: int
    closed: bool = False
    error: BaseException | None = None


class Ends(NamedTuple):
    """The offset after the last record of each partition of which a broker has told it, and when it was looked up,
    by the clock."""

    at: float
    offsets: Mapping[Lane, int]


@dataclass(frozen=True, slots=True)
class View:
    """What this member has. `blocked` partitions are not read until an operator has decided; `waiting` ones
    until the broker has said where they begin."""

    lanes: frozenset[Lane] = frozenset()
    paused: frozenset[Lane] = frozenset()
    waiting: frozenset[Lane] = frozenset()
    blocked: Mapping[Lane, Blocked] = field(default_factory=dict)
    all_read: bool = False


class Source:
    """Reads topics of one group into `queue`, tracked by `tracker`, and commits what has ended.

    `run` is the whole of its thread, which alone uses the client; every other method may be called from any
    thread, and does not block unless it says so. `can_finish` tells whether records can end at present: while
    it says no, partitions that are taken away are given up without a drain.
    """

    def __init__(
        self,
        options: SourceOptions,
        *,
        tracker: OffsetTracker,
        queue: BatchQueue,
        observer: SourceObserver | None = None,
        can_finish: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._tracker = tracker
        self._queue = queue
        self._observer = observer or SourceObserver()
        self._can_finish = can_finish
        self._clock = clock
        self._session: Session | None = None
        self._stop = threading.Event()
        self._stop_at = float("inf")
        self._drained = threading.Event()
        self._quiet = threading.Event()
        self._done = threading.Event()
        self._ends = Ends(clock(), {})
        self._lag: Mapping[Lane, int] = {}
        self._view = View()
        self._next_look = 0.0
        self.protocol = first_protocol(options)
        self.beat = clock()
        self.outcome: Outcome | None = None

    def __repr__(self) -> str:
        session = self._session
        state = "ended" if self._done.is_set() else "stopping" if self._stop.is_set() else "running"
        return (
            f"<Source {self._options.group} {state} {self.protocol} {session.assignment if session else ''}>"
        )

    @property
    def fault(self) -> SourceFault | None:
        """What keeps it from reading now."""
        session = self._session
        return session.health.fault if session else None

    @property
    def answered(self) -> bool:
        """Whether a broker has ever answered: before that a fault of credentials is one of the start."""
        session = self._session
        return session is not None and session.health.answered

    def holds(self) -> bool:
        """Whether the broker has lately confirmed that this process is a member: only then may it write."""
        session = self._session
        return session is not None and session.committer.holds()

    @property
    def confirmed(self) -> float:
        """When (of the clock) the last commit began that the broker took; minus infinity before the first."""
        session = self._session
        return session.committer.confirmed if session else float("-inf")

    @property
    def assigned(self) -> bool:
        """Whether the group has ever given this member its partitions (it may be none)."""
        session = self._session
        return session is not None and session.rebalance.assigned_once

    @property
    def view(self) -> View:
        """A snapshot of the assignment, at most a tenth of a second old while `run` goes on."""
        return self._view

    @property
    def at_end(self) -> bool:
        """Whether all that is assigned has been read to its end, and nothing of it is pending."""
        return self._view.all_read and not self._tracker.pending_records

    @property
    def lag(self) -> Mapping[Lane, int]:
        """Records between the end and what may be committed, per assigned partition, at most a second old. Of
        a paused partition the end is the one last heard of."""
        return self._lag

    @property
    def ends(self) -> Ends:
        """Where the assigned partitions end, as `lag` takes it."""
        return self._ends

    def stop(self, deadline: float) -> None:
        """Pauses everything and goes on polling until `drained` is called, or until `deadline` (of the
        clock)."""
        self._stop_at = deadline
        self._stop.set()

    def drained(self) -> None:
        """What can end has ended: commit, leave the group and return from `run`."""
        self._drained.set()

    def wait_quiet(self, timeout: float) -> bool:
        """Blocks until, after `stop`, everything that was read is in the queue (which may then be closed)."""
        return self._quiet.wait(timeout)

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Blocks until `run` has returned. None after `timeout`; `outcome` may already tell about the commit,
        while leaving the group still blocks."""
        return self.outcome if self._done.wait(timeout) else None

    def run(self) -> None:
        """Polls until stopped or failed; never raises, `outcome` says how it ended."""
        try:
            while not self._serve():
                log.info("kafka.protocol_fallback", why="the broker does not serve KIP-848", now="classic")
                self.protocol = "classic"
        except FatalClientError as error:
            log.error("kafka.fatal", detail=error.detail, exit_code=error.exit_code)
            self._end("fatal", error)
        except Exception as error:
            log.exception("kafka.source_failed")
            self._end("defect", error)
        finally:
            self._done.set()

    def _serve(self) -> bool:
        """One client handle. False where the broker refused its group protocol."""
        session = Session(
            self._options,
            self.protocol,
            self._tracker,
            self._queue,
            self._observer,
            can_finish=self._can_finish,
            clock=self._clock,
        )
        self._session = session
        try:
            session.subscribe()
            self._loop(session)
        except ProtocolRefusedError:
            session.close()
            return False
        self._leave(session)
        return True

    def _loop(self, session: Session) -> None:
        while not (self._stop.is_set() and (self._drained.is_set() or self._clock() >= self._stop_at)):
            if self._stop.is_set() and not session.stopping:
                session.stopping = True
                session.rebalance.stop_at = self._stop_at
            session.step()
            if session.stopping and not session.intake.waiting:
                self._quiet.set()
            self._view = self._viewed(session)
            now = self.beat = self._clock()
            if now >= self._next_look:
                self._next_look = now + LOOK_EVERY
                self._look_at_ends(session)

    @staticmethod
    def _viewed(session: Session) -> View:
        now = session.assignment
        settled = session.rebalance.assigned_once and not now.waiting and not now.blocked
        all_read = settled and now.ended >= now.positions.keys()
        return View(now.lanes, now.paused, frozenset(now.waiting), dict(now.blocked), all_read)

    def _look_at_ends(self, session: Session) -> None:
        ends, lag = {}, {}
        for lane, state in self._tracker.lanes().items():
            if state.committable is None:
                continue
            try:
                _, high = session.consumer.get_watermark_offsets(TopicPartition(*lane), cached=True)
            except KafkaException:
                continue
            end = max(high, session.assignment.positions.get(lane, 0))
            lag[lane] = max(0, end - state.committable)
            if high >= 0:  # negative before the first answer: what was read is then no end
                ends[lane] = end
        self._ends, self._lag = Ends(self._clock(), ends), lag

    def _leave(self, session: Session) -> None:
        # In this order: the commit needs the membership, and the outcome must be known before the close,
        # which may block for longer than the process has.
        self._quiet.set()
        committed = session.last_commit(min(LAST_COMMIT, max(0.2, self._stop_at - self._clock())))
        pending = self._tracker.pending_records
        self.outcome = Outcome("stopped", committed, pending)
        closed = session.close(max(SHORTEST_CLOSE, self._stop_at - self._clock()))
        self.outcome = Outcome("stopped", committed, pending, closed)
        log.info("kafka.left", committed=committed, pending=pending, closed=closed)

    def _end(self, reason: Literal["fatal", "defect"], error: BaseException) -> None:
        pending = self._tracker.pending_records
        self.outcome = Outcome(reason, False, pending, error=error)
        session = self._session
        closed = session.close() if session else True
        self.outcome = Outcome(reason, False, pending, closed, error)
