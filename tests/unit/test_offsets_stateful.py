"""Assign, deliver, end and re-assign in any order: the tracker against a model that counts each record."""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from support.chunks import lane

from taosbatch.offsets import Lane, OffsetTracker, Ticket

LANES = st.sampled_from([lane(0), lane(1)])


@dataclass
class Assignment:
    """What one epoch of one lane delivered: offsets that have not ended, and where it stands."""

    start: int
    position: int
    committed: int
    unfinished: list[int] = field(default_factory=list)


class TrackerMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker()
        self.live: dict[Lane, Assignment] = {}
        self.broker: dict[Lane, int] = {}

    @rule(key=LANES)
    def assign(self, key: Lane) -> None:
        start = self.broker.get(key, 0)
        self.tracker.assign([key], committed={key: start})
        self.live[key] = Assignment(start, start, start)

    @rule(key=LANES)
    def end(self, key: Lane) -> None:
        ended = self.live.pop(key, None)
        assert self.tracker.end([key]) == (len(ended.unfinished) if ended else 0)

    @rule(target=tickets, key=LANES, records=st.integers(0, 4), skip=st.integers(0, 2), gap=st.integers(0, 2))
    def deliver(self, key: Lane, records: int, skip: int, gap: int) -> object:
        here = self.live.get(key)
        if here is None:
            return multiple()
        first = here.position + skip
        here.position = first + records + gap
        here.unfinished += range(first, first + records)
        return (
            self.tracker.open(key, first, here.position, records),
            list(range(first, first + records)),
            here,
        )

    @rule(key=LANES, gap=st.integers(0, 3))
    def reach_end(self, key: Lane, gap: int) -> None:
        if here := self.live.get(key):
            here.position += gap
            self.tracker.passed(key, here.position)

    @rule(target=tickets, part=consumes(tickets), n=st.integers(1, 4))
    def finish(self, part: tuple[Ticket, list[int], Assignment], n: int) -> object:
        ticket, offsets, here = part
        ended, rest = offsets[:n], offsets[n:]
        ticket.done(len(ended))
        here.unfinished = [offset for offset in here.unfinished if offset not in ended]
        return (ticket, rest, here) if rest else multiple()

    @rule()
    def commit(self) -> None:
        for key, offset in self.tracker.committable().items():
            assert offset > self.broker.get(key, 0)
            self.broker[key] = offset
            self.live[key].committed = offset
            self.tracker.committed(key, offset)

    @invariant()
    def never_passes_an_unfinished_record(self) -> None:
        for key, offset in self.tracker.committable().items():
            here = self.live[key]
            assert all(offset <= unfinished for unfinished in here.unfinished)
            assert here.committed < offset <= here.position

    @invariant()
    def reaches_the_end_when_all_is_done(self) -> None:
        offers = self.tracker.committable()
        for key, here in self.live.items():
            if not here.unfinished and here.position > here.committed:
                assert offers[key] == here.position

    @invariant()
    def counts_what_is_out(self) -> None:
        assert self.tracker.pending_records == sum(len(here.unfinished) for here in self.live.values())
        for key, here in self.live.items():
            assert self.tracker.pending(key) == len(here.unfinished)
            assert 0 <= self.tracker.span(key) <= here.position - here.start


TestTracker = TrackerMachine.TestCase
