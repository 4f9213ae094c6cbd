import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chunks import lane

from taosbatch.errors import LaneNotAssignedError, OutOfOrderError, TicketOverrunError
from taosbatch.offsets import Lane, OffsetTracker

A, B = lane(0), lane(1)


def tracker(*lanes: Lane) -> OffsetTracker:
    made = OffsetTracker()
    made.assign(lanes or (A,))
    return made


def test_only_a_contiguous_prefix_is_committable() -> None:
    """A later chunk that has ended waits for an earlier one that has not."""
    t = tracker()
    first, second = t.open(A, 10, 13, 3), t.open(A, 13, 15, 2)
    second.done(2)
    assert t.committable() == {A: 10}
    first.done(2)
    assert t.committable() == {A: 10}
    first.done()
    assert t.committable() == {A: 15}


def test_the_position_after_a_chunk_may_lie_beyond_its_records() -> None:
    """Compaction and transaction markers leave gaps; the chunk's own next offset is committed."""
    t = tracker()
    t.open(A, 5, 100, 2).done(2)
    t.open(A, 120, 121, 1)
    assert t.committable() == {A: 100}


def test_a_blocked_lane_holds_back_no_other() -> None:
    """Prefixes are per lane."""
    t = tracker(A, B)
    t.open(A, 0, 1, 1)
    t.open(B, 0, 1, 1).done()
    t.committed(A, 0)
    assert t.committable() == {B: 1}


def test_what_was_committed_is_not_offered_again_and_never_undercut() -> None:
    """Only an advance beyond the committed offset is offered, whatever is delivered anew below it."""
    t = OffsetTracker()
    t.assign([A], committed={A: 8})
    t.open(A, 5, 7, 2).done(2)
    assert t.committable() == {}
    t.open(A, 7, 9, 2).done(2)
    assert t.committable() == {A: 9}
    t.committed(A, 9)
    t.committed(A, 3)
    t.committed(B, 3)
    assert t.committable() == {}


def test_tickets_of_an_ended_epoch_finish_but_never_commit() -> None:
    """After a revoke the old ticket is not alive, and its end moves nothing, in the lane's next epoch too."""
    t = tracker()
    old = t.open(A, 0, 2, 2)
    alive_before = old.alive
    assert t.end([A, B]) == 2
    assert (alive_before, old.alive) == (True, False)
    old.done()
    assert t.committable() == {}
    epochs = t.assign([A])
    assert epochs[A] > old.epoch
    new = t.open(A, 0, 2, 2)
    old.done()
    assert t.committable() == {A: 0}
    assert (new.epoch, t.epoch(A), t.epoch(B)) == (epochs[A], epochs[A], None)
    assert t.pending(A) == t.pending_records == 2


def test_assigning_an_assigned_lane_begins_a_new_epoch() -> None:
    """An assignment that comes without a revoke ends the epoch before it."""
    t = tracker()
    old = t.open(A, 0, 2, 2)
    t.assign([A])
    assert not old.alive
    assert t.pending_records == 0


def test_more_ends_than_records_are_refused() -> None:
    """An over-count is a defect that says where; it does not move the count."""
    t = tracker()
    ticket = t.open(A, 4, 6, 2)
    with pytest.raises(TicketOverrunError, match=r"readings\[0\] from offset 4: 3 records") as raised:
        ticket.done(3)
    assert (raised.value.remaining, raised.value.reported) == (2, 3)
    with pytest.raises(TicketOverrunError):
        ticket.done(-1)
    ticket.done(2)
    with pytest.raises(TicketOverrunError):
        ticket.done()


def test_a_lane_that_is_not_assigned_tracks_nothing() -> None:
    """Records of somebody else's partition are refused with the partition's name."""
    t = tracker()
    with pytest.raises(LaneNotAssignedError, match=r"readings\[1\]"):
        t.open(B, 0, 1, 1)
    with pytest.raises(LaneNotAssignedError):
        t.passed(B, 1)
    assert (t.pending(B), t.span(B)) == (0, 0)


def test_a_lane_never_goes_backwards_within_an_epoch() -> None:
    """A repeated delivery would end twice; it is refused and leaves the account as it was."""
    t = tracker()
    t.open(A, 0, 5, 5)
    with pytest.raises(OutOfOrderError, match="offset 4 after position 5"):
        t.open(A, 4, 6, 2)
    assert t.pending(A) == 5


@pytest.mark.parametrize(("first", "next_offset", "records"), [(0, 1, 2), (5, 4, 0), (0, 0, -1)])
def test_a_range_that_cannot_hold_its_records_is_refused(first: int, next_offset: int, records: int) -> None:
    """Offsets are unique, so a range is at least as long as its records are many."""
    with pytest.raises(ValueError, match="do not fit"):
        tracker().open(A, first, next_offset, records)


def test_the_end_reached_over_markers_alone_is_committable_once_nothing_is_pending() -> None:
    """`passed` moves an idle lane at once, a busy one when what came before has ended, none backwards."""
    t = tracker()
    t.passed(A, 7)
    assert t.committable() == {A: 7}
    ticket = t.open(A, 7, 8, 1)
    t.passed(A, 12)
    t.passed(A, 9)
    assert t.committable() == {A: 7}
    ticket.done()
    assert t.committable() == {A: 12}


def test_a_chunk_without_records_has_ended_at_once() -> None:
    """A poll of filtered records alone moves the prefix."""
    t = tracker()
    t.open(A, 0, 4, 0)
    assert t.committable() == {A: 4}
    assert t.pending_records == 0


def test_says_where_every_lane_stands() -> None:
    """Delivered, committable, pending and the age of the oldest open chunk can be read."""
    t = tracker(A, B)
    first = t.open(A, 10, 12, 2, now=3.0)
    t.open(A, 12, 15, 3, now=4.0)
    assert (t.span(A), t.pending(A), t.pending_records) == (5, 5, 5)
    first.done(2)
    stands = t.lanes()[A]
    assert (stands.delivered, stands.committable, stands.pending, stands.pending_since) == (15, 12, 3, 4.0)
    assert t.lanes()[B].delivered is None
    assert t.span(B) == 0
    assert (t.span(A), t.pending_records) == (3, 3)
    assert "pending=3" in repr(t)
    t.end([A])
    assert "ended epoch" in repr(first)
    assert "out=0" in repr(first)


def test_waiting_ends_when_the_last_record_ends() -> None:
    """A drain blocks until its lanes have nothing out, and gives up at its timeout."""
    t = tracker(A, B)
    ticket = t.open(A, 0, 1, 1)
    t.open(B, 0, 1, 1)
    assert not t.wait_done([A], timeout=0)
    worker = threading.Timer(0.05, ticket.done)
    worker.start()
    began = time.monotonic()
    assert t.wait_done([A], timeout=10)
    assert time.monotonic() - began < 5, "woken, not timed out"
    worker.join()
    assert not t.wait_done(timeout=0)
    t.end([B])
    assert t.wait_done(timeout=0)
    assert t.wait_done([B], timeout=0)


def test_parallel_ends_are_all_counted() -> None:
    """Several threads may tell one ticket; no count is lost."""
    t = tracker()
    ticket = t.open(A, 0, 8000, 8000)

    def tell() -> None:
        for _ in range(1000):
            ticket.done()

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert t.committable() == {A: 8000}


@given(st.data())
def test_no_interleaving_commits_an_unfinished_record(data: st.DataObject) -> None:
    """After every done call the committable offset is at or below each unfinished record, at last the end."""
    t = tracker()
    sizes = data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=8))
    tickets, offset = [], data.draw(st.integers(0, 5))
    for records, gap in sizes:
        tickets.append(t.open(A, offset, offset + records + gap, records))
        offset += records + gap
    order = data.draw(st.permutations([ticket for ticket in tickets for _ in range(ticket.remaining)]))
    for ticket in order:
        ticket.done()
        unfinished = [other.first for other in tickets if other.remaining]
        assert t.committable()[A] <= min(unfinished, default=offset)
    assert t.committable()[A] == offset
    assert t.pending_records == 0
