"""Stops a partition that is mostly poison, so that a mistake upstream does not move a topic into the dead letters."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What became of judged rows."""

    GOOD = auto()
    REFUSED = auto()
    """The database refused the row."""
    UNREADABLE = auto()
    """No row could be made of the record."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Shares of a lane's last `window` judged rows at which it opens, but never below `least` bad ones. Open, it lets
    one row through per `probe_every` seconds, and closes after `probes` good ones in a row."""

    max_refused: float = 0.2
    max_unreadable: float = 0.9
    window: int = 1000
    least: int = 50
    probe_every: float = 60.0
    probes: int = 10


class Breaker:
    """Of one lane; used by the one worker that holds it. Pure: time comes in as `now`."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._runs: deque[tuple[Verdict, int]] = deque()
        self._counts = dict.fromkeys(Verdict, 0)
        self._good_probes = 0
        self.next_probe: float | None = None

    def __repr__(self) -> str:
        state = "closed" if self.next_probe is None else f"open, {self._good_probes} good probes"
        return f"<Breaker {state} refused={self._counts[Verdict.REFUSED]}/{self.judged}>"

    @property
    def is_open(self) -> bool:
        return self.next_probe is not None

    @property
    def judged(self) -> int:
        """Rows in the window."""
        return sum(self._counts.values())

    def allows(self, verdict: Verdict, bad: int, rows: int) -> bool:
        """Whether one more row may end so, when `bad` of the `rows` under way already have: those that are not
        judged yet count as good, so that a few bad rows in front of many good ones do not open it."""
        if self.is_open:
            return True  # a probe: it ends as it ends
        rule = self._rule
        limit = rule.max_refused if verdict is Verdict.REFUSED else rule.max_unreadable
        so_far = self._counts[verdict] + bad
        return so_far < rule.least or so_far < limit * min(rule.window, self.judged + rows)

    def judge(self, verdict: Verdict, rows: int, now: float) -> bool:
        """Counts rows of a statement that is over; True where that opens or closes it."""
        if rows <= 0:
            return False
        if self.is_open:
            return self._judge_probe(verdict, now)
        self._count(verdict, rows)
        if verdict is Verdict.GOOD or self.allows(verdict, 0, 0):
            return False
        self._good_probes, self.next_probe = 0, now + self._rule.probe_every
        return True

    def close(self) -> None:
        """By an operator's word: everything is forgotten."""
        self._runs.clear()
        self._counts = dict.fromkeys(Verdict, 0)
        self.next_probe = None

    def _judge_probe(self, verdict: Verdict, now: float) -> bool:
        self._good_probes = self._good_probes + 1 if verdict is Verdict.GOOD else 0
        self.next_probe = now + self._rule.probe_every
        if self._good_probes < self._rule.probes:
            return False
        self.close()
        return True

    def _count(self, verdict: Verdict, rows: int) -> None:
        self._runs.append((verdict, rows))
        self._counts[verdict] += rows
        surplus = self.judged - self._rule.window
        while surplus > 0:
            oldest, count = self._runs.popleft()
            kept = max(0, count - surplus)
            self._counts[oldest] -= count - kept
            if kept:
                self._runs.appendleft((oldest, kept))
            surplus -= count - kept
