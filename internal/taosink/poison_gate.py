"""The breakers of a process, and what they say while one batch is written."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import structlog

from taosbatch.batch import Batch, Chunk
from taosbatch.breaker import Breaker, BreakerRule, Verdict
from taosbatch.encoding import Reason, Reject
from taosbatch.offsets import Lane, Ticket

log = structlog.get_logger()


class Breakers:
    """One breaker per assigned lane, begun anew with each assignment. A lane is with one worker at a time, so its
    breaker needs no lock of its own; looking one up or replacing it is a single dict operation."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._of: dict[Lane, tuple[int, Breaker]] = {}

    def __repr__(self) -> str:
        return f"<Breakers open={sorted(self.open_lanes())}>"

    def of(self, ticket: Ticket) -> Breaker:
        epoch, breaker = self._of.get(ticket.lane, (-1, None))
        if breaker is None or epoch != ticket.epoch:
            breaker = Breaker(self._rule)
            self._of[ticket.lane] = (ticket.epoch, breaker)
        return breaker

    def next_probe(self, ticket: Ticket) -> float:
        """When an open lane may be tried again; 0.0 for a closed one."""
        return self.of(ticket).next_probe or 0.0

    def open_lanes(self) -> dict[Lane, tuple[int, Breaker]]:
        """Those that are open, with the assignment that they are of. From any thread."""
        return {lane: (epoch, b) for lane, (epoch, b) in self._of.copy().items() if b.is_open}

    def close(self, lane: Lane) -> bool:
        """By an operator's word, from any thread: everything is forgotten. False for a lane that is not stopped.

        What is parked for the next probe has to be released by the caller, afterwards.
        """
        epoch, breaker = self._of.get(lane, (-1, None))
        if breaker is None or not breaker.is_open:
            return False
        # Another one in its place: a worker may be judging a row by the old one at this moment.
        self._of[lane] = (epoch, Breaker(self._rule))
        log.info("breaker.closed_by_operator", topic=lane.topic, partition=lane.partition, was=repr(breaker))
        return True


def verdict_of(reject: Reject) -> Verdict:
    """What a guard refuses the database would have refused: both count under the same bound, or a unit that is wrong
    at every record would fill the dead letters only because it was found early."""
    by_database = reject.reason is Reason.DATABASE or reject.by_guard
    return Verdict.REFUSED if by_database else Verdict.UNREADABLE


class Gate:
    """Of one batch, used by the worker that writes it. `ended_search`: it said no, so what waits waits for that.

    Rows are counted per lane, in the partition's order, by their number among the lane's rows of this batch.
    """

    def __init__(self, batch: Batch, breakers: Breakers) -> None:
        self._batch = batch
        self._breakers = breakers
        self._breaker_of = {c.lane: breakers.of(c.ticket) for c in batch.chunks}
        self._rows: Counter[Lane] = Counter()
        self._first: dict[int, int] = {}
        for chunk in batch.chunks:
            self._first[id(chunk)] = self._rows[chunk.lane]
            self._rows[chunk.lane] += len(chunk)
        self._ended: defaultdict[tuple[Lane, Verdict], list[int]] = defaultdict(list)
        self._stopped: set[Lane] = set()
        self.ended_search = False

    def may_search(self, rows: Sequence[int], refused: Sequence[Reject]) -> bool:
        """Whether the database may refuse one more of these rows; `refused` are those of this batch so far."""
        bad = self._by_lane(r.index for r in refused)
        asked = self._by_lane(rows)
        for lane, numbers in asked.items():
            if not self._allows(Verdict.REFUSED, lane, bad.get(lane, []), numbers[0]):
                self.ended_search = True
        return not self.ended_search

    def may_dead_letter(self, chunk: Chunk, i: int, reject: Reject) -> bool:
        """Whether record `i` of the chunk may end so, asked in ascending order; what the database itself refused was
        asked about before, and only counts."""
        verdict, number = verdict_of(reject), self._first[id(chunk)] + i
        so_far = self._ended[chunk.lane, verdict]
        if reject.reason is not Reason.DATABASE and not self._allows(verdict, chunk.lane, so_far, number):
            return False
        so_far.append(number)
        return True

    def next_probe(self, chunk: Chunk) -> float:
        """When an open lane may be tried again; 0.0 for a closed one."""
        # Asked anew: an operator may have closed it since the batch was begun.
        return self._breakers.next_probe(chunk.ticket)

    def judge(self, waiting: Sequence[int], rejects: Sequence[Reject], now: float) -> None:
        """Counts what the batch came to, in the partitions' order. What waits is not judged, rejected or not: it
        counts as good meanwhile."""
        waits = self._by_lane(waiting)
        bad: defaultdict[Lane, dict[int, Verdict]] = defaultdict(dict)
        verdicts = {r.index: verdict_of(r) for r in rejects}
        for (lane, numbers), verdict in self._each(verdicts):
            bad[lane][numbers] = verdict
        for lane, rows in self._rows.items():
            held = set(waits.get(lane, ()))
            runs = _runs(rows, {n: v for n, v in bad[lane].items() if n not in held}, held)
            breaker, ended = self._breaker_of[lane], lane in self._stopped
            self._report(lane, breaker.judge(runs, now, waiting=len(held), ended=ended))

    def _each(self, verdicts: Mapping[int, Verdict]) -> Iterator[tuple[tuple[Lane, int], Verdict]]:
        ordered = sorted(verdicts)
        at = iter(ordered)
        for chunk, within in self._batch.by_chunk(ordered):
            for i in within:
                yield (chunk.lane, self._first[id(chunk)] + i), verdicts[next(at)]

    def _allows(self, verdict: Verdict, lane: Lane, bad: Sequence[int], at: int) -> bool:
        if self._breaker_of[lane].allows(verdict, bad, at, self._rows[lane]):
            return True
        self._stopped.add(lane)
        return False

    def _by_lane(self, indices: Iterable[int]) -> dict[Lane, list[int]]:
        found: defaultdict[Lane, list[int]] = defaultdict(list)
        for chunk, within in self._batch.by_chunk(sorted(indices)):
            first = self._first[id(chunk)]
            found[chunk.lane] += [first + i for i in within]
        return found

    def _report(self, lane: Lane, changed: bool) -> None:
        breaker = self._breaker_of[lane]
        if not changed:
            return
        if breaker.is_open:
            log.error(
                "breaker.open",
                topic=lane.topic,
                partition=lane.partition,
                breaker=repr(breaker),
                meaning="the partition is stopped, its records wait; one row a minute is tried",
                todo="look at its dead letters, and mend the producer or the schema: ten good rows close it",
            )
        else:
            log.info("breaker.closed", topic=lane.topic, partition=lane.partition)


def _runs(rows: int, bad: Mapping[int, Verdict], held: Collection[int]) -> Iterator[tuple[Verdict, int]]:
    """The judged rows in order: stretches of good ones, and each bad one between them."""
    at, skipped = 0, sorted(held)
    for number in [*sorted(bad), rows]:
        good = number - at - (bisect_left(skipped, number) - bisect_left(skipped, at))
        yield Verdict.GOOD, good
        if number < rows:
            yield bad[number], 1
        at = number + 1
