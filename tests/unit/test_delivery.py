"""What one poll returned, taken in: nothing that was not delivered is ever passed over."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, Message
from structlog.testing import capture_logs

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


@pytest.fixture
def again(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[dict[Lane, int]]:
    """What was to be read again, each time that librdkafka was put back."""
    found: list[dict[Lane, int]] = []
    monkeypatch.setattr(session.assignment, "begin", lambda offsets: found.append(dict(offsets)))
    return found


def poll(first: int, count: int, *, partition: int = 0) -> list[Message]:
    """Records, and the end of the partition behind them."""
    found = [Message(topic="t", partition=partition, offset=first + n, value=b"x" * 10) for n in range(count)]
    return [*found, said(KafkaError(KafkaError._PARTITION_EOF), first + count, partition=partition)]


def said(error: KafkaError, offset: int, *, partition: int = 0) -> Message:
    """An error of one partition, as a poll brings it."""
    return Message(topic="t", partition=partition, offset=offset, error=error)


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
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """The end came with records that were left to Kafka."""
    session._receive(poll(0, 10))
    session._receive(poll(10, 10))
    assert tracker.pending_records == 20  # the second poll waits in the overflow, which is full by it
    session._receive(poll(20, 5))
    assert again == [{LANE: 20}]
    assert (ended(tracker), tracker.pending_records) == (20, 20)


def test_records_from_before_a_new_assignment_are_not_taken(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """The partition went and came within the poll: nothing tells whether something lies in between."""
    session.rebalance.renewed = frozenset({LANE})
    session._receive(poll(50, 5))
    session._receive(poll(5, 0))
    session._receive(poll(5, 0))
    assert again == [{LANE: 0}] * 3
    assert (ended(tracker), tracker.pending_records) == (None, 0)


def test_records_of_a_partition_that_went_are_dropped(session: Session, tracker: OffsetTracker) -> None:
    """Its next owner reads them."""
    session.assignment.remove([LANE])
    session._receive(poll(0, 5))
    assert tracker.pending_records == 0


def test_records_that_the_client_passed_over_are_read_again(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """It went on from a wrong place: nothing behind the gap is taken, and once it is closed that is told."""
    with capture_logs() as logs:
        session._receive(poll(0, 2))
        session._receive(poll(5, 2))
        assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 2}], 2, 2)
        session._receive(poll(2, 5))
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 2}], 7, 7)
    told = [(line["event"], line["log_level"], line["offset"]) for line in logs]
    assert told == [("kafka.records_passed_over", "warning", 2)]


def test_a_gap_that_is_there_again_is_the_topics_own(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """Compacted away, or a marker: read twice at its first gap, and never again."""
    with capture_logs() as logs:
        session._receive(poll(5, 2))
        session._receive(poll(5, 2))
        session._receive(poll(9, 1))
        session._receive([*poll(10, 1)[:1], *poll(13, 2)])
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 0}], 15, 6)
    assert logs == []


def test_a_gap_within_one_poll_is_seen(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """Its first and last record are where they should be."""
    session._receive([*poll(0, 3)[:3], *poll(6, 2)])
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 0}], None, 0)
    session._receive(poll(0, 3))
    assert again == [{LANE: 0}]
    session._receive(poll(6, 2))
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 0}], 8, 5)


def test_an_end_that_lies_further_on_is_looked_at_twice(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """Taken at its word, an end of a wrong place would be committed with all before it unread."""
    session._receive(poll(9, 0))
    assert (again, ended(tracker), tracker.committable()) == ([{LANE: 0}], None, {})
    assert LANE not in session.assignment.ended
    session._receive(poll(9, 0))
    assert (again, ended(tracker), tracker.committable()) == ([{LANE: 0}], 9, {LANE: 9})


def test_an_end_that_was_none_costs_nothing(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """The second reading brings the records that the first end lay behind."""
    session._receive(poll(9, 0))
    session._receive(poll(0, 9))
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: 0}], 9, 9)


@pytest.mark.parametrize("gaps_of_its_own", [False, True])
def test_records_that_come_twice_are_not_taken_twice(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]], gaps_of_its_own: bool
) -> None:
    """From before the position: it is read from there once more."""
    first = 2 if gaps_of_its_own else 0
    for _ in range(2 if gaps_of_its_own else 1):
        session._receive(poll(first, 3)[:3])
    again.clear()
    session._receive(poll(first + 1, 4))
    assert (again, ended(tracker), tracker.pending_records) == ([{LANE: first + 3}], first + 3, 3)


def test_a_partition_that_goes_on_is_not_at_its_end(session: Session) -> None:
    """Who waits until everything is read waits on."""
    session._receive(poll(0, 5))
    assert LANE in session.assignment.ended
    session._receive(poll(5, 2)[:2])
    assert LANE not in session.assignment.ended


def test_a_gap_of_another_assignment_proves_nothing(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """A client that goes on from a wrong place may do so each time that it gets the partition."""
    session._receive(poll(5, 2)[:2])
    tracker.assign([LANE])
    session._receive(poll(5, 2)[:2])
    assert (again, ended(tracker)) == ([{LANE: 0}] * 2, None)


@pytest.mark.parametrize("bound", ["room", "ahead"])
def test_a_partition_that_comes_to_a_bound_is_looked_at_at_once(
    tracker: OffsetTracker, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpaused it would be fetched and put back, poll after poll."""
    records = 10 if bound == "room" else 1_000
    queue = BatchQueue(BatchRule(), records * 300, records, workers=1)
    chosen = replace(OPTIONS, max_ahead=30 if bound == "ahead" else 1_000_000)
    session = Session(
        chosen, "consumer", tracker, queue, SourceObserver(), can_finish=lambda: True, clock=lambda: 0.0
    )
    wanted: list[frozenset[Lane]] = []
    monkeypatch.setattr(session.assignment, "begin", lambda _offsets: None)
    monkeypatch.setattr(session.assignment, "pause", lambda lanes: (wanted.append(lanes), (0, 0))[1])
    tracker.assign([LANE])
    session.assignment.positions[LANE] = 0
    session._relieve(0.0)
    wanted.clear()
    for first in range(0, 30, 10):
        session._receive(poll(first, 10))
    session.intake.flush()
    session.intake.drop([LANE])  # what waits there is a reason of its own
    session._relieve(0.0)
    session._relieve(0.0)
    assert wanted == [frozenset({LANE})]
    session.close()


def test_what_is_to_be_read_again_is_put_back_at_once(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]]
) -> None:
    """Each time costs all partitions of the member: 300 of them one by one held the polling thread for 30 s."""
    lanes = [Lane("t", n) for n in range(9)]
    tracker.assign(lanes)
    session.assignment.positions |= dict.fromkeys(lanes, 0)
    session._receive([m for lane in lanes for m in poll(3, 2, partition=lane.partition)])
    assert again == [dict.fromkeys(lanes, 0)]
    assert tracker.pending_records == 0


TRUNCATED = "Partition log truncation detected at offset 9 (leader epoch 4): broker end offset is 2"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KafkaError(KafkaError._BAD_MSG, "CRC"), "unreadable"),
        (KafkaError(KafkaError._BAD_COMPRESSION, "snappy"), "unreadable"),
        (KafkaError(KafkaError._NOT_IMPLEMENTED, "magic"), "unreadable"),
        (KafkaError(KafkaError._AUTO_OFFSET_RESET, TRUNCATED), "truncated"),
        (KafkaError(KafkaError._LOG_TRUNCATION), "truncated"),
    ],
)
def test_what_cannot_be_read_stops_the_partition(
    session: Session, tracker: OffsetTracker, monkeypatch: pytest.MonkeyPatch, error: KafkaError, reason: str
) -> None:
    """What is good before it ends and is committed; nothing behind it is taken, not even of the same poll, and its
    end is not: it would be committed with what is missing."""
    monkeypatch.setattr(session.assignment, "_hold", lambda: None)
    session._receive(poll(0, 2)[:2])
    with capture_logs() as logs:
        session._receive([said(error, 4), *poll(2, 2)[:2], *poll(6, 3)])
    place = 4 if reason == "unreadable" else 2
    assert session.assignment.blocked[LANE].reason == reason
    assert session.assignment.blocked[LANE].offset == place
    assert (ended(tracker), tracker.pending_records) == (place, place)
    told = [(line["event"], line["log_level"], line["partition"]) for line in logs]
    assert told == [("kafka.partition_stopped", "error", 0)]
    assert session.assignment.ended == set()


def test_a_batch_that_cannot_be_read_stops_a_topic_with_gaps_of_its_own_too(
    session: Session, tracker: OffsetTracker, again: list[dict[Lane, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There gaps are believed, but not this one."""
    monkeypatch.setattr(session.assignment, "_hold", lambda: None)
    for _ in range(2):
        session._receive(poll(3, 1))
    assert (len(again), ended(tracker)) == (1, 4)
    session._receive([said(KafkaError(KafkaError._BAD_MSG), 4), *poll(8, 0)])
    assert session.assignment.blocked[LANE].offset == 4
    assert ended(tracker) == 4


def test_what_is_out_of_range_is_asked_for(session: Session, tracker: OffsetTracker) -> None:
    """Only the broker knows what is there: the partition waits at its position, and nothing of the poll is taken."""
    gone = KafkaError(KafkaError._AUTO_OFFSET_RESET, "Broker: Offset out of range")
    session._receive([said(gone, 0), *poll(5, 2)])
    assert session.assignment.waiting == {LANE: 0}
    assert tracker.pending_records == 0
