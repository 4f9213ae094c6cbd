"""What a consumer's state means: alive, ready, healthy, and why not. Pure: a state and `now` in, verdicts out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from taosbatch.offsets import Lane

FEW = 5
"""Partitions named in one reason."""
CODES = (
    "wedged_poll",
    "wedged_worker",
    "wedged_stats",
    "stopping",
    "ended",
    "kafka",
    "not_assigned",
    "database",
    "dead_letters",
    "lease",
    "all_partitions_stopped",
    "partition_blocked",
    "breaker",
    "no_progress",
    "partition_still",
)
"""Every code that a reason can have. Each has its paragraph in docs/RUNBOOK.md."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong. `code` is stable; `message` says what it means and what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A loop: when it last came round, and the seconds after which it counts as wedged."""

    name: str
    last: float
    limit: float


@dataclass(frozen=True, slots=True)
class DatabaseWait:
    """Why rows wait for the database, and since when nothing went through. `code` is 0 where there is no number."""

    kind: str
    code: int
    message: str
    since: float
    operator: bool


@dataclass(frozen=True, slots=True)
class LaneState:
    """A partition of this member. `still_since`: since when something waits in it and nothing ends; None while
    nothing waits. `blocked` says why it is not read until an operator has decided."""

    lane: Lane
    still_since: float | None = None
    breaker_open: bool = False
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Times are of the clock that `now` is of; None where it does not hold."""

    started: float = 0.0
    stopping: bool = False
    ended: str = ""
    beats: tuple[Beat, ...] = ()
    assigned: bool = True
    answered: bool = True
    kafka: str = ""
    kafka_since: float | None = None
    kafka_operator: bool = False
    """Whether it takes somebody to end what `kafka` says."""
    database: DatabaseWait | None = None
    lanes: tuple[LaneState, ...] = ()
    dead_letters_blocked: Mapping[str, str] = field(default_factory=dict)
    unproven_since: float | None = None
    idle_since: float | None = None
    """Since when something waits and nothing was stored or dead-lettered."""
    lag: int | None = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """Seconds. A wait for the database or the group counts from `patience` on: one retry is no outage."""

    no_progress: float = 120.0
    patience: float = 3.0
    lease: float = 12.0
    join: float = 20.0
    """A member that gets no partitions is not told so by the newer group protocol: who hears nothing for so long,
    although brokers answer, has none."""


@dataclass(frozen=True, slots=True)
class Health:
    """No reasons: yes. What makes it not ready makes it unhealthy too; what makes it dead is a matter of the process
    alone, so that an outage restarts nothing."""

    live: tuple[Reason, ...]
    ready: tuple[Reason, ...]
    healthy: tuple[Reason, ...]


def judge(state: State, now: float, rule: Rule) -> Health:
    live = tuple(_wedged(state, now))
    ready = tuple(_not_ready(state, now, rule))
    return Health(live, ready, (*live, *ready, *_unwell(state, now, rule)))


def _wedged(state: State, now: float) -> Iterator[Reason]:
    for beat in state.beats:
        if now - beat.last > beat.limit:
            yield Reason(
                f"wedged_{beat.name.partition('-')[0]}",
                f"the {beat.name} thread has not come round for {now - beat.last:.0f} s (limit {beat.limit:.0f} s);"
                " restart the process: nothing is lost",
            )


def _not_ready(state: State, now: float, rule: Rule) -> Iterator[Reason]:
    if state.stopping:
        yield Reason("stopping", "it writes and commits what it has read, and leaves the group")
    if state.ended:
        yield Reason("ended", f"reading has ended: {state.ended}")
    if state.kafka:
        yield Reason("kafka", state.kafka)
    elif not state.assigned and (not state.answered or now - state.started < rule.join):
        waits = (
            "the group has not given it partitions yet" if state.answered else "no broker has answered yet"
        )
        yield Reason("not_assigned", waits)
    wait = state.database
    if wait is not None and now - wait.since >= rule.patience:
        until = "an operator is needed" if wait.operator else "it mends itself"
        yield Reason("database", f"rows have waited for {now - wait.since:.0f} s, {until}: {wait.message}")
    for topic, why in sorted(state.dead_letters_blocked.items()):
        yield Reason("dead_letters", f"{topic} takes no dead letter, its partitions stop committing: {why}")
    if state.unproven_since is not None and now - state.unproven_since >= rule.lease:
        yield Reason(
            "lease",
            f"no commit was confirmed for {now - state.unproven_since:.0f} s, so that nothing is written: the group"
            " may have given this member up",
        )
    if state.lanes and all(lane.blocked or lane.breaker_open for lane in state.lanes):
        yield Reason("all_partitions_stopped", "every partition of this member waits for an operator")


def _unwell(state: State, now: float, rule: Rule) -> Iterator[Reason]:
    for lane in state.lanes:
        if lane.blocked:
            yield Reason("partition_blocked", f"{_named(lane)} is not read: {lane.blocked}")
        if lane.breaker_open:
            yield Reason(
                "breaker",
                f"{_named(lane)} is stopped, most of its records cannot be stored: look at its dead letters; ten good"
                " rows close it, or POST /breakers/TOPIC/PARTITION/close",
            )
    if state.idle_since is not None and now - state.idle_since >= rule.no_progress:
        behind = "" if state.lag is None else f" with {state.lag} records to go"
        yield Reason(
            "no_progress",
            f"nothing was stored for {now - state.idle_since:.0f} s{behind}: {_what_blocks(state)}",
        )
        return
    still = [
        lane
        for lane in state.lanes
        if lane.still_since is not None
        and now - lane.still_since >= rule.no_progress
        and not (lane.blocked or lane.breaker_open)
    ]
    if still:
        names = ", ".join(_named(lane) for lane in still[:FEW]) + (" and more" if len(still) > FEW else "")
        yield Reason(
            "partition_still", f"{names}: nothing could be committed for {rule.no_progress:.0f} s and more"
        )


def _what_blocks(state: State) -> str:
    """The one thing that explains most, or where to look for it."""
    wait, letters = state.database, sorted(state.dead_letters_blocked)
    called = [beat.name for beat in state.beats if beat.last == inf]
    stopped = [_named(lane) for lane in state.lanes if lane.blocked or lane.breaker_open]
    causes = (
        (state.kafka, "Kafka does not answer"),
        (wait, f"rows wait for the database ({'' if wait is None else wait.kind})"),
        (letters, f"{', '.join(letters[:FEW])} takes no dead letter"),
        (state.unproven_since is not None, "no commit is confirmed, so that nothing may be written"),
        (called, f"{', '.join(called[:FEW])}: a call into the database has not returned"),
        (stopped, f"{', '.join(stopped[:FEW])} stopped"),
    )
    unknown = "no cause is known; /status.json tells what each partition and worker does"
    return next((text for holds, text in causes if holds), unknown)


def _named(state: LaneState) -> str:
    return f"{state.lane.topic}/{state.lane.partition}"
