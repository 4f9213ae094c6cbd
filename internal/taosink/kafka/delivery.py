"""What a poll returned, taken in lane by lane: nothing is passed over that was not delivered."""

import structlog
from confluent_kafka import Message

from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.assignment import Assignment
from taosink.kafka.gaps import Gap, Gaps, first_gap
from taosink.kafka.intake import Intake
from taosink.kafka.observer import SourceObserver
from taosink.kafka.rebalance import Rebalance
from taosink.kafka.start import Blocked

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
        self._again: dict[Lane, int] = {}
        self.crowded = False

    def poll_ends(self) -> None:
        """Puts librdkafka back to where lanes are to be read again, all at once: without cooperation each time puts
        back every lane, and what was taken of the others meanwhile would come twice."""
        again = {lane: offset for lane, offset in self._again.items() if lane in self._assignment.positions}
        self._again.clear()
        if again:
            self._assignment.begin(again)

    def records(self, lane: Lane, messages: list[Message], stop: Blocked | None = None) -> int:
        """Takes a lane's records of this poll, all or none, of one that stops those before that place; returns the
        bytes that they count for."""
        if stop is not None:
            messages = [m for m in messages if (m.offset() or 0) < stop.offset]
            if not messages:
                return 0
        position = self._assignment.positions.get(lane)
        first, last = messages[0].offset(), messages[-1].offset()
        if position is None or first is None or last is None:
            return 0  # of a partition that went within this very poll: its next owner reads it
        if lane in self._rebalance.renewed or first < position:
            # Fetched before the partition came (again): nothing tells whether something is missing in
            # between.
            self._again[lane] = position
            return 0
        gap = first_gap(position, messages)
        if gap is not None and self._doubts(lane, gap):
            self._again[lane] = position
            return 0
        nbytes = self._intake.deliver(lane, messages, first, last + 1)
        if nbytes is None:
            self.crowded = True
            self._again[lane] = first
            return 0
        self._moved(lane, position, last + 1)
        self._assignment.ended.discard(lane)
        if self._tracker.span(lane) >= self._max_ahead:
            self.crowded = True
        self._observer.consumed(lane, len(messages), nbytes)
        return nbytes

    def end(self, lane: Lane, offset: int) -> None:
        """Takes the end of a lane, unless it lies behind records of this poll that were left to Kafka: taken for the
        position it would commit them unread. Markers and compacted records end no record: with nothing pending
        the end itself is committable."""
        position = self._assignment.positions.get(lane)
        if position is None or offset < position or lane in self._again:
            return
        renewed = lane in self._rebalance.renewed
        if offset > position and (renewed or self._doubts(lane, Gap(position, None))):
            self._again[lane] = position
            return
        self._moved(lane, position, offset)
        self._assignment.ended.add(lane)
        self._tracker.passed(lane, offset)

    def _doubts(self, lane: Lane, gap: Gap) -> bool:
        return self._gaps.doubts(lane, self._tracker.epoch(lane), gap)

    def _moved(self, lane: Lane, first: int, position: int) -> None:
        self._assignment.positions[lane] = position
        missing = self._gaps.closed(lane, first, position)
        if missing is not None:
            log.warning(
                "kafka.records_passed_over",
                topic=lane.topic,
                partition=lane.partition,
                offset=missing,
                meaning="the client gave records out of their line; they were read again, nothing is lost",
            )
