"""The breakers of a process, and what they say while one batch is written."""

from collections import Counter
from collections.abc import Iterable, Sequence

import structlog

from taosbatch.batch import Batch, Chunk
from taosbatch.breaker import Breaker, BreakerRule, Verdict
from taosbatch.encoding import Reason, Reject
from taosbatch.offsets import Lane, Ticket

log = structlog.get_logger()


class Breakers:
    """One breaker per assigned lane, begun anew with each assignment. A lane is with one worker at a time, so its
    breaker needs no lock of its own; looking one up is a single dict operation."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._of: dict[Lane, tuple[int, Breaker]] = {}

    def of(self, ticket: Ticket) -> Breaker:
        epoch, breaker = self._of.get(ticket.lane, (-1, None))
        if breaker is None or epoch != ticket.epoch:
            breaker = Breaker(self._rule)
            self._of[ticket.lane] = (ticket.epoch, breaker)
        return breaker

    def open_lanes(self) -> list[Lane]:
        """The lanes that are stopped now, for status and health."""
        return [lane for lane, (_, breaker) in list(self._of.items()) if breaker.is_open]


def verdict_of(reject: Reject) -> Verdict:
    """What a guard refuses the database would have refused: both count under the same bound, or a unit that is wrong
    at every record would fill the dead letters only because it was found early."""
    by_database = reject.reason is Reason.DATABASE or reject.by_guard
    return Verdict.REFUSED if by_database else Verdict.UNREADABLE


class Gate:
    """Of one batch, used by the worker that writes it. `ended_search`: it said no, so what waits waits for that."""

    def __init__(self, batch: Batch, breakers: Breakers) -> None:
        self._batch = batch
        self._breaker_of = {c.lane: breakers.of(c.ticket) for c in batch.chunks}
        self._rows: Counter[Lane] = Counter()
        for chunk in batch.chunks:
            self._rows[chunk.lane] += len(chunk)
        self._before_sql: Counter[tuple[Verdict, Lane]] = Counter()
        self.ended_search = False

    def may_search(self, rows: Sequence[int], refused: Sequence[Reject]) -> bool:
        """Whether the database may refuse one more of these rows; `refused` are those of this batch so far."""
        bad = self._by_lane(r.index for r in refused)
        allowed = all(self._allows(Verdict.REFUSED, lane, bad[lane]) for lane in self._by_lane(rows))
        self.ended_search = self.ended_search or not allowed
        return allowed

    def may_dead_letter(self, chunk: Chunk, reject: Reject) -> bool:
        """Whether one more record of this lane may end so; what the database itself refused was asked before."""
        if reject.reason is Reason.DATABASE:
            return True
        verdict = verdict_of(reject)
        if not self._allows(verdict, chunk.lane, self._before_sql[verdict, chunk.lane]):
            return False
        self._before_sql[verdict, chunk.lane] += 1
        return True

    def next_probe(self, chunk: Chunk) -> float:
        """When an open lane may be tried again; 0.0 for a closed one."""
        return self._breaker_of[chunk.lane].next_probe or 0.0

    def judge(self, waiting: Sequence[int], rejects: Sequence[Reject], now: float) -> None:
        """Counts what the batch came to. `waiting` are not judged; rejects among them neither."""
        held = set(waiting)
        ended = [r for r in rejects if r.index not in held]
        refused = self._by_lane(r.index for r in ended if verdict_of(r) is Verdict.REFUSED)
        unreadable = self._by_lane(r.index for r in ended if verdict_of(r) is Verdict.UNREADABLE)
        waits = self._by_lane(waiting)
        for lane, rows in self._rows.items():
            good = rows - refused[lane] - unreadable[lane] - waits[lane]
            self._count(lane, Verdict.GOOD, good, now)
            self._count(lane, Verdict.REFUSED, refused[lane], now)
            self._count(lane, Verdict.UNREADABLE, unreadable[lane], now)

    def _allows(self, verdict: Verdict, lane: Lane, bad: int) -> bool:
        return self._breaker_of[lane].allows(verdict, bad, self._rows[lane])

    def _by_lane(self, indices: Iterable[int]) -> Counter[Lane]:
        counts: Counter[Lane] = Counter()
        for chunk, within in self._batch.by_chunk(sorted(indices)):
            counts[chunk.lane] += len(within)
        return counts

    def _count(self, lane: Lane, verdict: Verdict, rows: int, now: float) -> None:
        breaker = self._breaker_of[lane]
        if not breaker.judge(verdict, rows, now):
            return
        if breaker.is_open:
            log.error(
                "breaker.open",
                topic=lane.topic,
                partition=lane.partition,
                why=verdict.name.lower(),
                breaker=repr(breaker),
                meaning="the partition is stopped, its records wait; one row a minute is tried",
                todo="look at its dead letters, and mend the producer or the schema: ten good rows close it",
            )
        else:
            log.info("breaker.closed", topic=lane.topic, partition=lane.partition)
