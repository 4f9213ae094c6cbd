"""What happens when partitions come and go: librdkafka's three callbacks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, TopicPartition

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.assignment import Assignment
from taosink.kafka.commit import Committer
from taosink.kafka.health import Health
from taosink.kafka.intake import Intake
from taosink.kafka.observer import SourceObserver
from taosink.kafka.resolver import Resolver
from taosink.kafka.start import Begin, Blocked
from taosink.observe import places

log = structlog.get_logger(__name__)

RESOLVE = 4.0
"""Seconds that an assignment may spend asking; what is not known then is asked from the poll loop."""
HAND_BACK = 0.4
"""Share of the revoke's deadline for what workers hold to end once nothing more is taken of its lanes. Without it a
revoke under a backlog went while statements were on their way, and the next owner wrote each of them again."""
_LOOK = 0.05


@dataclass(slots=True)
class Rebalance:
    """Owned by the polling thread; the callbacks are called within poll, one at a time. They never raise:
    what they meet is kept in `failure`, because librdkafka would throw away the messages of the poll."""

    tracker: OffsetTracker
    queue: BatchQueue
    intake: Intake
    assignment: Assignment
    resolver: Resolver
    committer: Committer
    health: Health
    observer: SourceObserver
    clock: Callable[[], float]
    revoke_deadline: float
    can_finish: Callable[[], bool]
    leaving: bool = False
    stop_at: float | None = None
    failure: Exception | None = None
    gone: frozenset[Lane] = frozenset()
    """Lanes that went since the poll began."""
    renewed: frozenset[Lane] = frozenset()
    """Those of them that came back within the same poll: what it returns of them may be of the time
    before."""
    assigned_once: bool = False

    def on_assign(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._guarded(self._assign, partitions)

    def on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._guarded(self._revoke, partitions)

    def on_lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._guarded(self._lose, partitions)

    def _guarded(self, act: Callable[[list[Lane]], None], partitions: Sequence[TopicPartition]) -> None:
        try:
            act([Lane(tp.topic, tp.partition) for tp in partitions])
        except Exception as error:  # noqa: BLE001 - kept for after the poll, see the class
            self.failure = error

    def _assign(self, lanes: list[Lane]) -> None:
        if self.leaving:
            return
        self.assigned_once = True
        self.health.well()
        self.tracker.assign(lanes)
        asked: dict[Lane, int | None] = dict.fromkeys(lanes)
        found = self.resolver.resolve(asked, self.clock() + RESOLVE) if lanes else {}
        begins = {lane: what for lane, what in found.items() if isinstance(what, Begin)}
        for lane, begin in begins.items():
            self.enter(lane, begin, None)
        blocked = {lane: what for lane, what in found.items() if isinstance(what, Blocked)}
        self.assignment.add(lanes, {lane: begin.offset for lane, begin in begins.items()}, blocked)
        self.renewed |= self.gone & frozenset(lanes)
        self.queue.set_lanes(len(self.assignment.lanes))
        self.committer.hasten()
        self.observer.assigned(lanes)
        log.info(
            "kafka.assigned", partitions=len(lanes), which=places.lanes(lanes), now=len(self.assignment.lanes)
        )

    def enter(self, lane: Lane, begin: Begin, position: int | None) -> None:
        """Tells the tracker where a lane begins; what differs from the broker's commit becomes
        committable."""
        if position is None:
            self.tracker.assign([lane], committed={} if begin.commit else {lane: begin.offset})
        self.tracker.passed(lane, begin.offset)

    def _revoke(self, lanes: list[Lane]) -> None:
        if not self.leaving:
            deadline = self.clock() + self.revoke_deadline
            if self.stop_at is not None:
                deadline = min(deadline, self.stop_at)
            left = max(0.0, deadline - self.clock())
            self._drain(lanes, deadline - left * HAND_BACK)
            self._hand_back(lanes, deadline)
            if not self.health.brokers_down:
                self.committer.now()
        self._end(lanes, lost=False)

    def _lose(self, lanes: list[Lane]) -> None:
        self._end(lanes, lost=True)

    def _drain(self, lanes: list[Lane], deadline: float) -> None:
        """Gives what was delivered of these lanes the time to end, as far as it can end at all."""
        self.queue.hasten(lanes)
        while (left := deadline - self.clock()) > 0 and self.can_finish() and self._hopeful(lanes, deadline):
            self.intake.flush()
            self.queue.hasten(lanes)
            self._prove()
            if self.tracker.wait_done(lanes, min(_LOOK, left)):
                return

    def _hand_back(self, lanes: list[Lane], deadline: float) -> None:
        """Takes back what no worker has begun, and lets the rest end: statements, and letters on their way."""
        handed = self.intake.drop(lanes)
        while (left := deadline - self.clock()) > 0 and self.can_finish():
            # Each time anew: what a worker parks goes back into the queue.
            handed += sum(map(len, self.queue.hand_back(lanes, deadline)))
            if sum(map(self.tracker.pending, lanes)) <= handed:
                return
            self._prove()
            self.tracker.wait_done(lanes, min(_LOOK, left))

    def _prove(self) -> None:
        """Workers write only while the membership is proven, and nobody else commits within a callback."""
        if not self.committer.holds() and not self.health.brokers_down:
            self.committer.now()

    def _hopeful(self, lanes: list[Lane], deadline: float) -> bool:
        parked = self.queue.parked()
        return any(self.tracker.pending(lane) and parked.get(lane, 0.0) < deadline for lane in lanes)

    def poll_begins(self) -> None:
        self.gone = self.renewed = frozenset()

    def block(self, lane: Lane, why: Blocked) -> None:
        """Stops a lane that was being read: nothing more of it is written or committed."""
        self.forget([lane])
        self.hold(lane, why)

    def hold(self, lane: Lane, why: Blocked) -> None:
        """Reads a lane no further; what was delivered of it ends and is committed."""
        self.assignment.block(lane, why)
        log.error("kafka.partition_stopped", topic=lane.topic, partition=lane.partition, why=why.message)

    def forget(self, lanes: list[Lane]) -> int:
        """Ends the lanes' epochs; returns the records that had not ended."""
        # The epochs first: after that nothing of these lanes can be parked or offered again.
        pending = self.tracker.end(lanes)
        self.queue.drop(lanes)
        self.intake.drop(lanes)
        return pending

    def _end(self, lanes: list[Lane], *, lost: bool) -> None:
        pending = self.forget(lanes)
        self.gone |= frozenset(lanes)
        self.assignment.remove(lanes)
        self.queue.set_lanes(len(self.assignment.lanes))
        self.observer.revoked(lanes, pending, lost=lost)
        if lost:
            log.warning(
                "kafka.partitions_lost", partitions=len(lanes), which=places.lanes(lanes), pending=pending
            )
        else:
            log.info("kafka.revoked", partitions=len(lanes), which=places.lanes(lanes), pending=pending)
