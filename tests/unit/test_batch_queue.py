import threading
import time
from collections.abc import Iterable

import pytest
from support.chunks import FakeClock, Feed, lane

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.errors import NotHeldError, QueueClosedError

A, B, C, D = (lane(i) for i in range(4))
EAGER = BatchRule(min_records=1, max_records=100, max_bytes=10_000, linger=0.1)
PATIENT = BatchRule(min_records=10, max_records=20, max_bytes=10_000, linger=0.1)


def queue(
    rule: BatchRule = EAGER,
    *,
    clock: FakeClock | None = None,
    workers: int = 1,
    max_bytes: int = 10_000,
    max_records: int = 1000,
) -> BatchQueue:
    return BatchQueue(rule, max_bytes, max_records, workers, clock=clock or FakeClock())


def taken(q: BatchQueue) -> Batch:
    batch = q.take(timeout=0)
    assert batch is not None
    return batch


def test_a_batch_waits_for_its_minimum_and_at_most_for_linger() -> None:
    """Fewer records than the minimum go when linger has passed since the first of them."""
    clock, feed = FakeClock(), Feed()
    q = queue(PATIENT, clock=clock)
    q.put(feed.chunk(A, 3))
    clock.now += 0.09
    q.put(feed.chunk(A, 3))
    assert q.take(timeout=0) is None
    clock.now += 0.02
    batch = taken(q)
    assert (len(batch), batch.first_at) == (6, 1000.0)


def test_enough_records_go_at_once() -> None:
    """The minimum reached, nothing waits."""
    feed, q = Feed(), queue(PATIENT)
    q.put(feed.chunk(A, 6))
    q.put(feed.chunk(A, 4))
    assert len(taken(q)) == 10


def test_a_lane_is_with_one_worker_at_a_time() -> None:
    """What comes for a held lane stays until the batch is finished."""
    feed, q = Feed(), queue()
    q.put(feed.chunk(A, 1))
    held = taken(q)
    q.put(feed.chunk(A, 2))
    assert q.take(timeout=0) is None
    q.finish(held)
    assert len(taken(q)) == 2


def test_a_batch_joins_idle_lanes_up_to_its_workers_share() -> None:
    """With four lanes and two workers each worker gets two, oldest first; the lanes' chunks stay in order."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock, workers=2)
    for key in (C, A, D, B):
        q.put(feed.chunk(key, 1))
        q.put(feed.chunk(key, 1))
        clock.now += 1
    first, second = taken(q), taken(q)
    assert (first.lanes, second.lanes) == ((C, A), (D, B))
    assert [c.ticket.first for c in first.chunks] == [0, 1, 0, 1]


def test_a_chunk_beyond_the_maximum_stays_for_the_next_batch() -> None:
    """Chunks join whole; the first that does not fit ends the batch, which then goes at once."""
    feed, q = Feed(), queue(PATIENT)
    for records in (8, 1, 12):
        q.put(feed.chunk(A, records))
    batch = taken(q)
    assert [len(c) for c in batch.chunks] == [8, 1]
    q.finish(batch)
    assert [len(c) for c in taken(q).chunks] == [12]


def test_a_second_lane_that_does_not_fit_is_left_to_another_worker() -> None:
    """A lane is never held without a chunk of it in the batch."""
    feed, q = Feed(), queue(PATIENT, workers=1)
    q.put(feed.chunk(A, 15))
    q.put(feed.chunk(B, 15))
    assert taken(q).lanes == (A,)
    assert taken(q).lanes == (B,)


def test_a_chunk_larger_than_a_batch_is_cut_without_an_attempt() -> None:
    """A huge chunk goes in pieces of the maximum, in order, none of them a retry."""
    feed, q = Feed(), queue(PATIENT)
    whole = feed.chunk(A, 50)
    q.put(whole)
    pieces = []
    while q.records:
        batch = taken(q)
        pieces.append(batch.chunks[0])
        q.finish(batch)
    assert [len(p) for p in pieces] == [20, 20, 10]
    assert [v for p in pieces for v in p.values] == whole.values
    assert {p.attempt for p in pieces} == {0}
    assert sum(p.nbytes for p in pieces) == whole.nbytes
    assert q.nbytes == 0


def test_a_full_lane_does_not_wait_behind_the_linger_of_a_quiet_one() -> None:
    """The oldest lane's few records do not delay another lane that fills a batch by itself."""
    feed, q = Feed(), queue(PATIENT, workers=2)
    q.put(feed.chunk(A, 1))
    q.put(feed.chunk(B, 10))
    assert taken(q).lanes == (B,)
    assert q.take(timeout=0) is None


def test_put_is_refused_beyond_the_bound_and_taking_makes_room() -> None:
    """Bytes and records are bounded; a refusal releases the batch that would have waited for more."""
    feed, q = Feed(), queue(PATIENT, max_bytes=50)
    assert q.put(feed.chunk(A, 4))
    assert q.take(timeout=0) is None
    assert not q.put(feed.chunk(A, 2))
    assert (q.nbytes, q.records, q.fill) == (40, 4, 0.8)
    held = taken(q)
    assert (q.nbytes, q.held_bytes) == (0, 40)
    assert q.put(feed.chunk(A, 2))
    q.finish(held)
    assert q.held_bytes == 0
    many = queue(max_records=3)
    assert many.put(feed.chunk(B, 3))
    assert not many.put(feed.chunk(B, 1))


def test_a_refusal_hurries_one_batch_only() -> None:
    """Once there is room again, small batches wait for their linger as before."""
    feed, q = Feed(), queue(PATIENT, max_bytes=50)
    q.put(feed.chunk(A, 4))
    assert not q.put(feed.chunk(A, 2))
    q.finish(taken(q))
    q.put(feed.chunk(A, 1))
    assert q.take(timeout=0) is None
    q.set_lanes(2)
    assert not q.put(feed.chunk(A, 2))
    held = taken(q)
    q.put(feed.chunk(A, 1))
    q.finish(held)
    assert q.take(timeout=0) is None


def test_a_chunk_larger_than_the_bound_enters_an_empty_queue() -> None:
    """Nothing sticks for its size; what comes after it waits."""
    feed, q = Feed(), queue(max_bytes=50)
    assert q.put(feed.chunk(A, 1, 80))
    assert not q.put(feed.chunk(B, 1, 1))
    assert q.fill == 1.6


def test_a_chunk_without_records_is_nothing() -> None:
    """It is accepted and makes no batch."""
    feed, q = Feed(), queue()
    assert q.put(feed.chunk(A, 0))
    assert q.take(timeout=0) is None
    assert q.wait_empty(timeout=0)


def test_a_lane_has_its_part_of_the_bound() -> None:
    """A lane at its cap is full while others have room, and an empty one takes a chunk of any size."""
    feed, q = Feed(), queue(PATIENT, max_bytes=100)
    q.set_lanes(4)
    assert q.lane_cap == 25
    assert q.put(feed.chunk(A, 2))
    assert not q.lane_full(A)
    assert q.take(timeout=0) is None
    assert not q.put(feed.chunk(A, 1))
    assert q.put(feed.chunk(B, 3))
    assert q.lane_full(B)
    assert not q.lane_full(C)
    assert (q.lane_bytes(A), q.lane_bytes(C)) == (20, 0)
    assert taken(q).lanes == (A, B), "a lane that can take no more waits for nothing"
    assert q.put(feed.chunk(A, 4)), "a held lane with nothing queued is empty"
    q.set_lanes(0)
    assert q.lane_cap == 100


def test_a_lane_is_full_by_records_too() -> None:
    """Small records must not let one lane take the whole bound in records."""
    feed, q = Feed(), queue(PATIENT, max_records=12)
    q.set_lanes(4)
    q.put(feed.chunk(A, 3, 1))
    assert q.lane_full(A)


def test_the_lane_with_the_oldest_record_is_next() -> None:
    """A lane that was held while it filled is not put behind a younger one."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock, workers=3)
    q.put(feed.chunk(A, 1))
    held = taken(q)
    for key in (A, B):
        clock.now += 1
        q.put(feed.chunk(key, 1))
    q.finish(held)
    assert taken(q).lanes == (A,)


def test_a_lane_at_its_cap_waits_for_no_minimum() -> None:
    """Nobody offers more to a paused partition, so its linger would be lost time."""
    feed, q = Feed(), queue(PATIENT, max_bytes=100, workers=2)
    q.set_lanes(4)
    q.put(feed.chunk(A, 1))
    q.put(feed.chunk(B, 3))
    assert taken(q).lanes == (B,)


def test_parked_chunks_return_to_the_head_and_wait_for_their_time() -> None:
    """Nothing of a parked lane is taken before it is due, its order is kept, and other lanes flow."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock, max_bytes=1000)
    q.put(feed.chunk(A, 3))
    q.put(feed.chunk(A, 2))
    held = taken(q)
    q.put(feed.chunk(A, 1))
    first, second = held.chunks
    assert q.park([first.subset([])], clock.now + 60) == 0
    assert q.park([first.subset([1, 2])], clock.now + 5) == 0
    assert q.park([second], clock.now + 2) == 0
    q.finish(held)
    assert q.parked() == {A: clock.now + 5}
    q.put(feed.chunk(B, 1))
    q.put(feed.chunk(A, 1))
    assert (q.records, q.lane_bytes(A)) == (7, 60)
    other = taken(q)
    assert other.lanes == (B,)
    clock.now += 4.9
    assert q.take(timeout=0) is None
    clock.now += 0.2
    again = taken(q)
    assert [v.decode().split("/")[2] for v in again.values()] == ["1", "2", "3", "4", "5", "6"]
    assert [c.attempt for c in again.chunks] == [1, 0, 0, 0]
    assert again.first_at == 1000.0


def test_parking_is_never_refused_for_room() -> None:
    """What a worker holds has a place to go back to, though others filled the queue meanwhile."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock, max_bytes=100)
    q.put(feed.chunk(A, 10))
    held = taken(q)
    q.put(feed.chunk(B, 10))
    q.park(held.chunks, clock.now)
    q.finish(held)
    assert (q.nbytes, q.fill) == (200, 2.0)
    assert not q.put(feed.chunk(C, 1))


def test_records_of_an_ended_epoch_are_not_parked() -> None:
    """They belong to the next owner: left out, counted, and the lane is not delayed by them."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    q.put(feed.chunk(A, 3))
    held = taken(q)
    feed.tracker.end([A])
    feed.tracker.assign([A])
    assert q.drop([A]) == []
    q.put(feed.chunk(A, 1))
    assert q.park(held.chunks, clock.now + 60) == 3
    assert q.park([held.chunks[0].subset([])], clock.now + 60) == 0
    q.finish(held)
    assert len(taken(q)) == 1


def test_only_a_holder_may_give_back() -> None:
    """A batch finished twice, or a chunk of a lane that nobody holds, is a defect that is named."""
    feed, q = Feed(), queue()
    q.put(feed.chunk(A, 1))
    held = taken(q)
    q.finish(held)
    with pytest.raises(NotHeldError):
        q.finish(held)
    with pytest.raises(NotHeldError, match="does not hold"):
        q.park(held.chunks, 0.0)


def test_drop_takes_out_queued_and_parked_chunks_alone() -> None:
    """A revoke empties the lanes that were taken away; what a worker holds stays with it."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock, workers=2)
    q.put(feed.chunk(A, 1))
    held = taken(q)
    waiting, parked = feed.chunk(A, 1), held.chunks[0].subset([0])
    q.put(waiting)
    q.put(feed.chunk(B, 1))
    q.park([parked], clock.now + 9)
    assert q.drop([A, C]) == [parked, waiting]
    assert (q.records, q.held_bytes) == (1, 10)
    assert q.take(timeout=0) is not None
    q.finish(held)
    assert q.parked() == {}
    assert q.wait_empty(timeout=0, lanes=[A])
    assert not q.wait_empty(timeout=0)


FOURS = BatchRule(min_records=4, max_records=4, linger=60)


def sizes(chunks: Iterable[Chunk]) -> list[int]:
    return [len(chunk) for chunk in chunks]


def test_what_nobody_has_begun_is_handed_back() -> None:
    """The rest of a chunk whose beginning was taken stays, and is released at once: a chunk commits as a whole."""
    clock, feed = FakeClock(), Feed()
    q = queue(FOURS, clock=clock)
    q.put(feed.chunk(A, 6))
    begun = taken(q)
    others = [feed.chunk(A, 3), feed.chunk(A, 2)]
    untouched = feed.chunk(B, 3)
    for chunk in (*others, untouched):
        q.put(chunk)
    assert q.hand_back([A, B, C], clock.now + 1) == [*others, untouched]
    assert (q.records, q.nbytes) == (2, 20)
    q.finish(begun)
    assert not q.wait_empty(0, [A])
    rest = taken(q)
    assert sizes((*begun.chunks, *rest.chunks)) == [4, 2]
    assert q.hand_back([A], clock.now + 1) == []
    q.finish(rest)
    assert q.wait_empty(0)


def test_all_that_is_left_of_a_begun_chunk_stays_together() -> None:
    """Two rows of its first part wait, and the second part behind them: one without the other commits nothing."""
    clock, feed = FakeClock(), Feed()
    q = queue(FOURS, clock=clock)
    q.put(feed.chunk(A, 8))
    begun = taken(q)
    q.put(feed.chunk(A, 3))
    q.park([begun.chunks[0].subset([2, 3])], clock.now + 0.5)
    q.finish(begun)
    assert sizes(q.hand_back([A], clock.now + 1)) == [3]
    clock.now += 0.5
    assert [sizes(taken(q).chunks), q.records] == [[2], 4]


def test_what_is_handed_back_between_two_parks_takes_the_second_with_it() -> None:
    """Written alone it would stand before what came first."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    first, second = feed.chunk(A, 2), feed.chunk(A, 2)
    q.put(first)
    q.put(second)
    held = taken(q)
    q.park([first.subset([0, 1])], clock.now + 9)
    assert sizes(q.hand_back([A], clock.now + 1)) == [2]
    q.park([second.subset([0, 1])], clock.now)
    q.finish(held)
    assert sizes(q.hand_back([A], clock.now + 1)) == [2]
    assert q.wait_empty(0)


def test_a_whole_chunk_that_was_tried_is_begun() -> None:
    """It may be stored in part, or wait for a moment only; parked for longer than there is time, it goes too."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    for due, left in ((0.5, []), (2.0, [2])):
        q.put(feed.chunk(A, 2))
        held = taken(q)
        q.park([held.chunks[0].subset([0, 1])], clock.now + due)
        q.finish(held)
        assert sizes(q.hand_back([A], clock.now + 1)) == left
        q.drop([A])


def test_drop_forgets_a_parked_lane_and_its_time() -> None:
    """A lane that comes back starts without the due time of its former life."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    q.put(feed.chunk(A, 1))
    held = taken(q)
    q.park(held.chunks, clock.now + 60)
    q.finish(held)
    assert len(q.drop([A])) == 1
    assert q.wait_empty(timeout=0)
    q.put(feed.chunk(A, 2))
    assert len(taken(q)) == 2


def test_drop_forgets_what_its_holder_has_parked() -> None:
    """A lane that comes back while it is held is not delayed by what its holder had parked before."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    q.put(feed.chunk(A, 1))
    held = taken(q)
    q.park(held.chunks, clock.now + 60)
    assert len(q.drop([A])) == 1
    q.put(feed.chunk(A, 2))
    q.finish(held)
    assert len(taken(q)) == 2


def test_hastened_lanes_go_without_linger() -> None:
    """A revoke drains its lanes now; lanes that are not there are passed over."""
    feed, q = Feed(), queue(PATIENT, workers=2)
    q.put(feed.chunk(A, 1))
    q.put(feed.chunk(B, 1))
    q.hasten([B, C])
    assert taken(q).lanes == (B,)
    assert q.take(timeout=0) is None


def test_closing_releases_what_there_is_and_then_ends() -> None:
    """Partial batches go at once, put is refused by error, and take says closed when all is finished."""
    feed, q = Feed(), queue(PATIENT)
    q.put(feed.chunk(A, 1))
    q.close()
    assert q.closed
    with pytest.raises(QueueClosedError, match="stays pending"):
        q.put(feed.chunk(A, 1))
    held = taken(q)
    assert q.take(timeout=0) is None, "a held batch may still be parked"
    q.finish(held)
    with pytest.raises(QueueClosedError):
        q.take(timeout=0)


def test_a_closed_queue_keeps_parked_chunks_until_they_are_due() -> None:
    """A drain tries again what waits; only abandon gives it up."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    q.put(feed.chunk(A, 2))
    held = taken(q)
    q.close()
    q.park(held.chunks, clock.now + 1)
    q.finish(held)
    assert q.take(timeout=0) is None
    assert not q.wait_empty(timeout=0)
    clock.now += 1
    assert len(taken(q)) == 2


def test_abandon_gives_back_everything_and_ends_every_take() -> None:
    """What is queued and parked is returned, later parks are left out, a held batch can still be finished."""
    clock, feed = FakeClock(), Feed()
    q = queue(clock=clock)
    q.put(feed.chunk(A, 2))
    held = taken(q)
    q.put(feed.chunk(A, 1))
    q.put(feed.chunk(B, 1))
    assert sorted(c.lane for c in q.abandon()) == [A, B]
    with pytest.raises(QueueClosedError):
        q.take()
    assert q.park(held.chunks, clock.now) == 2
    assert not q.wait_empty(timeout=0)
    q.finish(held)
    assert q.wait_empty(timeout=0)
    assert repr(q).startswith("<BatchQueue abandoned records=0 bytes=0/10000")


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"max_records": 0}, {"workers": 0}])
def test_bounds_must_be_positive(wrong: dict[str, int]) -> None:
    """A queue that could hold nothing is refused where it is made."""
    with pytest.raises(ValueError, match="positive"):
        queue(**wrong)  # type: ignore[arg-type] # a dict of ints stands for three keywords


def in_thread(*calls: object) -> tuple[threading.Thread, list[object]]:
    """Runs callables one after another in a thread; their results, or the error that ended it."""
    results: list[object] = []

    def run() -> None:
        try:
            results.extend(call() for call in calls)  # type: ignore[operator] # only callables are given
        except QueueClosedError as error:
            results.append(error)

    thread = threading.Thread(target=run, name="waiter", daemon=True)
    thread.start()
    return thread, results


def test_a_blocked_put_goes_on_when_a_batch_leaves() -> None:
    """A producer waits for room, or for its timeout, and no longer."""
    feed, q = Feed(), BatchQueue(EAGER, 50, 100, 1)
    q.put(feed.chunk(A, 5))
    second, third = feed.chunk(A, 5), feed.chunk(A, 5)
    assert not q.put(second, timeout=0.01)
    thread, results = in_thread(lambda: q.put(second, timeout=None))
    batch = q.take(timeout=5)
    assert batch is not None
    thread.join(5)
    assert results == [True]
    thread, results = in_thread(lambda: q.put(third, timeout=60))
    q.close()
    thread.join(5)
    assert isinstance(results[0], QueueClosedError)


def test_a_blocked_take_wakes_for_a_batch_for_linger_and_for_a_due_time() -> None:
    """Each of the three comes without anybody polling."""
    rule = BatchRule(min_records=10, max_records=20, max_bytes=10_000, linger=0.02)
    feed, q = Feed(), BatchQueue(rule, 10_000, 1000, 1)
    thread, results = in_thread(q.take)
    q.put(feed.chunk(A, 1))
    thread.join(5)
    (batch,) = results
    assert isinstance(batch, Batch)
    assert q.take(timeout=0.01) is None
    thread, results = in_thread(q.take)
    q.park(batch.chunks, batch.first_at + 0.1)
    q.finish(batch)
    thread.join(5)
    (again,) = results
    assert isinstance(again, Batch)
    assert not q.parked()
    thread, results = in_thread(q.take)
    q.close()
    q.finish(again)
    thread.join(5)
    assert isinstance(results[0], QueueClosedError)


def test_who_leaves_hands_the_clock_to_another_waiter() -> None:
    """A due time is kept though the waiter that watched it went away with another batch or its timeout."""
    feed, q = Feed(), BatchQueue(EAGER, 10_000, 1000, 3)
    q.put(feed.chunk(A, 1))
    batch = q.take(timeout=5)
    assert batch is not None
    q.park(batch.chunks, batch.first_at + 0.3)
    q.finish(batch)
    waiters = [in_thread(q.take) for _ in range(3)]
    assert q.take(timeout=0.01) is None
    q.put(feed.chunk(B, 1))
    q.put(feed.chunk(C, 1))
    for thread, results in waiters:
        thread.join(5)
        assert isinstance(results[0], Batch)


class WatchedClock:
    """The real clock, which knows who has read it: a `take` reads it under the lock that it waits with."""

    def __init__(self) -> None:
        self.readers: list[str] = []
        self.read = threading.Condition()

    def __call__(self) -> float:
        with self.read:
            self.readers.append(threading.current_thread().name)
            self.read.notify_all()
        return time.monotonic()

    def wait_for_waiters(self, readings: int) -> None:
        with self.read:
            assert self.read.wait_for(lambda: self.readers.count("waiter") >= readings, 10)


def test_a_batch_that_leaves_lanes_behind_wakes_the_next_waiter() -> None:
    """One finish frees two lanes that do not fit one batch: two waiters get one each."""
    clock, feed = WatchedClock(), Feed()
    q = BatchQueue(PATIENT, 10_000, 1000, 1, clock=clock)
    for records in (5, 15):
        for key in (A, B):
            q.put(feed.chunk(key, records))
        if records == 5:
            held = taken(q)
    waiters = [in_thread(q.take) for _ in range(2)]
    clock.wait_for_waiters(2)
    q.finish(held)
    for thread, results in waiters:
        thread.join(5)
        assert isinstance(results[0], Batch)


def test_a_waiter_that_gives_up_leaves_the_linger_to_another() -> None:
    """The one that was woken for the first record times out; the other must not wait without end."""
    clock, feed = WatchedClock(), Feed()
    rule = BatchRule(min_records=10, max_records=20, max_bytes=10_000, linger=0.3)
    q = BatchQueue(rule, 10_000, 1000, 1, clock=clock)
    hasty, nothing = in_thread(lambda: q.take(timeout=0.15))
    clock.wait_for_waiters(2)
    patient, results = in_thread(q.take)
    clock.wait_for_waiters(3)
    q.put(feed.chunk(A, 1))
    hasty.join(5)
    patient.join(5)
    assert nothing == [None]
    assert isinstance(results[0], Batch)


def test_wake_makes_waiters_look_at_the_clock_again() -> None:
    """With a clock of its own, a waiting take sees a due time when it is woken."""
    clock, feed = FakeClock(), Feed()
    q = queue(PATIENT, clock=clock)
    q.put(feed.chunk(A, 1))
    thread, results = in_thread(q.take)
    clock.now += 1
    q.wake()
    thread.join(5)
    assert isinstance(results[0], Batch)


def test_waiting_for_empty_ends_with_the_last_finish() -> None:
    """Queued is not drained, held is not drained: only finished is."""
    feed, q = Feed(), BatchQueue(EAGER, 10_000, 1000, 1)
    q.put(feed.chunk(A, 1))
    assert not q.wait_empty(timeout=0)
    held = q.take(timeout=5)
    assert held is not None
    assert not q.wait_empty(timeout=0)
    thread, results = in_thread(q.wait_empty)
    q.finish(held)
    thread.join(5)
    assert results == [True]
