"""Stops a partition that is mostly poison, so that a mistake upstream does not move a topic into the dead letters."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
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
        self._waiting = 0
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

    def allows(self, verdict: Verdict, bad: Sequence[int], at: int, rows: int) -> bool:
        """Whether row number `at` of the `rows` under way may end so, when those numbered in `bad` (ascending) already
        have. The window ends with that row, or further on where it would not be full: rows that are not judged yet
        count as good, so that a few bad rows in front of many good ones do not open it."""
        if self.is_open:
            return True  # a probe: it ends as it ends
        window, before = self._rule.window, self.judged
        end = max(at + 1, min(rows, window - before))
        begin = max(0, end - window)
        older = min(before, window - (end - begin))
        so_far = bisect_left(bad, end) - bisect_left(bad, begin) + self._last(older, verdict)
        beyond = max(0, self._waiting - rows)
        return not self._too_many(verdict, so_far, end - begin + older + beyond)

    def judge(
        self, runs: Iterable[tuple[Verdict, int]], now: float, *, waiting: int = 0, ended: bool = False
    ) -> bool:
        """Counts rows that are over, in the partition's order; True where that opens or closes it. `ended`: `allows`
        has said no meanwhile.

        `waiting` rows of the same ones are neither stored nor refused. They count as good until they are over:
        without a database the bad rows of a backlog are found long before its good ones are stored.
        """
        if self.is_open:
            changes = [self._judge_probe(verdict, now) for verdict, rows in runs if rows]
            return any(changes)
        over = 0
        for verdict, rows in runs:
            self._count(verdict, rows)
            over += rows
        # What waited stands at the head of the lane, so that it was among these.
        self._waiting = max(0, self._waiting - over - waiting) + waiting
        bad, rows = (Verdict.REFUSED, Verdict.UNREADABLE), self.judged + self._waiting
        if not ended and not any(self._too_many(v, self._counts[v], rows) for v in bad):
            return False
        self._good_probes, self.next_probe = 0, now + self._rule.probe_every
        return True

    def _too_many(self, verdict: Verdict, bad: int, rows: int) -> bool:
        rule = self._rule
        limit = rule.max_refused if verdict is Verdict.REFUSED else rule.max_unreadable
        return bad >= rule.least and bad >= limit * rows

    def _last(self, rows: int, verdict: Verdict) -> int:
        """How many of the last `rows` in the window ended so."""
        found = 0
        for kind, count in reversed(self._runs):
            if rows <= 0:
                break
            found += min(count, rows) if kind is verdict else 0
            rows -= count
        return found

    def close(self) -> None:
        """By an operator's word: everything is forgotten."""
        self._runs.clear()
        self._counts = dict.fromkeys(Verdict, 0)
        self._waiting = 0
        self.next_probe = None

    def _judge_probe(self, verdict: Verdict, now: float) -> bool:
        self._good_probes = self._good_probes + 1 if verdict is Verdict.GOOD else 0
        self.next_probe = now + self._rule.probe_every
        if self._good_probes < self._rule.probes:
            return False
        self.close()
        return True

    def _count(self, verdict: Verdict, rows: int) -> None:
        if rows <= 0:
            return
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
