"""From messages to the queue: in order, within bounds, nothing twice."""

from typing import Any

from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.chunks import RECORD_OVERHEAD, PollSize, lanes_of, nbytes_of, values_of
from taosink.kafka.intake import Intake

A, B = Lane("t", 0), Lane("t", 1)
RECORD = 100 + RECORD_OVERHEAD


def messages(lane: Lane, first: int, count: int) -> list[Message]:
    return [
        Message(topic=lane.topic, partition=lane.partition, offset=first + n, value=b"%0100d" % (first + n))
        for n in range(count)
    ]


class Line:
    """An intake with its tracker and queue, and room for `records` in the queue."""

    def __init__(self, records: int, overflow: int = 10, lanes: int = 2, max_ahead: int = 10**6) -> None:
        self.now = 0.0
        self.tracker = OffsetTracker()
        rule = BatchRule(min_records=1, max_records=10**6, max_bytes=10**9, linger=0.0)
        self.queue = BatchQueue(rule, records * RECORD, 10**6, workers=2, clock=lambda: self.now)
        self.queue.set_lanes(lanes)
        self.tracker.assign([A, B])
        self.intake = Intake(
            self.tracker,
            self.queue,
            overflow_bytes=overflow * RECORD,
            max_ahead=max_ahead,
            clock=lambda: self.now,
        )

    def deliver(self, lane: Lane, first: int, count: int) -> int | None:
        return self.intake.deliver(lane, messages(lane, first, count), first, first + count)

    def take(self) -> list[tuple[Lane, int]]:
        """One batch, written and finished."""
        batch = self.queue.take(0.0)
        if batch is None:
            return []
        found = []
        for chunk in batch.chunks:
            found += [(chunk.lane, int(value)) for value in chunk.values]
            chunk.ticket.done(len(chunk))
        self.queue.finish(batch)
        return found


def test_what_does_not_fit_waits_and_keeps_its_order() -> None:
    """A later chunk does not overtake the one that waits, even when it would fit."""
    line = Line(records=20)
    line.deliver(A, 0, 8)
    line.deliver(A, 8, 8)
    line.deliver(A, 16, 1)
    assert line.intake.overflow_bytes == 9 * RECORD
    assert line.intake.pressure([A, B]).refused == {A}
    taken = line.take()
    line.intake.flush()
    assert not line.intake.waiting
    taken += line.take()
    assert [value for _, value in taken] == list(range(17))
    assert line.tracker.committable() == {A: 17}


def test_beyond_the_overflow_nothing_more_is_tracked() -> None:
    """What has no room anywhere is left to Kafka, and its lane counts as full."""
    line = Line(records=4, overflow=4)
    line.deliver(A, 0, 2)
    line.deliver(A, 2, 4)
    assert line.deliver(B, 0, 2) is not None
    assert line.deliver(B, 2, 2) is None
    assert line.tracker.pending(B) == 2
    assert line.intake.pressure([A, B]).lanes[B] >= 1.0


def test_what_is_dropped_is_not_offered_again() -> None:
    """Lanes that were taken away leave the overflow, and their bytes with them."""
    line = Line(records=4)
    line.deliver(A, 0, 2)
    line.deliver(A, 2, 4)
    line.tracker.end([A])
    line.intake.drop([A])
    assert (line.intake.waiting, line.intake.overflow_bytes) == (False, 0)


def test_a_closed_queue_leaves_the_rest_pending() -> None:
    """It raises nothing: the next owner reads what was not taken."""
    line = Line(records=4)
    line.queue.close()
    line.deliver(A, 0, 2)
    line.intake.flush()
    assert line.tracker.pending(A) == 2


def test_far_ahead_of_the_prefix_is_full() -> None:
    """Whatever the bytes say."""
    line = Line(records=1_000, max_ahead=10)
    line.deliver(A, 0, 10)
    assert line.intake.pressure([A]).lanes == {A: 1.0}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABtf"), st.integers(1, 12)), max_size=60))
def test_any_order_of_things_keeps_order_and_bounds(steps: list[tuple[str, int]]) -> None:
    """Every record that was taken comes out once and in order, and the overflow keeps its bound and one
    chunk."""
    line = Line(records=20, overflow=15)
    position: dict[Lane, int] = {A: 0, B: 0}
    out: list[tuple[Lane, int]] = []
    for what, count in steps:
        if what in "AB":
            lane = A if what == "A" else B
            if line.deliver(lane, position[lane], count) is not None:
                position[lane] += count
        elif what == "t":
            out += line.take()
        else:
            line.intake.flush()
        assert line.intake.overflow_bytes <= (15 + 12) * RECORD
        assert line.queue.nbytes <= 20 * RECORD
    while line.tracker.pending_records:
        line.intake.flush()
        out += line.take()
    assert line.intake.overflow_bytes == 0
    for lane in (A, B):
        assert [value for i, value in out if i == lane] == list(range(position[lane]))


def test_a_poll_becomes_one_chunk_a_lane() -> None:
    """Runs of one partition are joined, in delivery order."""
    mixed = messages(A, 0, 2) + messages(B, 0, 2) + messages(A, 2, 1)
    found = {lane: [m.offset() for m in of_lane] for lane, of_lane in lanes_of(mixed).items()}
    assert found == {A: [0, 1, 2], B: [0, 1]}


def test_a_tombstone_is_an_empty_record() -> None:
    """It is not left out: it has an offset that must end."""
    found: Any = [Message(topic="t", partition=0, offset=0), *messages(A, 1, 1)]
    values = values_of(found)
    assert values == [b"", b"%0100d" % 1]
    assert nbytes_of(values) == 100 + 2 * RECORD_OVERHEAD


def test_a_poll_asks_for_fewer_when_records_are_large() -> None:
    """At once when they grow, slowly when they shrink, within 1 and the most."""
    size = PollSize(1_000, share=1_000_000)
    assert size.ask(1_000_000) == 10
    for _ in range(60):
        size.seen(10, 1_000)
    assert size.ask(1_000_000) == 1_000
    assert size.ask(10_000) == 99
    size.seen(1, 500_000)
    assert size.ask(1_000_000) == 2
    assert size.ask(1_000) == 1


def test_a_full_queue_leaves_the_rest_to_kafka_although_its_lane_is_empty() -> None:
    """The bound of all lanes together counts as well: the overflow stays at its bound and one chunk."""
    line = Line(records=20, overflow=15)
    for first, count in ((0, 1), (1, 10), (11, 10)):
        line.deliver(A, first, count)
    line.take()
    line.intake.flush()
    line.deliver(A, 21, 6)
    assert line.deliver(B, 0, 12) is None
    assert line.intake.overflow_bytes == 16 * RECORD
