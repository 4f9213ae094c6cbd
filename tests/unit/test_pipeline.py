"""A worker's settling of a batch, with the real queue and tracker and a scripted writer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.breaker import BreakerRule
from taosbatch.encoding import Reason, Reject
from taosbatch.offsets import Lane, OffsetTracker
from taosink.observe.counters import Counters
from taosink.observe.waits import OUTAGE, Waits
from taosink.pipeline import Pipeline
from taosink.poison_gate import Breakers
from taosink.ports import PoisonGate, Written

A, B = Lane("t", 0), Lane("t", 1)


@dataclass
class ScriptedWriter:
    answers: list[Written]
    seen: list[list[bytes]] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    allow_poison: PoisonGate | None = None
    meanwhile: Callable[[], object] = lambda: None

    def write(self, values: Sequence[bytes], owned: Callable[[], bool]) -> Written:
        self.seen.append(list(values))
        self.asked.append(owned())
        self.meanwhile()
        return self.answers.pop(0)

    def close(self) -> None: ...


@dataclass
class Letters:
    room: int = 100
    taken: list[tuple[Any, Reject, Callable[[], None]]] = field(default_factory=list)

    def publish(self, source: Any, reject: Reject, done: Callable[[], None]) -> bool:
        if len(self.taken) >= self.room:
            return False
        self.taken.append((source, reject, done))
        return True


class Rig:
    def __init__(self, *answers: Written, room: int = 100) -> None:
        self.now = 100.0
        self.tracker = OffsetTracker()
        self.tracker.assign([A, B], committed={A: 0, B: 0})
        self.queue = BatchQueue(BatchRule(), 1 << 20, 10_000, 1, clock=lambda: self.now)
        self.writer = ScriptedWriter(list(answers))
        self.letters = Letters(room)
        self.counters = Counters()
        self.waits = Waits(needs_operator=lambda _: False, clock=lambda: self.now)
        self.abandoned = False
        self.member = True
        self.pipeline = Pipeline(
            self._writer,
            self.letters,
            self.queue,
            counters=self.counters,
            waits=self.waits,
            breakers=Breakers(BreakerRule()),
            abandoned=lambda: self.abandoned,
            holds=lambda: self.member,
            clock=lambda: self.now,
            rand=lambda: 0.0,
        )

    def _writer(self, allow_poison: PoisonGate) -> ScriptedWriter:
        self.writer.allow_poison = allow_poison
        return self.writer

    def put(self, lane: Lane, *values: bytes) -> None:
        first = self.tracker.lanes()[lane].delivered or 0
        ticket = self.tracker.open(lane, first, first + len(values), len(values))
        assert self.queue.put(
            Chunk(lane, list(values), [f"{lane.partition}:{v!r}" for v in values], ticket, 10)
        )

    def run(self) -> Batch:
        batch = self.queue.take(0.0)
        assert batch is not None
        self.pipeline(batch)
        self.queue.finish(batch)
        return batch


def reject(index: int) -> Reject:
    return Reject(index, Reason.MALFORMED, "no record")


def test_stored_records_become_committable() -> None:
    """What the database acknowledged may be committed at once."""
    rig = Rig(Written([], []))
    rig.put(A, b"1", b"2")
    rig.put(B, b"3")
    rig.run()
    assert rig.tracker.committable() == {A: 2, B: 1}
    assert rig.counters.snapshot().stored == 3


def test_a_rejected_record_is_pending_until_its_letter_is_acknowledged() -> None:
    """A neighbour is stored; the commit waits for the broker's word about the letter."""
    rig = Rig(Written([reject(1)], []))
    rig.put(A, b"1", b"2", b"3")
    rig.run()
    assert rig.tracker.committable() == {}
    [(source, what, done)] = rig.letters.taken
    assert (source, what.index) == ("0:b'2'", 1)
    done()
    assert rig.tracker.committable() == {A: 3}
    assert rig.counters.snapshot().dead_lettered == 1
    assert rig.counters.snapshot().rejected_by_reason == {"malformed": 1}


def test_waiting_records_are_parked_by_lane_and_come_again() -> None:
    """Only what waits is tried again, on its own ticket, after the backoff."""
    rig = Rig(Written([], [1, 2], OSError("down")), Written([], []))
    rig.put(A, b"1", b"2")
    rig.put(B, b"3")
    rig.run()
    assert rig.tracker.committable() == {}
    assert rig.waits.cause is not None
    assert rig.queue.take(0.0) is None
    rig.now += 60
    rig.run()
    assert rig.writer.seen == [[b"1", b"2", b"3"], [b"2", b"3"]]
    assert rig.tracker.committable() == {A: 2, B: 1}
    assert rig.waits.cause is None


def test_lanes_that_are_not_concerned_go_on() -> None:
    """A parked lane holds back no other."""
    rig = Rig(Written([], [0], OSError("down")), Written([], []))
    rig.put(A, b"1")
    rig.put(B, b"2")
    rig.run()
    assert rig.tracker.committable() == {B: 1}
    rig.put(B, b"3")
    rig.run()
    assert rig.writer.seen[-1] == [b"3"]


def test_a_full_bound_of_letters_makes_the_record_wait() -> None:
    """No worker waits for the dead letters: the record is handed back and tried again."""
    rig = Rig(Written([reject(0), reject(1)], []), Written([reject(0)], []), room=1)
    rig.put(A, b"1", b"2")
    rig.run()
    assert len(rig.letters.taken) == 1
    rig.letters.room = 2
    rig.now += 1
    rig.run()
    for _, _, done in rig.letters.taken:
        done()
    assert rig.writer.seen[-1] == [b"2"]
    assert rig.tracker.committable() == {A: 2}


def test_rows_of_an_ended_epoch_are_dropped_unsent() -> None:
    """The next owner reads them again: writing them here could overwrite what it wrote."""
    rig = Rig(Written([], []))
    rig.put(A, b"1")
    rig.put(B, b"2")
    rig.tracker.end([A])
    rig.run()
    assert rig.writer.seen == [[b"2"]]


def test_nothing_is_written_when_all_epochs_have_ended() -> None:
    """No statement goes out for partitions that belong to somebody else."""
    rig = Rig()
    rig.put(A, b"1")
    rig.tracker.end([A])
    rig.run()
    assert rig.writer.seen == []


def test_nothing_is_written_while_the_membership_is_unproven() -> None:
    """A member that was frozen may have been given up: it would write over what the next owner has written."""
    rig = Rig(Written([], []))
    rig.put(A, b"1")
    rig.member = False
    rig.run()
    assert rig.writer.seen == []
    rig.member, rig.now = True, rig.now + 1
    rig.run()
    assert rig.writer.seen == [[b"1"]]
    assert rig.tracker.committable() == {A: 1}


@pytest.mark.parametrize("how", ["abandon", "epoch", "member"])
def test_the_writer_is_told_when_to_leave_off(how: str) -> None:
    """Before each statement it asks; a stop that abandons and an ended epoch both say no."""
    rig = Rig()
    rig.put(A, b"1")
    rig.put(B, b"2")

    def write(values: Sequence[bytes], owned: Callable[[], bool]) -> Written:
        before = owned()
        match how:
            case "abandon":
                rig.abandoned = True
            case "member":
                rig.member = False
            case _:
                rig.tracker.end([A])
        rig.writer.asked += [before, owned()]
        return Written([], list(range(len(values))))

    rig.writer.write = write  # type: ignore[method-assign] # the script of this test
    rig.run()
    rig.member = True
    assert rig.writer.asked == [True, False]
    assert rig.tracker.committable() == {}
    batch = rig.queue.take(0.0)
    assert batch is not None, "what is still owned is tried again at once"
    assert [c.lane for c in batch.chunks if c.ticket.alive] == ([B] if how == "epoch" else [A, B])


def test_the_backoff_grows_with_the_attempts_of_a_chunk() -> None:
    """Each hand-back waits longer, and a success starts anew with the next chunk."""
    down = OSError("down")
    rig = Rig(Written([], [0], down), Written([], [0], down), Written([], [0], down))
    rig.put(A, b"1")
    dues = []
    for _ in range(3):
        rig.run()
        [due] = rig.queue.parked().values()
        dues.append(due - rig.now)
        rig.now = due
    assert dues == sorted(dues)
    assert dues[0] < dues[-1]


def refused(index: int) -> Reject:
    return Reject(index, Reason.DATABASE, "outside KEEP", "d", 0x060B)


@pytest.mark.parametrize(("outage", "waits_on"), [(OUTAGE, False), (OUTAGE / 2, True)])
def test_the_first_batch_after_an_outage_ends_the_pauses_of_all(outage: float, waits_on: bool) -> None:
    """They had grown by attempts that no longer say anything. A short silence is no outage: where one lane alone
    waits, its neighbours' batches are no reason to try it."""
    down = Written([], [0], OSError("down"), delay=outage)
    rig = Rig(down, replace(down, delay=60.0), Written([], []))
    rig.put(A, b"1")
    rig.run()
    rig.put(B, b"2")
    rig.run()
    rig.now += outage
    rig.run()
    assert rig.tracker.committable() == {A: 1}
    assert (rig.queue.take(0.0) is None) == waits_on


@pytest.mark.parametrize(("began_before", "due"), [(True, 0.2), (False, 0.8)])
def test_what_fails_by_an_outage_that_has_ended_is_tried_again_soon(began_before: bool, due: float) -> None:
    """Its statement was under way when another one went through: its pause begins anew."""
    down = Written([], [0], OSError("down"))
    rig = Rig(down, down, down)
    rig.put(A, b"1")
    rig.run()
    rig.now += OUTAGE
    rig.run()
    rig.now += OUTAGE
    if began_before:
        rig.writer.meanwhile = rig.waits.wrote
    else:
        rig.waits.wrote()
        rig.now += 0.1
    rig.run()
    assert rig.queue.parked() == {A: pytest.approx(rig.now + due)}


def test_a_lane_that_is_mostly_poison_stops_and_its_neighbour_goes_on() -> None:
    """The search ends, what is left waits for a probe, and the other lane's rows are tried again at once."""
    rig = Rig()
    rig.put(A, *(b"a%d" % i for i in range(100)))
    rig.put(B, b"b")

    def write(values: Sequence[bytes], _owned: Callable[[], bool]) -> Written:
        rig.writer.seen.append(list(values))
        if len(values) == 1:
            return Written([], [])
        allow = rig.writer.allow_poison
        assert allow is not None
        rejects: list[Reject] = []
        while len(rejects) < 100 and allow(range(len(rejects), 100), rejects):
            rejects.append(refused(len(rejects)))
        return Written(rejects, list(range(len(rejects), len(values))), ValueError("poison"), 60.0)

    rig.writer.write = write  # type: ignore[method-assign] # the script of this test
    rig.run()
    assert len(rig.letters.taken) == 50, "never below fifty"
    rig.run()
    assert rig.writer.seen[-1] == [b"b"]
    assert rig.queue.take(0.0) is None, "the stopped lane waits for its probe"
    for probe in range(10):
        rig.now += 60
        rig.run()
        assert rig.writer.seen[-1] == [b"a%d" % (50 + probe)], "one row, in order"
    rig.writer.write = lambda values, _owned: (rig.writer.seen.append(list(values)), Written([], []))[1]  # type: ignore[method-assign, func-returns-value] # as above
    rig.run()
    assert rig.writer.seen[-1] == [b"a%d" % i for i in range(60, 100)], "ten good probes close it"
    for _, _, done in rig.letters.taken:
        done()
    assert rig.tracker.committable() == {A: 100, B: 1}


def test_an_outage_while_a_lane_is_stopped_is_still_waited_for() -> None:
    """A probe that meets an outage comes back with a backoff, not in a busy loop."""
    rig = Rig(
        Written([reject(i) for i in range(60)], []),
        Written([], [0], OSError("down")),
    )
    rig.put(A, *(b"garbage" for _ in range(60)))
    rig.run()
    assert len(rig.letters.taken) == 54, "0.9 of sixty"
    rig.now += 60
    rig.run()
    [due] = rig.queue.parked().values()
    assert due > rig.now


def test_what_a_guard_refuses_counts_as_the_database_s_refusal() -> None:
    """A unit mistake in every record stops the partition at 20 %, found by the guard or by the server."""
    guarded = [Reject(i, Reason.TIMESTAMP, "before KEEP", by_guard=True) for i in range(300)]
    rig = Rig(Written(guarded, []))
    rig.put(A, *(b"r" for _ in range(300)))
    rig.run()
    assert len(rig.letters.taken) == 60, "a fifth of three hundred"
    assert rig.queue.take(0.0) is None


def test_a_small_share_spread_over_a_large_batch_stops_nothing() -> None:
    """Five rows in a hundred are dead-lettered, and the partition goes on."""
    guarded = [Reject(i, Reason.VALUE, "text into DOUBLE", by_guard=True) for i in range(0, 5000, 20)]
    rig = Rig(Written(guarded, []), room=1000)
    rig.put(A, *(b"r" for _ in range(5000)))
    rig.run()
    assert len(rig.letters.taken) == 250
    assert rig.queue.parked() == {}
    for _, _, done in rig.letters.taken:
        done()
    assert rig.tracker.committable() == {A: 5000}
