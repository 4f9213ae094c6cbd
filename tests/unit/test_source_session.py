"""What one poll returned, taken in: nothing that was not delivered is ever passed over."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message

from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.observer import SourceObserver
from taosink.kafka.options import SourceOptions
from taosink.kafka.session import Session

LANE = Lane("t", 0)
OPTIONS = SourceOptions("127.0.0.1:1", "g", ("t",), refill_bytes=1_000)


@pytest.fixture
def tracker() -> OffsetTracker:
    return OffsetTracker()


@pytest.fixture
def session(tracker: OffsetTracker) -> Iterator[Session]:
    """Reading one partition from 0, with a client that never connects and room for 10 records."""
    queue = BatchQueue(BatchRule(), 10 * 300, 10, workers=1)
    found = Session(
        OPTIONS, "consumer", tracker, queue, SourceObserver(), can_finish=lambda: True, clock=lambda: 0.0
    )
    tracker.assign([LANE])
    found.assignment.positions[LANE] = 0
    yield found
    found.close()


def poll(first: int, count: int) -> list[Message]:
    """Records, and the end of the partition behind them."""
    records = [Message(topic="t", partition=0, offset=first + n, value=b"x" * 10) for n in range(count)]
    end = KafkaError(KafkaError._PARTITION_EOF)
    return [*records, Message(topic="t", partition=0, offset=first + count, error=end)]


def ended(tracker: OffsetTracker) -> int | None:
    return tracker.lanes()[LANE].delivered


def test_the_end_is_passed_after_what_was_delivered(session: Session, tracker: OffsetTracker) -> None:
    """Records first, then the end."""
    session._receive(poll(0, 5))
    assert (ended(tracker), tracker.committable()) == (5, {LANE: 0})
    assert LANE in session.assignment.ended


def test_a_stop_delivers_nothing_and_passes_nothing(session: Session, tracker: OffsetTracker) -> None:
    """What comes during a stop stays with the group: its end must not be committed unread."""
    session.stopping = True
    session._receive(poll(0, 5))
    assert (ended(tracker), tracker.pending_records) == (None, 0)
    assert tracker.committable() == {}


def test_what_had_no_room_is_read_again_and_its_end_is_not_passed(
    session: Session, tracker: OffsetTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end came with records that were left to Kafka."""
    again: list[tuple[Lane, int]] = []
    monkeypatch.setattr(session.assignment, "begin", lambda lane, offset: again.append((lane, offset)))
    session._receive(poll(0, 10))
    session._receive(poll(10, 10))
    assert tracker.pending_records == 20  # the second poll waits in the overflow, which is full by it
    session._left_to_kafka.clear()
    session._receive(poll(20, 5))
    assert again == [(LANE, 20)]
    assert (ended(tracker), tracker.pending_records) == (20, 20)


def test_records_from_before_a_new_assignment_are_not_taken(
    session: Session, tracker: OffsetTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partition went and came within the poll: nothing tells whether something lies in between."""
    again: list[tuple[Lane, int]] = []
    monkeypatch.setattr(session.assignment, "begin", lambda lane, offset: again.append((lane, offset)))
    session.rebalance.renewed = frozenset({LANE})
    session._receive(poll(50, 5))
    assert again == [(LANE, 0)]
    assert (ended(tracker), tracker.pending_records) == (None, 0)


def test_records_of_a_partition_that_went_are_dropped(session: Session, tracker: OffsetTracker) -> None:
    """Its next owner reads them."""
    session.assignment.remove([LANE])
    session._receive(poll(0, 5))
    assert tracker.pending_records == 0
