"""What a poll returned, taken in lane by lane: nothing is passed over that was not delivered."""

import structlog
from confluent_kafka import Message

from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.assignment import Assignment
from taosink.kafka.gaps import Gaps, first_gap
from taosink.kafka.intake import Intake
from taosink.kafka.observer import SourceObserver
from taosink.kafka.rebalance import Rebalance

log = structlog.get_logger(__name__)


class Delivery:
    """Owned by the polling thread; never blocks. `crowded` says that a lane has come to a bound, so that pauses
    have to be decided anew; whoever does so clears it."""

    def __init__(
        self,
        tracker: OffsetTracker,
        intake: Intake,
        assignment: Assignment,
        rebalance: Rebalance,
        observer: SourceObserver,
        *,
        max_ahead: int,
    ) -> None:
        self._tracker = tracker
        self._intake = intake
        self._assignment = assignment
        self._rebalance = rebalance
        self._observer = observer
        self._max_ahead = max_ahead
        self._gaps = Gaps()
        self._left_to_kafka: set[Lane] = set()
        self.crowded = False

    def poll_begins(self) -> None:
        self._left_to_kafka.clear()

    def records(self, lane: Lane, messages: list[Message]) -> int:
        """Takes a lane's records of this poll, all or none; returns the bytes that they count for."""
        position = self._assignment.positions.get(lane)
        first, last = messages[0].offset(), messages[-1].offset()
        if position is None or first is None or last is None:
            return 0  # of a partition that went within this very poll: its next owner reads it
        if lane in self._rebalance.renewed or first < position:
            # Fetched before the partition came (again): nothing tells whether something is missing in
            # between.
            self._read_again(lane, position)
            return 0
        gap = first_gap(position, messages)
        if gap is not None and self._gaps.doubts(lane, gap):
            self._read_again(lane, position)
            return 0
        nbytes = self._intake.deliver(lane, messages, first, last + 1)
        if nbytes is None:
            self.crowded = True
            self._read_again(lane, first)
            return 0
        self._moved(lane, last + 1)
        self._assignment.ended.discard(lane)
        if self._tracker.span(lane) >= self._max_ahead:
            self.crowded = True
        self._observer.consumed(lane, len(messages), nbytes)
        return nbytes

    def end(self, lane: Lane, offset: int) -> None:
        """Takes the end of a lane. Markers and compacted records end no record: with nothing pending the end
        itself is committable."""
        position = self._assignment.positions.get(lane)
        if position is None or offset < position or lane in self._left_to_kafka:
            return
        if lane in self._rebalance.renewed and offset != position:
            return
        if offset > position and self._gaps.doubts(lane, position):
            self._read_again(lane, position)
            return
        self._moved(lane, offset)
        self._assignment.ended.add(lane)
        self._tracker.passed(lane, offset)

    def _moved(self, lane: Lane, position: int) -> None:
        self._assignment.positions[lane] = position
        gap = self._gaps.closed(lane, position)
        if gap is not None:
            log.warning(
                "kafka.records_passed_over",
                topic=lane.topic,
                partition=lane.partition,
                offset=gap,
                meaning="the client gave records out of their line; they were read again, nothing is lost",
            )

    def _read_again(self, lane: Lane, offset: int) -> None:
        """Leaves to Kafka what this poll brought of a lane. An end that came with it lies behind records that
        were not delivered: taken for the position it would commit them unread."""
        self._left_to_kafka.add(lane)
        self._assignment.begin(lane, offset)
