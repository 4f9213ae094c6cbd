"""What goes wrong, when, and to whom: a pure function of a seed."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

CONSUMER_KINDS: Mapping[str, float] = {"kill": 4, "restart": 3, "freeze": 3, "leave": 2, "join": 2}
"""Of a member: SIGKILL and back; SIGTERM and at once back; SIGSTOP and SIGCONT; SIGTERM and later back; one
more member for a while."""
DATABASE_KINDS: Mapping[str, float] = {"cut": 3, "stall": 3, "slow": 2, "reset": 3, "reset_answer": 2}
"""Of the way to the database: refused, silent, delayed, connections reset, reset in mid-answer."""
BROKER_KINDS: Mapping[str, float] = {"stop_broker": 1, "kill_broker": 1}

BROKER, DATABASE = "broker", "database"


class Fault(NamedTuple):
    """One thing that goes wrong. `at` and `seconds` (how long it lasts) are in seconds of the run."""

    at: float
    kind: str
    target: str
    seconds: float


class Action(NamedTuple):
    """A fault's begin or its end, as the run carries it out."""

    at: float
    ends: bool
    fault: Fault


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each kind of target is hit (mean seconds between), and for how long (least, most).

    A frozen member stays so for up to `frozen`: longer than the group waits for a member, now and then.
    """

    consumer: float = 1.5
    database: float = 5.0
    broker: float = 20.0
    away: tuple[float, float] = (0.2, 3.0)
    frozen: tuple[float, float] = (0.5, 6.0)
    trouble: tuple[float, float] = (0.3, 3.0)
    broker_down: tuple[float, float] = (0.2, 3.0)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who may be hit: `members` are up unless a fault has them, `spares` are there only while they have joined."""

    members: int = 3
    spares: int = 1
    pace: Pace = field(default_factory=Pace)

    @property
    def names(self) -> Sequence[str]:
        return [*(f"member-{i}" for i in range(self.members)), *(f"spare-{i}" for i in range(self.spares))]


def schedule(seed: int, seconds: float, cast: Cast) -> list[Fault]:
    """Every fault of a run that begins within `seconds`, by time. No target is in two at once, and one member at
    least is left alone at any time."""
    pace = cast.pace
    faults = [
        *_consumers(seed, seconds, cast),
        *_single(
            seed, DATABASE, DATABASE_KINDS, _moments(seed, DATABASE, seconds, pace.database), pace.trouble
        ),
        *_single(seed, BROKER, BROKER_KINDS, _moments(seed, BROKER, seconds, pace.broker), pace.broker_down),
    ]
    return sorted(faults)


def actions(faults: Sequence[Fault]) -> list[Action]:
    """Begins and ends, in the order in which they are due; an end stands before a begin of the same moment.
    What lasts no time has no end."""
    begins = [Action(f.at, False, f) for f in faults]
    ends = [Action(f.at + f.seconds, True, f) for f in faults if f.seconds]
    return sorted([*begins, *ends], key=lambda a: (a.at, not a.ends, a.fault))


def by_kind(faults: Sequence[Fault]) -> dict[str, int]:
    return dict(sorted(Counter(f.kind for f in faults).items()))


def _moments(seed: int, whom: str, seconds: float, mean: float) -> Iterator[float]:
    """When to hit somebody: at irregular times, `mean` seconds apart."""
    draw = random.Random(f"{seed}:{whom}:moments")
    at = draw.uniform(0.3, 1.0) * mean
    while at < seconds * 0.95:
        yield at
        at += draw.uniform(0.5, 1.5) * mean


def _single(
    seed: int, target: str, kinds: Mapping[str, float], moments: Iterator[float], lasts: tuple[float, float]
) -> Iterator[Fault]:
    draw = random.Random(f"{seed}:{target}")
    free = 0.0
    for at in moments:
        kind, length = _choice(draw, kinds), draw.uniform(*lasts)
        if at >= free:
            yield _fault(at, kind, target, 0.0 if kind == "reset" else length)
            free = at + length


def _consumers(seed: int, seconds: float, cast: Cast) -> Iterator[Fault]:
    draw = random.Random(f"{seed}:consumers")
    busy = dict.fromkeys(cast.names, 0.0)
    for at in _moments(seed, "consumers", seconds, cast.pace.consumer):
        kind = _choice(draw, CONSUMER_KINDS)
        length = draw.uniform(*(cast.pace.frozen if kind == "freeze" else cast.pace.away))
        role = "spare" if kind == "join" else "member"
        idle = [name for name, until in busy.items() if name.startswith(role) and until <= at]
        if len(idle) <= (role == "member"):
            continue
        target = draw.choice(idle)
        yield _fault(at, kind, target, 0.0 if kind == "restart" else length)
        busy[target] = at + length


def _choice(draw: random.Random, kinds: Mapping[str, float]) -> str:
    return draw.choices(list(kinds), list(kinds.values()))[0]


def _fault(at: float, kind: str, target: str, seconds: float) -> Fault:
    return Fault(round(at, 3), kind, target, round(seconds, 3))
