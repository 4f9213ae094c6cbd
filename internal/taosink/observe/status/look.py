"""One look at a running consumer: what stands at a moment, for health, metrics and the page alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from taosbatch.lane_offsets import LaneOffsets
from taosbatch.offsets import Lane
from taosink.kafka.dead_letters import DeadLetterState
from taosink.kafka.source import Ends, View
from taosink.observe.counters import Counts
from taosink.observe.health import Beat, DatabaseWait, Health, LaneState, State, judge
from taosink.observe.progress import Progress, Standing
from taosink.observe.rates import Rates, Speed, Totals
from taosink.observe.status.parts import Facts, Parts
from taosink.taos.errors import TaosError

POLL_LIMIT = 70.0
"""Seconds above `revoke.deadline` in which the polling thread comes round: a synchronous commit may block for 45 s
while a coordinator is away, and an assignment asks the brokers for some more."""
WORKER_LIMIT = 300.0
"""Seconds for which a worker may be busy with a batch outside the driver. A call into the database counts as beating
for as long as it takes."""
REPORTER_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Partition:
    """`lag_seconds` is the age of the oldest record that is not stored: 0.0 where there is none, None where nothing
    of the partition has been seen. `end` is the offset after the last record, as last heard."""

    lane: Lane
    state: str
    offsets: LaneOffsets | None
    lag: int | None
    lag_seconds: float | None
    queued_bytes: int
    breaker: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """`now` is of the monotonic clock, `at` in seconds since 1970."""

    now: float
    at: float
    counts: Counts
    view: View
    partitions: tuple[Partition, ...]
    letters: DeadLetterState
    state: State
    health: Health
    speed: Speed

    @property
    def idle(self) -> bool:
        """Without partitions, and rightly so: nothing is asked of it. While it waits for them nobody knows."""
        codes = {reason.code for reason in self.health.ready}
        return not self.partitions and not codes & {"kafka", "not_assigned"}

    @property
    def lag(self) -> int | None:
        known = [p.lag for p in self.partitions if p.lag is not None]
        return sum(known) if known or self.idle else None

    @property
    def lag_seconds(self) -> float | None:
        known = [p.lag_seconds for p in self.partitions if p.lag_seconds is not None]
        return max(known) if known else 0.0 if self.idle else None


def lag_seconds(offsets: LaneOffsets, lag: int | None, at: float) -> float | None:
    """The age of the oldest record that is not stored. Where none of those was delivered yet, the age of the last one
    delivered: the next is not older. A clock that is behind the producer's gives no negative age."""
    if offsets.pending:
        stamp = offsets.oldest
    elif lag:
        stamp = offsets.newest
    else:
        return 0.0
    return None if stamp is None else max(0.0, at - stamp)


class Looker:
    """Used by one thread. `tick` once a second, so that rates and the time without progress are known; `look` at any
    time. Takes the parts' locks, one after another, and blocks for nothing else."""

    def __init__(
        self,
        parts: Parts,
        facts: Facts,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.parts = parts
        self.facts = facts
        self._clock = clock
        self._wall = wall
        self._started = clock()
        self._progress = Progress()
        self._rates = Rates()
        self._kafka_since: float | None = None

    def __repr__(self) -> str:
        return f"<Looker {self.facts.member}>"

    def tick(self) -> Look:
        """As `look`, and remembered."""
        parts = self.parts
        counts, offsets = parts.counters.snapshot(), parts.tracker.lanes()
        lag, ends = parts.source.lag, parts.source.ends
        now = self._clock()
        standing = {
            lane: Standing(o.epoch, o.committable, bool(o.pending or lag.get(lane)))
            for lane, o in offsets.items()
        }
        self._progress.look(now, standing, counts.stored + counts.dead_lettered)
        self._rates.look(now, _totals(counts, len(offsets), lag, ends))
        if parts.source.fault is None:
            self._kafka_since = None
        elif self._kafka_since is None:
            self._kafka_since = now
        return self.look()

    def look(self) -> Look:
        parts, now, at = self.parts, self._clock(), self._wall()
        view, lag = parts.source.view, parts.source.lag
        letters = parts.dead_letters.state()
        partitions = self._partitions(view, lag, at)
        state = self._state(partitions, letters)
        health = judge(state, now, self.facts.rule)
        return Look(
            now, at, parts.counters.snapshot(), view, partitions, letters, state, health, self._rates.speed
        )

    def _partitions(self, view: View, lag: Mapping[Lane, int], at: float) -> tuple[Partition, ...]:
        offsets = self.parts.tracker.lanes()
        opened = self.parts.breakers.open_lanes()
        found = []
        for lane in sorted(view.lanes):
            standing = offsets.get(lane)
            epoch, breaker = opened.get(lane, (None, None))
            is_open = breaker is not None and standing is not None and epoch == standing.epoch
            blocked = view.blocked.get(lane)
            to_go = _to_go(lag.get(lane), standing)
            found.append(
                Partition(
                    lane,
                    _state_of(lane, view, is_open),
                    standing,
                    to_go,
                    None if standing is None else lag_seconds(standing, to_go, at),
                    self.parts.queue.lane_bytes(lane),
                    breaker=repr(breaker) if is_open else "",
                    note=blocked.message if blocked else "",
                )
            )
        return tuple(found)

    def _state(self, partitions: tuple[Partition, ...], letters: DeadLetterState) -> State:
        source = self.parts.source
        outcome, fault = source.outcome, source.fault
        stopping = self.parts.stopping()
        return State(
            started=self._started,
            stopping=stopping,
            ended=outcome.reason if outcome is not None and not stopping else "",
            beats=() if stopping else tuple(self._beats()),
            assigned=source.assigned,
            answered=source.answered,
            kafka="" if fault is None else str(fault),
            kafka_since=None if fault is None else self._kafka_since,
            kafka_operator=fault is not None and fault.operator,
            database=self._database(),
            lanes=tuple(
                LaneState(p.lane, self._progress.still_since(p.lane), p.state == "stopped", p.note)
                for p in partitions
            ),
            dead_letters_blocked=letters.blocked,
            unproven_since=self._unproven(partitions),
            idle_since=self._progress.idle_since,
            lag=sum(p.lag for p in partitions if p.lag is not None),
        )

    def _beats(self) -> list[Beat]:
        parts, facts = self.parts, self.facts
        calls = parts.meters.last_calls()
        busy = [
            # In a call at this moment its last way out lies at infinity, and it beats.
            Beat(name, max(since, calls.get(name, since)), WORKER_LIMIT)
            for name, since in parts.pool.busy_since().items()
        ]
        reporter = Beat("stats", parts.reporter.beat, facts.stats_interval + REPORTER_LIMIT)
        return [Beat("poll", parts.source.beat, facts.revoke_deadline + POLL_LIMIT), *busy, reporter]

    def _database(self) -> DatabaseWait | None:
        outage = self.parts.waits.outage
        if outage is None:
            return None
        cause, since = outage
        kind, code = (cause.kind.value, cause.code) if isinstance(cause, TaosError) else ("other", 0)
        return DatabaseWait(kind, code, str(cause), since, self.parts.needs_operator(cause))

    def _unproven(self, partitions: tuple[Partition, ...]) -> float | None:
        """Since when something is pending that may not be written, because no commit has been confirmed since."""
        if self.parts.source.holds():
            return None
        pending = [
            p.offsets.pending_since
            for p in partitions
            if p.offsets is not None and p.offsets.pending and p.offsets.pending_since is not None
        ]
        return max(self.parts.source.confirmed, min(pending)) if pending else None


def _to_go(lag: int | None, standing: LaneOffsets | None) -> int | None:
    """The lag is as old as what the brokers last said: records that came since and are in work are no less to go."""
    return lag if lag is None or standing is None else max(lag, standing.pending)


def _state_of(lane: Lane, view: View, stopped: bool) -> str:
    if lane in view.blocked:
        return "blocked"
    if stopped:
        return "stopped"
    if lane in view.waiting:
        return "waiting"
    return "paused" if lane in view.paused else "reading"


def _totals(counts: Counts, partitions: int, lag: Mapping[Lane, int], ends: Ends) -> Totals:
    return Totals(
        counts.consumed,
        counts.stored,
        counts.dead_lettered,
        sum(lag.values()) if lag else None,
        sum(ends.offsets.values()) if len(ends.offsets) == partitions else None,
        partitions,
        ends.at,
    )
